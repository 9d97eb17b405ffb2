"""`albert doctor` does what it says, on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from command_line import albert
from huggingface_hub import constants


def test_the_whole_life_goes_well_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    outcome = albert("doctor", "--json", "--threads", "1")
    assert outcome.code == 0, outcome.out
    assert outcome.err == ""
    result = outcome.result
    assert result["ok"] is True
    assert [step["state"] for step in result["steps"]] == ["ok"] * 8
    assert {step["name"] for step in result["steps"]} >= {"pretrain", "finetune", "eval", "predict", "convert back"}
    assert sum(step["seconds"] for step in result["steps"]) <= result["seconds"]
    assert not list(tmp_path.glob("albert-*"))
