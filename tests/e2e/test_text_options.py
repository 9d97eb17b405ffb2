"""Pretraining on text in its other forms: read while training, in phases of length, from several sources."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from command_line import albert, done, events, status
from signal_after import signal_at

from albert_cli.report.progress import Progress


def test_text_read_while_training_goes_on_exactly_after_a_stop(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--set", "data.order=as_read", "--set", "data.held_out=0", "--set", "train.max_steps=12")
    words = ("pretrain", home / "pretrain.yaml", *options)
    whole = done(*words, "--out", tmp_path / "whole")
    assert "text: read while training, in its own order" in whole.err
    with monkeypatch.context() as patched:
        patched.setattr(Progress, "update", Progress.update)  # put back at the end
        signal_at(6, signal.SIGTERM)
        stopped = albert(*words, "--out", tmp_path / "run")
    stopped.refused(143, "stopped by a signal after step 7")
    state = json.loads(next((tmp_path / "run" / "checkpoints").glob("step-*/state.json")).read_text())
    assert all(isinstance(value, int) for value in state["extra"]["position"].values())
    resumed = done(*words, "--out", tmp_path / "run", "--resume")
    assert "continuing after step 7" in resumed.err
    assert events(tmp_path / "run") == events(tmp_path / "whole")
    weights = "model/model.safetensors"
    assert (tmp_path / "run" / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()
    assert status(tmp_path / "run")["state"] == "done"


def test_a_short_text_cannot_be_read_while_training_with_a_part_held_out(home: Path, tmp_path: Path) -> None:
    outcome = albert(
        "pretrain", home / "pretrain.yaml", "--set", "data.order=as_read", "--out", tmp_path / "run", "--dry-run"
    )
    outcome.refused(3, "too short to be read while training with a part held out")


def test_phases_sources_and_copies_are_said_before_training(home: Path, tmp_path: Path) -> None:
    text = home / "text.txt"
    more = tmp_path / "more.jsonl"
    more.write_text("".join(json.dumps({"text": f"number {number} says. And so on."}) + "\n" for number in range(50)))
    outcome = done(
        "pretrain",
        home / "pretrain.yaml",
        *("--set", f"data.sources=[{{path: {text}, weight: 3}}, {{path: {more}, weight: 1}}]"),
        *("--set", "data.length_schedule=[{length: 24, share: 0.5}, {length: 48, share: 0.5}]"),
        *("--set", "objective.dupe_factor=2", "--set", "objective.max_predictions=4", "--set", "data.duplicates=near"),
        *("--set", "train.max_steps=4", "--set", "train.eval_every=4", "--set", "train.save_every=4"),
        *("--out", tmp_path / "run", "--json"),
    )
    assert "of the tokens at length 24" in outcome.err
    assert "at length 48, at most 4 in a sequence" in outcome.err
    assert f"source {text}: 75.0% of the text" in outcome.err
    assert f"source {more}: 25.0% of the text" in outcome.err
    assert outcome.result["data"]["documents"] > 0
    assert status(tmp_path / "run")["state"] == "done"


def test_prepare_names_everything_in_its_manifest(home: Path, tmp_path: Path) -> None:
    words = ("data", "prepare", home / "pretrain.yaml", "--set", f"data.cache={tmp_path}", "--quiet")
    found = done(*words, "--workers", "2", "--json").result
    assert found["command"] == "data prepare"
    assert Path(found["folder"]).parent == tmp_path
    for name in ("text_sha256", "sha256", "unknown_rate", "single_sentence_share", "splitter", "sources", "tokenizer"):
        assert found[name] not in (None, "", {}), name
    assert done(*words).out.strip() == found["folder"]


def test_settings_of_text_that_contradict_each_other_come_with_their_line(home: Path) -> None:
    outcome = albert(
        "pretrain",
        home / "pretrain.yaml",
        *("--set", "data.sources=[{path: a, weight: 1}, {dataset: b}]", "--set", "data.order=as_read"),
        *("--set", "data.each_node=own"),
        *("--set", "data.length_schedule=[{length: 480, share: 0.5}]", "--set", "data.duplicates=exact"),
    )
    assert outcome.code == 2
    for text in (
        "data.sources[1] needs a weight",
        "data.each_node own means files that differ from machine to machine",
        "data.order as_read takes one document after another",
        "data.duplicates as_read sees the text only once",
        "the shares sum to 0.5",
        "length (480) is more than max_length (48)",
    ):
        assert text in outcome.err, outcome.err
