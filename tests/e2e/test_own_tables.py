"""Own tables of every text kind and format: copied recipe, training, scores, predictions by the names of the labels."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import datasets
import pytest
from command_line import albert, done, settings
from small_texts import review

KEYS = {"text": "words", "text_pair": "more words", "label": "mark", "id": "key"}
COLUMNS = [f"data.columns.{role}={name}" for role, name in KEYS.items()]


def rows(kind: str, *, number: int, pairs: bool, seed: int) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    found = []
    for place in range(number):
        text, praises = review(draw)
        label: Any = {
            "text-classification": "good" if praises else "bad",
            "text-regression": 1.5 + 2 * praises,
            "multi-label": ["praise", "film"] if praises else [],
        }[kind]
        row = {KEYS["id"]: f"r{place}", KEYS["text"]: text, KEYS["label"]: label}
        found.append({**row, KEYS["text_pair"]: review(draw)[0]} if pairs else row)
    return found


def write(path: Path, table: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        datasets.Dataset.from_list(table).to_parquet(str(path))
    elif path.suffix == ".json":
        path.write_text(json.dumps(table))
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table))
    else:
        flat = [{key: ",".join(cell) if isinstance(cell, list) else cell for key, cell in row.items()} for row in table]
        with path.open("w", newline="") as file:
            delimiter = "," if path.suffix == ".csv" else "\t"
            writer = csv.DictWriter(file, list(flat[0]), delimiter=delimiter, lineterminator="\n")
            writer.writeheader()
            writer.writerows(flat)
    return path


@pytest.mark.parametrize(
    ("kind", "suffix", "pairs"),
    [
        ("text-classification", ".csv", False),
        ("text-classification", ".parquet", True),
        ("text-regression", ".tsv", True),
        ("text-regression", ".json", False),
        ("multi-label", ".jsonl", False),
        ("multi-label", ".csv", True),
    ],
)
def test_an_own_table_from_the_recipe_to_predictions(
    kind: str, suffix: str, pairs: bool, home: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name, number, seed in (("train", 24, 1), ("dev", 8, 2)):
        write(data / f"{name}{suffix}", rows(kind, number=number, pairs=pairs, seed=seed))
    recipe, run = tmp_path / "mine.yaml", tmp_path / "run"
    done("recipe", "copy", f"own/{kind}", recipe)
    architecture = json.loads((home / "finetune.yaml").read_text())["model"]
    small = settings(
        data__path=data,
        data__max_length=48,
        model=json.dumps(architecture),
        tokenizer=home / "tokenizer",
        train__max_steps=2,
        train__epochs="null",
        train__warmup_steps=0,
        train__batch_size=8,
    )
    chosen = [word for column in COLUMNS if pairs or "pair" not in column for word in ("--set", column)]
    outcome = done("finetune", recipe, *small, *chosen, "--threads", "1", "--out", run, "--json")
    assert "columns of train: text=words" in outcome.err
    if kind == "text-classification":
        assert "labels: 0 = bad, 1 = good" in outcome.err
    if kind == "multi-label":
        assert "labels: 0 = film, 1 = praise" in outcome.err
    scores = outcome.result["scores"]["dev"]
    assert done("eval", run, "--json", "--official").result["scores"]["dev"].keys() == scores.keys()
    config = json.loads((run / "model" / "config.json").read_text())
    expected = {"text-classification": {"0": "bad", "1": "good"}, "multi-label": {"0": "film", "1": "praise"}}
    assert config["id2label"] == expected.get(kind, {"0": "LABEL_0"})

    blind = [
        {key: cell for key, cell in row.items() if key != "mark"} for row in rows(kind, number=3, pairs=pairs, seed=3)
    ]
    file = write(tmp_path / f"new{suffix}", blind)
    said = [json.loads(line) for line in done("predict", run, file).out.splitlines()]
    assert [row["id"] for row in said] == ["r0", "r1", "r2"]
    for row in said:
        if kind == "text-regression":
            assert isinstance(row["prediction"], float)
        elif kind == "multi-label":
            assert set(row["prediction"]) <= {"film", "praise"}
        else:
            assert row["prediction"] in {"good", "bad"}
    details = done("eval", run, "--details", "--errors", "2", "--json").result
    assert {"lengths"} <= details["details"]["dev"].keys()


def test_columns_that_are_not_there_are_asked_for(home: Path, tmp_path: Path) -> None:
    table = write(tmp_path / "rows.csv", rows("text-classification", number=8, pairs=False, seed=1))
    small = settings(data__path=table, model="tiny", tokenizer=home / "tokenizer", data__columns__text="word")
    outcome = albert("finetune", "own/text-classification", *small, "--threads", "1", "--out", tmp_path / "out")
    outcome.refused(3, "no column 'word' for columns.text", "key, words, mark")
