"""Do the commands of the README's tour, of the tutorial and of the whole chain run, one after another, as they stand?

The lines are read from the pages. What is changed is only how much is done: fewer steps, less text (`LESS`).
"""

from __future__ import annotations

import csv
import random
import runpy
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from command_line import ROOT, done
from small_texts import review, write_corpus

LESS: Mapping[str, tuple[str, ...]] = {
    "README.md train-tokenizer": ("data.limit=1500", "tokenizer.vocab_size=600"),
    "README.md pretrain": ("data.limit=1500", "train.max_steps=6", "train.warmup_steps=2", "train.eval_every=6"),
    "README.md data": ("data.limit=1500",),
    "README.md finetune": ("data.limit=200", "train.max_steps=4", "train.epochs=null", "train.warmup_steps=1"),
    "docs/tutorial/first_model.md pretrain": ("train.max_steps=6", "train.eval_every=6", "train.warmup_steps=2"),
    "docs/tutorial/first_model.md finetune": ("train.epochs=1",),
    "docs/howto/whole_chain.md train-tokenizer": ("tokenizer.vocab_size=75",),
    "docs/howto/whole_chain.md pretrain": ("train.max_steps=6", "train.warmup_steps=2"),
    "docs/howto/whole_chain.md finetune": ("train.epochs=1", "train.warmup_steps=2"),
}
MORE_WORDS: Mapping[str, tuple[str, ...]] = {"bench": ("--megabytes", "0.05", "--workers", "0", "--length", "32")}


@pytest.fixture(autouse=True)
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, as the pages ask for."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_tour_of_the_readme_runs(workshop: Path) -> None:
    run_page("README.md", heading="## A short tour", blocks=1)
    assert (workshop / "runs" / "topics" / "report.html").is_file()


def test_the_tutorial_runs(workshop: Path) -> None:
    run_page("docs/tutorial/first_model.md")
    assert (workshop / "answers.tsv").is_file()


def test_the_whole_chain_runs(workshop: Path) -> None:
    (workshop / "corpus").mkdir()
    write_corpus(workshop / "corpus" / "all.txt")
    draw = random.Random(1)
    rows = [review(draw) for _ in range(80)]
    for name, heads in (("reviews.csv", ["text", "label"]), ("new.csv", ["text"])):
        with (workshop / name).open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(heads)
            table.writerows([text, ["bad", "good"][label]][: len(heads)] for text, label in rows)
    run_page("docs/howto/whole_chain.md")
    assert len((workshop / "answers.csv").read_text(encoding="utf-8").splitlines()) == 81
    assert (workshop / "life" / "for-tf" / "tf_model.h5").is_file()


def run_page(name: str, *, heading: str | None = None, blocks: int | None = None) -> None:
    """Do what a page says: save its files, run its lines."""
    text = (ROOT / name).read_text(encoding="utf-8")
    if heading is not None:
        text = text.partition(f"\n{heading}\n")[2].partition("\n## ")[0]
    ran = 0
    for prose, language, block in fenced(text):
        if language in ("python", "yaml"):
            save(prose, block)
        elif language == "":
            ran += sum(run_line(name, line) for line in block.splitlines())
            blocks = None if blocks is None else blocks - 1
            if blocks == 0:
                break
    assert ran > 5


def fenced(text: str) -> Iterator[tuple[str, str, str]]:
    """Blocks of a page, each with its language and the prose before it."""
    parts = text.split("\n```")
    for prose, block in zip(parts[::2], parts[1::2], strict=False):
        language, _, content = block.partition("\n")
        yield prose, language, content


def save(prose: str, content: str) -> None:
    """Save a block whose prose says under which name."""
    sentence = prose[prose.rfind("Save this as") :] if "Save this as" in prose[-200:] else ""
    if sentence:
        Path(sentence.split("`")[1]).write_text(content + "\n", encoding="utf-8")


def run_line(page: str, line: str) -> int:
    """Run a line of a shell block, if it is a command; output that is shown is not."""
    words = shlex.split(line, comments=True) if line.startswith(("albert ", "echo ", "python ")) else []
    stdin = ""
    if words[:1] == ["python"]:
        runpy.run_path(words[1], run_name="__main__")
        return 1
    if words[:1] == ["echo"]:
        stdin, words = f"{words[1]}\n", words[words.index("|") + 1 :]
    if words[:1] != ["albert"]:
        return 0
    command = words[1]
    done(*with_less(page, command, [found for word in words[1:] for found in expanded(word)]), stdin=stdin)
    return 1


def expanded(word: str) -> list[str]:
    """What the shell makes of a word with a star."""
    return [str(path) for path in sorted(Path().glob(word))] if "*" in word and "=" not in word else [word]


def with_less(page: str, command: str, words: list[str]) -> list[str]:
    """A command that does less; a value that is set twice counts as here."""
    less = LESS.get(f"{page} {command}", ())
    if command == "data" and "reviews.csv" in " ".join(words):
        less = ()
    keys = {setting.partition("=")[0] for setting in less}
    kept: list[str] = []
    for place, word in enumerate(words):
        is_ours = word.partition("=")[0] in keys and words[place - 1] == "--set"
        if is_ours:
            kept.pop()
        else:
            kept.append(word)
    return [*kept, *(part for setting in less for part in ("--set", setting)), *MORE_WORDS.get(command, ())]
