"""Named entities from column files to predictions, with the command line alone: ``make smoke-ner``."""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path

from steps import ENDINGS, GOOD, Failed, albert, check, documents, end, settings

PEOPLE = ["Ada", "Grace", "Alan", "Emmy", "Noether", "Turing", "Hopper", "Lovelace"]
PLACES = ["Paris", "Rome", "Oslo", "Lima", "York"]
TEST_SENTENCES = 12


def sentence(draw: random.Random) -> list[tuple[str, str]]:
    """Words with tags: somebody of one or two names, somewhere."""
    first, *rest = draw.sample(PEOPLE, draw.randint(1, 2))
    person = [(first, "B-PER"), *((name, "I-PER") for name in rest)]
    plain = [(word, "O") for word in f"was {draw.choice(GOOD)} in".split()]
    return [*person, *plain, (draw.choice(PLACES), "B-LOC"), *((word, "O") for word in draw.choice(ENDINGS).split())]


def write_sentences(folder: Path) -> Path:
    """Write train, dev and test files as those of CoNLL and of WNUT are; the test file has words alone."""
    draw, target = random.Random(6), folder / "names"
    target.mkdir()
    for split, number in (("train", 300), ("dev", 40), ("test", TEST_SENTENCES)):
        lines = [] if split == "test" else ["-DOCSTART-\tO", "\t"]
        for _ in range(number):
            lines += [word if split == "test" else f"{word}\t{tag}" for word, tag in sentence(draw)]
            lines.append("")
        (target / f"{split}.conll").write_text("\n".join(lines) + "\n")
    return target


def smoke(folder: Path) -> None:
    """Train a tokenizer and a tagger, score it, predict the test sentences, ask it about a text."""
    task, text, run = write_sentences(folder), folder / "text.txt", folder / "run"
    names = " ".join(PEOPLE + PLACES)
    text.write_text("\n\n".join([*documents(60, seed=4), *[f"{names}. " * 20] * 10]))
    albert("train-tokenizer", "--input", text, "--out", folder / "tokenizer", *settings(tokenizer__vocab_size=100))
    sizes = "{hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 128"
    small = settings(
        data__path=task,
        data__max_length=32,
        model=sizes + ", initializer_range: 0.06}",
        tokenizer=folder / "tokenizer",
        train__epochs="null",
        train__max_steps=100,
        train__warmup_steps=20,
        train__batch_size=16,
        train__learning_rate=1e-3,
        train__classifier_dropout=0.0,
        train__eval_every=50,
        train__save_every=50,
        train__log_every=20,
    )
    albert("finetune", "ner", *small, "--out", run, "--dry-run")
    albert("finetune", "ner", *small, "--out", run)
    check((run / "model" / "model.safetensors").is_file(), "no model in the run directory")
    albert("eval", run, "--fail-under", "f1=0.85")
    check_predictions(run, task, folder / "test.conll")
    question = "Ada Hopper was fresh in Oslo once more"
    found = json.loads(albert("run", "--task", "ner", "--model", run, question))["results"]
    check({one["entity_group"] for one in found} == {"PER", "LOC"}, f"found {found}")
    check(all(question[one["start"] : one["end"]] == one["word"] for one in found), f"other words in {found}")


def check_predictions(run: Path, task: Path, out: Path) -> None:
    """A line for each word of the test file, with the word and its tag."""
    albert("predict", run, task / "test.conll", "--out", out)
    lines, words = out.read_text().splitlines(), (task / "test.conll").read_text().splitlines()
    check([line.partition(" ")[0] for line in lines] == words, "other words in the predictions")
    check(any(line.endswith(" B-LOC") for line in lines), "no place in the predictions")


def main() -> int:
    """Run in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            smoke(Path(folder))
        except Failed as error:
            return end(error)
    return end(None)


if __name__ == "__main__":
    sys.exit(main())
