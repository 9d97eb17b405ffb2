"""Questions with choices through the command line: trained, scored by one and by two processes, predicted."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import albert, done, separately, settings

KIND, UNKIND = ["bright", "warm", "fresh", "clever"], ["dull", "cold", "stale", "tired"]


def write_questions(path: Path, *, number: int, seed: int, labelled: bool = True) -> Path:
    """Questions with two to four choices, of which the kind one is right."""
    draw, rows = random.Random(seed), []
    for count in range(number):
        choices = draw.sample(UNKIND, draw.randint(1, 3))
        label = draw.randint(0, len(choices))
        choices.insert(label, draw.choice(KIND))
        row = {"id": f"q{count}", "context": "we liked the film", "question": "it was _ .", "choices": choices}
        rows.append({**row, "label": label} if labelled else row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def run(home: Path, once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """A model that has learnt to choose, with its rows beside it."""

    def make(folder: Path) -> None:
        folder.mkdir()
        for name, number, seed in (("train", 120, 1), ("dev", 23, 2)):
            write_questions(folder / f"{name}.jsonl", number=number, seed=seed)
        write_questions(folder / "test.jsonl", number=9, seed=3, labelled=False)
        architecture = json.loads((home / "finetune.yaml").read_text())["model"]
        sizes = {**architecture, "initializer_range": 0.1}
        few = settings(
            data__path=folder,
            data__max_length=32,
            model=json.dumps(sizes),
            tokenizer=home / "tokenizer",
            train__max_steps=60,
            train__epochs="null",
            train__warmup_steps=5,
            train__learning_rate=3e-3,
            train__classifier_dropout=0.0,
            runtime__threads=1,
            runtime__device="cpu",
        )
        done("finetune", "own/multiple-choice", *few, "--out", folder / "run")

    return once("choices", make) / "run"


def test_choosing_is_learnt_and_two_processes_score_as_one(run: Path) -> None:
    alone = done("eval", run, "--json")
    assert alone.result["scores"]["dev"]["accuracy"]["value"] > 0.9
    both = separately("eval", run, "--nproc", "2", "--json")
    assert both.code == 0, both.err
    assert both.result == alone.result


def test_predictions_name_their_questions_and_are_scored_without_a_model(run: Path, tmp_path: Path) -> None:
    done("predict", run, run.parent / "test.jsonl", "--out", tmp_path / "test.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "test.jsonl").read_text().splitlines()]
    asked = [json.loads(line) for line in (run.parent / "test.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [row["id"] for row in asked]
    for row, question in zip(rows, asked, strict=True):
        assert row["choice"] == question["choices"][row["prediction"]]
        assert len(row["scores"]) == len(question["choices"])
        assert row["context"] == question["context"], "the input's columns are kept"
    written = [json.loads(line) for line in (run / "predictions/test.jsonl").read_text().splitlines()]
    assert written == [{name: row[name] for name in ("index", "id", "prediction", "choice", "scores")} for row in rows]
    saved = done("eval", run, "--predictions", run / "predictions/dev.jsonl", "--json")
    assert saved.result["scores"] == done("eval", run, "--json").result["scores"]


def test_lines_are_answered_one_by_one(run: Path) -> None:
    lines = ['{"context": "we liked the film", "question": "it was _ .", "choices": ["dull", "warm"]}', "{}", "x"]
    outcome = albert("predict", run, "-", stdin="\n".join(lines))
    answers = [json.loads(line) for line in outcome.out.splitlines()]
    assert outcome.code == 3
    assert answers[0]["choice"] == "warm"
    assert ["error" in answer for answer in answers] == [False, True, True]
    asked = done(
        "run", "--task", "multiple-choice", "--model", run, lines[0], "we liked the film\tit was dull\tit was warm"
    )
    best = [json.loads(line)["results"][0] for line in asked.out.splitlines()]
    assert [one["choice"] for one in best] == ["warm", "it was warm"]
    assert best[0]["label"] == 1


def test_mistakes_and_kinds_of_models_that_do_not_fit(run: Path, home: Path, tmp_path: Path) -> None:
    errors = done("eval", run, "--errors", "3", "--json")
    assert set(errors.result) >= {"scores", "errors"}
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"context": "c", "choices": ["a", "b"], "label": 4}\n')
    albert("predict", run, bad).refused(3, "label '4' is none of the 2 choices", "bad.jsonl:1")
    albert("eval", run, "--set", f"data.path={bad}").refused(3, "label '4' is none of the 2 choices", "bad.jsonl:1")
    albert("eval", run, "--recipe", home / "finetune.yaml").refused(3)
