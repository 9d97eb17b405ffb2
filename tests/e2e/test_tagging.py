"""Tagged words from files to predictions and back: every command agrees on the same scores."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from command_line import albert, done
from small_texts import review


def as_options(*pairs: str) -> list[str]:
    """``--set`` before each."""
    return [word for pair in pairs for word in ("--set", pair)]


def sentence(draw: random.Random) -> list[tuple[str, str]]:
    """A review whose first words are tagged."""
    words = review(draw)[0].split()
    tags = ["B-X", "I-X", *["O"] * len(words)][: len(words)]
    return list(zip(words, tags, strict=True))


@pytest.fixture(scope="module")
def names(tmp_path_factory) -> Path:
    """Folder of train and dev files, one longer than the model reads, and a test file of words alone."""
    folder, draw = tmp_path_factory.mktemp("names"), random.Random(3)
    for split, number in (("train", 30), ("dev", 12), ("test", 5)):
        rows = [sentence(draw) for _ in range(number)]
        rows.append([pair for _ in range(8) for pair in sentence(draw)])
        lines = [[word if split == "test" else f"{word} {tag}" for word, tag in row] for row in rows]
        (folder / f"{split}.txt").write_text("\n\n".join("\n".join(line) for line in lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def run(home, names, tmp_path_factory) -> Path:
    """A short run on these files."""
    model = json.loads((home / "finetune.yaml").read_text())["model"]
    out = tmp_path_factory.mktemp("runs") / "run"
    words = [
        f"data.path={names}",
        "data.max_length=24",
        f"model={json.dumps(model)}",
        f"tokenizer={home / 'tokenizer'}",
        "train.epochs=null",
        "train.max_steps=12",
        "train.warmup_steps=2",
        "train.learning_rate=0.005",
        "tagging.learn_as=bioes",
        "runtime.threads=1",
    ]
    done("finetune", "own/token-classification", *as_options(*words), "--out", out)
    return out


def test_a_run_leaves_scores_and_files_that_agree(run, names):
    scores = done("eval", run, "--json").result["scores"]["dev"]
    assert {"f1", "precision", "recall", "accuracy", "f1_X"} <= set(scores)
    for name in ("dev.jsonl", "dev.conll"):
        again = done("eval", run, "--predictions", run / "predictions" / name, "--json").result["scores"]["dev"]
        assert {key: value["value"] for key, value in again.items()} == pytest.approx(
            {key: value["value"] for key, value in scores.items()}
        )
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert any(line["split"] == "dev" and "f1" in line for line in lines)
    labels = json.loads((run / "model" / "config.json").read_text())["id2label"]
    assert list(labels.values()) == ["O", "B-X", "I-X", "E-X", "S-X"]


def test_every_word_of_every_sentence_is_predicted(run, names, tmp_path):
    out = tmp_path / "test.conll"
    done("predict", run, names / "test.txt", "--out", out)
    assert [line.partition(" ")[0] for line in out.read_text().splitlines()] == [
        *(names / "test.txt").read_text().splitlines(),
        "",
    ]
    rows = done("predict", run, names / "test.txt", "--out", tmp_path / "test.jsonl")
    assert rows.code == 0
    found = [json.loads(line) for line in (tmp_path / "test.jsonl").read_text().splitlines()]
    assert all(len(row["tokens"]) == len(row["prediction"]) for row in found)


def test_lines_of_stdin_and_one_that_is_none(run):
    outcome = albert("predict", run, "-", stdin='{"tokens": ["a", "b"]}\n{"other": 1}\n{"words": "a b c"}\n')
    assert outcome.code == 3
    rows = [json.loads(line) for line in outcome.out.splitlines()]
    assert [len(row.get("prediction", [])) for row in rows] == [2, 0, 3]
    assert "no column for the words" in rows[1]["error"]


def test_a_text_is_asked_about_by_both_names_of_the_task(run):
    text = "the film was good from start to end"
    for task in ("ner", "token-classification"):
        found = json.loads(done("run", "--task", task, "--model", run, text).out)
        assert all(one["word"] == text[one["start"] : one["end"]] for one in found["results"])
    every = json.loads(done("run", "--task", "ner", "--model", run, "--aggregation", "none", text).out)
    assert all(set(one) == {"entity", "score", "index", "word", "start", "end"} for one in every["results"])
    outcome = albert("run", "--task", "fill-mask", "--model", str(run), "--aggregation", "first", text)
    outcome.refused(2, "--aggregation is for token-classification")


@pytest.mark.parametrize(
    ("text", "words"),
    [("a O\nb\n", "dev.txt:2"), ("a O\nb B-NEW\n", "unknown tag 'B-NEW'"), ("", "no words")],
)
def test_malformed_files_are_one_error(home, tmp_path, text, words):
    (tmp_path / "train.txt").write_text("a B-X\n\nb O\n")
    (tmp_path / "dev.txt").write_text(text)
    given = as_options(f"data.path={tmp_path}", "model=tiny", f"tokenizer={home / 'tokenizer'}")
    albert("finetune", "ner", *given, "--dry-run").refused(3, words)
