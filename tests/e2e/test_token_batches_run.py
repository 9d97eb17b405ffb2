"""A run whose batches hold so many tokens: what it says, and that it goes on bit by bit."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from command_line import albert, done, events, settings, status
from signal_after import signal_at

from albert_cli.report.progress import Progress


def test_a_run_of_token_batches_goes_on_bit_by_bit(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("finetune", home / "finetune.yaml", *settings(train__batch_tokens=150))
    said = done(*words, "--out", tmp_path / "whole").err
    assert "batch: up to 150 tokens x 1 micro-batches x 1 processes, " in said
    assert "computing, " in said
    with monkeypatch.context() as patched:
        patched.setattr(Progress, "update", Progress.update)  # put back at the end
        signal_at(12, signal.SIGTERM)
        albert(*words, "--out", tmp_path / "run").refused(143, "stopped by a signal after step 13")
    done(*words, "--out", tmp_path / "run", "--resume")
    assert events(tmp_path / "run") == events(tmp_path / "whole")
    weights = "model/model.safetensors"
    assert (tmp_path / "run" / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()
    assert status(tmp_path / "run")["state"] == "done"
