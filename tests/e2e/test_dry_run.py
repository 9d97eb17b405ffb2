"""A dry run looks at everything, tries one batch, and says what the run will take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import ROOT, albert, done

from albert_cli.stages import dry_run, rehearsal


@pytest.mark.parametrize("command", ["pretrain", "finetune"])
def test_what_a_dry_run_says(home: Path, tmp_path: Path, command: str) -> None:
    outcome = done(command, home / f"{command}.yaml", "--dry-run", "--json", "--out", tmp_path / "out")
    result = outcome.result
    assert result["command"] == command
    assert result["max_steps"] == 24
    assert result["device"] == "cpu"
    assert result["pieces"] == 75
    assert {found["what"] for found in result["files"]} == {"data", "tokenizer"}
    assert all(found["bytes"] > 0 for found in result["files"])
    memory = result["memory"]
    assert memory["gradients"] == 4 * result["trainable_parameters"]
    assert memory["optimizer"] == 8 * result["trainable_parameters"]
    assert memory["activations"] > 0
    assert memory["total"] < memory["available"]
    assert result["tried"]["is_whole"]
    assert result["seconds"] > result["seconds_per_step"] * 24
    assert result["disk"]["needed_bytes"] < result["disk"]["free_bytes"]
    assert result["batch"]["sequences"] == 8
    for words in ("tokenizer and model: 75 pieces", "disk: ", "memory: about ", "tried: a micro-batch", "time: about"):
        assert words in outcome.err, words
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_refused_before_the_run(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_run, "free_bytes", lambda path: 1000)
    outcome = albert("finetune", home / "finetune.yaml", "--dry-run", "--out", tmp_path / "out")
    outcome.refused(3, "no room for the checkpoints")


def test_weights_that_do_not_fit_are_not_tried(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_run, "available_bytes", lambda: 1000)
    outcome = done("finetune", home / "finetune.yaml", "--dry-run", "--json", "--out", tmp_path / "out")
    assert outcome.result["tried"] is None
    assert outcome.result["seconds"] is None
    assert "for weights and optimiser alone" in outcome.err


def test_a_batch_that_does_not_fit_is_warned_of(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = 12 * done("finetune", home / "finetune.yaml", "--dry-run", "--json").result["trainable_parameters"]
    monkeypatch.setattr(dry_run, "available_bytes", lambda: trained + 1000)
    outcome = done("finetune", home / "finetune.yaml", "--dry-run", "--json", "--out", tmp_path / "out")
    assert outcome.result["tried"] is not None
    assert "lower train.batch_size" in outcome.err


def test_several_processes_need_as_many_times_the_memory(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = home / "finetune.yaml"
    total = done("finetune", recipe, "--dry-run", "--json").result["memory"]["total"]
    monkeypatch.setattr(dry_run, "available_bytes", lambda: total)
    assert "too little" not in done("finetune", recipe, "--dry-run").err
    outcome = done("finetune", recipe, "--dry-run", "--nproc", "4", "--set", "train.batch_size=2")
    assert "for each process" in outcome.err
    assert "for weights and optimiser alone" in outcome.err or "too little" in outcome.err


def test_a_large_batch_is_tried_in_part_where_it_would_take_long(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "_SMALL_TOKENS", 60)
    monkeypatch.setattr(rehearsal, "_LONGEST_SECONDS", 0.0)
    for command, more in (
        ("finetune", ()),
        ("pretrain", ()),
        ("finetune", ("--set", "train.batch_size=null", "--set", "train.batch_tokens=200")),
        ("pretrain", ("--set", "data.order=as_read", "--set", "data.held_out=0")),
    ):
        result = done(command, home / f"{command}.yaml", "--dry-run", "--json", *more).result
        assert not result["tried"]["is_whole"], command
        assert result["tried"]["tokens"] < result["batch"]["tokens"], command
        assert result["memory"]["measured_peak"] is None, command


def test_recomputing_layers_is_estimated_to_keep_less(home: Path) -> None:
    recipe = home / "finetune.yaml"
    deep = ("--set", "model.num_hidden_layers=8", "--dry-run", "--json")
    kept = [
        done("finetune", recipe, *deep, "--set", f"runtime.recompute={so}").result["memory"]["activations"]
        for so in ("false", "true")
    ]
    assert kept[1] < kept[0] / 3


_SIZES = """
import contextlib, io, json, sys
from albert_cli.cli.app import main
for batch, width in ((128, 64), (256, 256)):
    out = io.StringIO()
    more = [f"train.batch_size={batch}", f"model.hidden_size={width}", f"model.intermediate_size={4 * width}"]
    with contextlib.redirect_stdout(out):
        main(["pretrain", sys.argv[1], "--dry-run", "--json", "--quiet", *(w for m in more for w in ("--set", m))])
    print(json.dumps(json.loads(out.getvalue())["memory"]))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system tells no peak of its own choosing")
def test_the_estimate_of_memory_is_what_two_sizes_take(home: Path) -> None:
    """In a process of its own: what other tests have used and given back would count as used."""
    finished = subprocess.run(
        [sys.executable, "-c", _SIZES, str(home / "pretrain.yaml")],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found: list[dict[str, Any]] = [json.loads(line) for line in finished.stdout.splitlines()]
    assert len(found) == 2
    for memory in found:
        assert 1 / 1.25 < memory["total"] / memory["measured_peak"] < 1.25, memory
    # The estimate is not right for want of anything to estimate.
    assert found[1]["activations"] + found[1]["working"] > found[1]["measured_peak"] / 4
