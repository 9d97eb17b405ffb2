"""Launchers of others: as many processes as asked for, or an error; and scoring in several processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT, done, events, losses, separately, settings
from small_texts import write_reviews

FEW = settings(train__max_steps=6, train__eval_every=3, train__log_every=1, train__dropout=0.0)


def launch(launcher: list[str], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `python -m LAUNCHER -m albert_cli ARGUMENTS`."""
    command = [sys.executable, "-m", *launcher, "-m", "albert_cli", *(str(argument) for argument in arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    [
        ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"],
        ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"],
    ],
    ids=["torchrun", "accelerate"],
)
def test_a_launcher_gives_the_processes_asked_for(launcher: list[str], home: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    done("finetune", home / "finetune.yaml", *FEW, "--out", one)
    outcome = launch(launcher, "finetune", home / "finetune.yaml", *FEW, *settings(train__batch_size=4), "--out", two)
    assert outcome.returncode == 0, outcome.stderr
    assert "batch: 8 = 4 x 1 micro-batches x 2 processes" in outcome.stderr
    assert losses(two, "dev") == pytest.approx(losses(one, "dev"), abs=0.2)
    assert [line["step"] for line in events(two, "train")] == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_a_launch_that_ends_up_with_one_process_is_refused(home: Path, tmp_path: Path) -> None:
    """accelerate's launcher starts one process on a processor, whatever it was told, and says nothing."""
    outcome = launch(
        ["accelerate.commands.launch", "--cpu", "--num_processes", "2"],
        "finetune", home / "finetune.yaml", *FEW, "--out", tmp_path / "run",
    )  # fmt: skip
    assert outcome.returncode != 0
    assert "error: accelerate launch was told of several processes and started one" in outcome.stderr
    assert not (tmp_path / "run").exists()


def test_two_processes_score_and_predict_as_one(home: Path, tmp_path: Path) -> None:
    """Rows for several batches, the last one smaller; by a model that has learnt to tell them apart."""
    run = tmp_path / "run"
    learning = settings(
        model__initializer_range=0.1, train__learning_rate=3e-3, train__max_steps=80, train__eval_every=80
    )
    done("finetune", home / "finetune.yaml", *learning, *settings(train__dropout=0.0), "--out", run)
    reviews = write_reviews(tmp_path / "SST-2", train=8, dev=2903, test=2501)
    target = ("eval", run, "--set", f"data.path={reviews}", "--json")
    two = separately(*target, "--nproc", "2")
    assert two.code == 0, two.err
    one = done(*target).result["scores"]["dev"]["accuracy"]
    assert one["n"] == 2903
    assert two.result["scores"]["dev"]["accuracy"] == pytest.approx(one, abs=1e-6)
    answers = tmp_path / "two.tsv"
    predict = ("predict", run, reviews / "test.tsv")
    outcome = separately(*predict, "--nproc", "2", "--out", answers)
    assert outcome.code == 0, outcome.err
    assert answers.read_text() == done(*predict).out
    assert {line.split("\t")[1] for line in answers.read_text().splitlines()[1:]} == {"0", "1"}
