"""Saved predictions of every kind of task, scored without any model; the evaluate library's modules say the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Outcome, albert, done

CONTEXT = "The old tower of Riga stands by the river. It was built in 1330 and burnt in 1801."
QUESTIONS = [
    ("q1", "Where does the tower stand?", ["by the river", "the river"], "by the river"),
    ("q2", "When was it built?", ["1330"], "in 1330"),
    ("q3", "When did it burn?", ["1801"], "1330"),
    ("q4", "Who built it?", [], "Riga"),
]


def squad_file(path: Path, *, version_2: bool) -> Path:
    rows = [
        {
            "id": name,
            "question": question,
            "answers": [{"text": text, "answer_start": CONTEXT.index(text)} for text in golds],
            **({"is_impossible": not golds} if version_2 else {}),
        }
        for name, question, golds, _ in QUESTIONS
        if golds or version_2
    ]
    path.write_text(
        json.dumps({"version": "x", "data": [{"title": "t", "paragraphs": [{"context": CONTEXT, "qas": rows}]}]})
    )
    return path


def tags_file(path: Path, rows: list[list[tuple[str, str]]]) -> Path:
    path.write_text("".join("".join(f"{word} {tag}\n" for word, tag in row) + "\n" for row in rows))
    return path


TAGGED = [
    [("Ada", "B-PER"), ("Lovelace", "I-PER"), ("of", "O"), ("London", "B-LOC")],
    [("Riga", "B-LOC"), ("sleeps", "O")],
]
SAID_TAGS = [["B-PER", "I-PER", "O", "O"], ["B-LOC", "O"]]
CHOSEN = [("Which is red?", ["a rose", "grass"], 0), ("Which is cold?", ["fire", "ice"], 1), ("Which?", ["x", "y"], 1)]


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def kinds(folder: Path) -> dict[str, tuple[str, Path, Path]]:
    """Recipe, rows and saved predictions of each kind of task."""
    said = {name: text for name, _, golds, text in QUESTIONS if golds}
    (folder / "v1.json").write_text(json.dumps(said))
    (folder / "v2.json").write_text(json.dumps({name: text for name, _, _, text in QUESTIONS}))
    questions = [{"question": question, "choices": choices, "label": label} for question, choices, label in CHOSEN]
    tagged = [{"index": row, "prediction": tags} for row, tags in enumerate(SAID_TAGS)]
    texts = "sentence1\tsentence2\tscore\n" + "".join(f"a\tb\t{score}\n" for score in (1, 2, 3.5, 5))
    (folder / "stsb.tsv").write_text(texts)
    numbers = [{"index": row, "prediction": value} for row, value in enumerate([1.5, 1.0, 3.0, 4.0])]
    pairs = "#1 String\t#2 String\tQuality\n" + "".join(f"a\tb\t{label}\n" for label in (1, 0, 1, 1))
    (folder / "mrpc.tsv").write_text(pairs)
    classes = [{"index": row, "prediction": label} for row, label in enumerate("1101")]
    return {
        "glue/stsb": ("glue/stsb", folder / "stsb.tsv", write_lines(folder / "n.jsonl", numbers)),
        "glue/mrpc": ("glue/mrpc", folder / "mrpc.tsv", write_lines(folder / "m.jsonl", classes)),
        "squad": ("squad", squad_file(folder / "dev-v1.1.json", version_2=False), folder / "v1.json"),
        "squad2": ("squad2", squad_file(folder / "dev-v2.0.json", version_2=True), folder / "v2.json"),
        "choices": (
            "own/multiple-choice",
            write_lines(folder / "c.jsonl", questions),
            write_lines(folder / "p.jsonl", [{"index": row, "prediction": one} for row, one in enumerate([0, 1, 0])]),
        ),
        "ner": ("ner", tags_file(folder / "dev.txt", TAGGED), write_lines(folder / "t.jsonl", tagged)),
    }


def score(folder: Path, kind: str, *more: str) -> Outcome:
    recipe, rows, saved = kinds(folder)[kind]
    data = folder / f"data-{kind.replace('/', '-')}"
    data.mkdir(exist_ok=True)
    (data / ("dev" + rows.suffix if "dev" not in rows.name else rows.name)).write_bytes(rows.read_bytes())
    hub = ("data.dataset=null", "data.config=null")
    sets = [word for key in (f"data.path={data}", *hub) for word in ("--set", key)]
    return albert("eval", recipe, *sets, "--predictions", saved, *more)


EXPECTED = {
    "glue/stsb": {"mse": (0.5**2 + 1 + 0.5**2 + 1) / 4},
    "glue/mrpc": {"accuracy": 2 / 4, "f1": 2 * 2 / (3 + 3)},
    # q1 equals an answer but for the article, q2 has one word too many, q3 is wrong
    "squad": {"exact_match": 1 / 3, "f1": (1 + 2 / 3 + 0) / 3},
    "squad2": {"exact": 1 / 4, "f1": (1 + 2 / 3 + 0 + 0) / 4},
    "choices": {"accuracy": 2 / 3},
    "ner": {"precision": 1.0, "recall": 2 / 3, "f1": 4 / 5},
}


@pytest.mark.parametrize("kind", list(EXPECTED))
def test_without_a_model(kind: str, tmp_path: Path) -> None:
    plain = score(tmp_path, kind, "--json")
    assert plain.code == 0, plain.err
    values = {name: one["value"] for name, one in plain.result["scores"]["dev"].items()}
    for name, value in EXPECTED[kind].items():
        assert values[name] == pytest.approx(value), name
    official = score(tmp_path, kind, "--json", "--official").result["scores"]["dev"]
    assert {name: one["value"] for name, one in official.items()} == pytest.approx(values, nan_ok=True)
    found = score(tmp_path, kind, "--json", "--details", "--errors", "9").result
    assert found["details"]["dev"]["lengths"]["buckets"]
    assert len(found["errors"]["dev"]) >= 1
    assert all(one["said"] != one["truth"] for one in found["errors"]["dev"])
    name = next(iter(EXPECTED[kind]))
    assert score(tmp_path, kind, "--fail-under", f"{name}=99").code == (
        2 if name == "mse" else 0 if values[name] == 1 else 5
    )


def test_predictions_of_other_rows(tmp_path: Path) -> None:
    done("recipe", "ls")
    kinds(tmp_path)
    (tmp_path / "v1.json").write_text(json.dumps({"q1": "x"}))
    recipe, rows, saved = kinds(tmp_path)["squad"]
    saved.write_text(json.dumps({"q1": "x"}))
    sets = ["--set", f"data.path={rows}", "--set", "data.dataset=null"]
    albert("eval", recipe, *sets, "--predictions", saved).refused(3, "v1.json")
