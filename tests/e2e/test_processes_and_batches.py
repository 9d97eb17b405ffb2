"""How a batch is cut, into micro-batches or among processes, changes nothing that is learnt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import done, events, losses, separately, settings

STEPS = settings(
    train__max_steps=50, train__warmup_steps=10, train__dropout=0.0, train__log_every=1, train__eval_every=20
)


@pytest.fixture(scope="module")
def whole(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pretraining of 50 steps of 8 examples of uneven length, by one process at once."""
    run = tmp_path_factory.mktemp("whole") / "run"
    done("pretrain", home / "pretrain.yaml", *STEPS, "--out", run)
    assert len(set(losses(run))) == 50
    return run


def norms(run: Path) -> list[float]:
    """Norms of the gradient; LAMB hides from the loss how large it is."""
    return [line["gradient_norm"] for line in events(run, "train")]


def test_two_processes_learn_what_one_learns(whole: Path, home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    half = settings(train__batch_size=4)
    outcome = separately("pretrain", home / "pretrain.yaml", *STEPS, *half, "--nproc", "2", "--out", run, "--json")
    assert outcome.code == 0, outcome.err
    assert "batch: 8 = 4 x 1 micro-batches x 2 processes" in outcome.err
    assert outcome.result["steps"] == 50
    assert losses(run) == pytest.approx(losses(whole), abs=1e-5)
    assert losses(run, "held_out") == pytest.approx(losses(whole, "held_out"), abs=1e-5)
    assert norms(run) == pytest.approx(norms(whole), rel=1e-3)


def test_two_micro_batches_learn_what_one_learns(whole: Path, home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    halves = settings(train__batch_size=4, train__accumulate=2)
    done("pretrain", home / "pretrain.yaml", *STEPS, *halves, "--out", run)
    assert losses(run) == pytest.approx(losses(whole), abs=1e-5)


@pytest.mark.parametrize("change", [{"runtime__recompute": True}, {"runtime__workers": 2}])
def test_saving_memory_or_preparing_ahead_changes_no_loss(
    change: dict[str, object], home: Path, tmp_path: Path
) -> None:
    """With dropout, so that the recomputed layers must draw the same."""
    plain, changed = tmp_path / "plain", tmp_path / "changed"
    few = settings(train__max_steps=6, train__log_every=1)
    done("pretrain", home / "pretrain.yaml", *few, "--out", plain)
    done("pretrain", home / "pretrain.yaml", *few, *settings(**change), "--out", changed)
    assert losses(changed) == losses(plain)


def test_two_processes_in_half_precision_train_and_answer_as_one(home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    outcome = separately(
        "finetune", home / "finetune.yaml", "--nproc", "2", "--precision", "bf16", "--out", run,
        *settings(train__batch_size=4, train__max_steps=16),
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert events(run, "dev")[-1]["step"] == 16
    scores = separately("eval", run, "--nproc", "2", "--precision", "fp32", "--json")
    assert scores.code == 0, scores.err
    alone = done("eval", run, "--set", "runtime.nproc=1", "--precision", "fp32", "--json")
    assert scores.result == alone.result
    test, out = home / "SST-2" / "test.tsv", tmp_path / "two.tsv"
    answers = separately("predict", run, test, "--nproc", "2", "--precision", "fp32", "--out", out)
    assert answers.code == 0, answers.err
    assert out.read_text() == done("predict", run, test, "--nproc", "1", "--precision", "fp32").out
    assert json.loads((run / "status.json").read_text())["state"] == "done"
