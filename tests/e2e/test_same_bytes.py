"""The same recipe and seed give the same bytes: in another process, with another cache, with workers or without."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import events, start, wait

# What names the run, the machine or the clock. Every other file must be the same; docs/explain/reliability.md says so.
OF_ONE_RUN = {
    "README.md",
    "environment.json",
    "log.txt",
    "metrics.jsonl",
    "recipe.yaml",
    "report.html",
    "result.json",  # has the seconds that it took
    "run.lock",
    "status.json",
}


def contents(run: Path) -> dict[str, bytes]:
    """Every file of a run but those of this one run alone."""
    files = {str(path.relative_to(run)): path for path in sorted(run.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name not in OF_ONE_RUN}


@pytest.mark.parametrize("command", ["pretrain", "finetune"])
def test_the_same_seed_gives_the_same_bytes(
    command: str, home: Path, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, optimiser, predictions, metrics. Dropout is on; order of sets and names of temporary files differ."""
    whole = request.getfixturevalue({"pretrain": "pretrained", "finetune": "finetuned"}[command])
    run = tmp_path / "run"
    monkeypatch.setenv("PYTHONHASHSEED", "12345")
    other = ("--set", f"data.cache={tmp_path / 'cache'}", "--set", "runtime.workers=1")
    outcome = wait(start(command, home / f"{command}.yaml", "--out", run, *other))
    assert outcome.code == 0, outcome.err
    assert events(run) == events(whole)
    expected, found = contents(whole), contents(run)
    assert found.keys() == expected.keys()
    assert [name for name, content in found.items() if content != expected[name]] == []
    assert {"model/model.safetensors", "checkpoints/step-00000024/optimizer.pt"} <= found.keys()
