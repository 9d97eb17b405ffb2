"""Files of predictions: killed and gone on with, in every form, with the input's columns beside them."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from command_line import albert, done, start, wait
from small_texts import review

from albert_cli.report.progress import Progress
from albert_cli.stages import predict_file
from albert_cli.stages.unfinished import Unfinished


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Forty reviews with columns that no task asks for, one of them named as one of ours."""
    draw = random.Random(9)
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["day", "sentence", "scores", "sum"])
        writer.writeheader()
        for number in range(40):
            text = review(draw)[0]
            writer.writerow({"day": f"=1+{number}", "sentence": text, "scores": number, "sum": "-3"})
    return path


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict_file, "ROWS_AT_ONCE", 7)


def beside(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


@pytest.fixture
def half_done(monkeypatch: pytest.MonkeyPatch) -> Callable[..., bytes]:
    """Predict a file and leave what a kill at the last moment would leave; returns it."""

    def predict(run: Path, rows: Path, out: Path, *more: str) -> bytes:
        with monkeypatch.context() as patch:
            patch.setattr(Unfinished, "discard", lambda self: None)
            done("predict", run, rows, "--out", out, *more)
        return beside(out).read_bytes()

    return predict


@pytest.mark.parametrize("name", ["out.tsv", "out.jsonl", "out.csv", "out.parquet"])
def test_wherever_a_kill_cuts_the_rest_is_added_and_the_file_is_the_same(
    name: str, finetuned: Path, rows: Path, tmp_path: Path, parts: None, half_done: Callable[..., bytes]
) -> None:
    out = tmp_path / name
    partial = half_done(finetuned, rows, out)
    whole = out.read_bytes()
    lines = partial.splitlines(keepends=True)
    assert len(lines) == 41
    header = len(lines[0])
    middle = sum(map(len, lines[:20]))
    for cut in (0, header - 3, header, header + 1, middle, middle + 5, len(partial) - 1, len(partial)):
        out.unlink(missing_ok=True)
        beside(out).write_bytes(partial[:cut])
        outcome = done("predict", finetuned, rows, "--out", out, "--resume")
        assert out.read_bytes() == whole, cut
        assert not beside(out).exists()
        records = max(0, partial[:cut].count(b"\n") - 1)
        kept = records if records == 40 else records // 7 * 7
        assert (f"{kept} of 40 predictions are there" if kept else "nothing is there") in outcome.err


@pytest.mark.parametrize("damage", [b"\x00" * 40 + b"\n", b"[]\n", b"{\n"])
def test_what_is_no_prediction_is_made_again(
    damage: bytes, finetuned: Path, rows: Path, tmp_path: Path, parts: None, half_done: Callable[..., bytes]
) -> None:
    out = tmp_path / "out.jsonl"
    lines = half_done(finetuned, rows, out).splitlines(keepends=True)
    whole = out.read_bytes()
    beside(out).write_bytes(b"".join([*lines[:18], damage, *lines[20:]]))
    assert "14 of 40 predictions are there" in done("predict", finetuned, rows, "--out", out, "--resume").err
    assert out.read_bytes() == whole


def test_a_process_killed_in_the_middle_has_written_no_file_and_goes_on(
    finetuned: Path, rows: Path, tmp_path: Path, parts: None
) -> None:
    out, other = tmp_path / "killed.csv", tmp_path / "whole.csv"
    program = (str(Path(__file__).with_name("killed_predict.py")), "7", "21")
    outcome = wait(start("predict", finetuned, rows, "--out", out, program=program))
    assert outcome.code == -9
    assert not out.exists()
    assert beside(out).read_bytes().count(b"\n") == 22
    assert "21 of 40 predictions are there" in done("predict", finetuned, rows, "--out", out, "--resume").err
    done("predict", finetuned, rows, "--out", other)
    assert out.read_bytes() == other.read_bytes()


def test_an_interruption_says_how_to_go_on(
    finetuned: Path, rows: Path, tmp_path: Path, parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.jsonl"

    def interrupt(self: Progress, done: int, *_: object) -> None:
        if done == 14:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "update", interrupt)
        outcome = albert("predict", finetuned, rows, "--out", out)
    assert outcome.code == 130
    assert outcome.err.splitlines()[-1] == "stopped; what is done is kept, and --resume goes on with it"
    assert not out.exists()
    assert "14 of 40 predictions are there" in done("predict", finetuned, rows, "--out", out, "--resume").err


def test_another_model_input_or_recipe_is_refused_and_without_resume_all_begins_again(
    finetuned: Path, home: Path, rows: Path, tmp_path: Path, parts: None, half_done: Callable[..., bytes]
) -> None:
    out = tmp_path / "out.jsonl"
    partial = half_done(finetuned, rows, out)
    again = ("predict", finetuned, rows, "--out", out, "--resume")
    albert(*again, "--set", "data.max_length=16").refused(3, "another recipe than", "out.jsonl.partial")
    other = tmp_path / "other.csv"
    other.write_text(rows.read_text() + "x,the film was dull,1,2\n")
    albert("predict", finetuned, other, "--out", out, "--resume").refused(3, "another input than")
    model = tmp_path / "model"
    model.mkdir()
    for file in (finetuned / "model").iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    (model / "config.json").write_text((model / "config.json").read_text() + "\n")
    words = ("predict", model, rows, "--recipe", home / "finetune.yaml", "--out", out)
    albert(*words, "--resume").refused(3, "another model")
    assert beside(out).read_bytes() == partial, "a refusal changes nothing"
    done(*words)
    assert not beside(out).exists()
    albert("predict", finetuned, rows, "--resume").refused(2, "--resume needs --out")
    albert("predict", finetuned, "-", "--resume", "--out", out).refused(2, "--resume needs a file")


def test_tables_keep_the_columns_of_the_input(finetuned: Path, rows: Path, tmp_path: Path) -> None:
    found: dict[str, list[dict[str, Any]]] = {}
    for suffix in (".jsonl", ".csv", ".parquet"):
        done("predict", finetuned, rows, "--out", tmp_path / f"out{suffix}")
    found["jsonl"] = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    with (tmp_path / "out.csv").open(newline="") as file:
        found["csv"] = list(csv.DictReader(file))
    found["parquet"] = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert found["parquet"] == found["jsonl"]
    first = found["jsonl"][0]
    assert list(first) == ["index", "day", "sentence", "input_scores", "sum", "prediction", "scores"]
    assert (first["day"], first["input_scores"]) == ("=1+0", "0")
    for row, cells in zip(found["jsonl"], found["csv"], strict=True):
        assert cells["day"] == f"'{row['day']}", "no spreadsheet computes it"
        assert (cells["sum"], cells["sentence"], cells["prediction"]) == ("-3", row["sentence"], row["prediction"])
        assert {name: float(cells[f"scores.{name}"]) for name in row["scores"]} == row["scores"]


def test_tables_of_predictions_are_scored_without_a_model(finetuned: Path, home: Path, tmp_path: Path) -> None:
    scores = done("eval", finetuned, "--json").result["scores"]
    for suffix in (".csv", ".parquet"):
        done("predict", finetuned, home / "SST-2" / "dev.tsv", "--out", tmp_path / f"dev{suffix}")
        saved = done("eval", finetuned, "--predictions", tmp_path / f"dev{suffix}", "--json")
        assert saved.result["scores"] == scores
