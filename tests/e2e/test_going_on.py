"""A run that was killed, stopped or damaged goes on as if nothing had happened, or says why it cannot."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest
from command_line import Outcome, albert, done, events, files, settings, signal_after, status
from signal_after import signal_at

from albert_cli.report.progress import Progress
from albert_cli.stages import resuming, training_run


@pytest.mark.parametrize("command", ["pretrain", "finetune"])
def test_a_killed_run_goes_on_bit_by_bit(
    command: str, home: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Dropout is on; the kill comes between two checkpoints and between two lines of metrics."""
    whole = request.getfixturevalue({"pretrain": "pretrained", "finetune": "finetuned"}[command])
    run = tmp_path / "run"
    words = (command, home / f"{command}.yaml", "--out", run)
    assert signal_after(13, signal.SIGKILL, *words).code == -signal.SIGKILL
    assert status(run)["state"] == "running"
    assert events(run)[-1]["step"] == 12
    resumed = done(*words, "--resume")
    assert "continuing after step 8" in resumed.err
    assert events(run) == events(whole)
    weights = "model/model.safetensors"
    assert (run / weights).read_bytes() == (whole / weights).read_bytes()
    assert status(run)["state"] == "done"


def interrupt(monkeypatch: pytest.MonkeyPatch, step: int, number: int, *words: str | Path) -> Outcome:
    """Run a command in this process that gets a signal when it has made a step."""
    with monkeypatch.context() as patched:
        patched.setattr(Progress, "update", Progress.update)  # put back at the end
        signal_at(step, number)
        return albert(*words)


@pytest.mark.parametrize(
    ("command", "number", "step"),
    [("pretrain", signal.SIGTERM, 13), ("finetune", signal.SIGINT, 13), ("finetune", signal.SIGTERM, 16)],
)
def test_a_stopped_run_has_saved_its_state(
    command: str,
    number: signal.Signals,
    step: int,
    home: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It ends the step that it is in; 13 lies between two lines of metrics, at 16 an evaluation and a save are due."""
    whole = request.getfixturevalue({"pretrain": "pretrained", "finetune": "finetuned"}[command])
    run = tmp_path / "run"
    words = (command, home / f"{command}.yaml", "--out", run)
    stopped = interrupt(monkeypatch, step - 1, number, *words)
    stopped.refused(128 + number, f"stopped by a signal after step {step}; the state is saved in {run}")
    assert stopped.err.splitlines()[-1] == f"try: continue with --resume --out {run}"
    assert status(run)["state"] == "interrupted"
    assert "signal" in status(run)["reason"]
    resumed = done(*words, "--resume")
    assert f"continuing after step {step}\n" in resumed.err
    assert events(run) == events(whole)
    assert status(run)["state"] == "done"


def test_a_damaged_newest_checkpoint_is_left_out(home: Path, finetuned: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finetuned, run, symlinks=True)
    weights = run / "checkpoints" / "step-00000024" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    words = ("finetune", home / "finetune.yaml", "--resume", "--out", run)
    resumed = done(*words)
    assert "warning: checkpoint step-00000024 is damaged" in resumed.err
    assert "continuing after step 16" in resumed.err
    assert events(run) == events(finetuned)
    for path in (run / "checkpoints").glob("step-*/state.json"):
        path.write_text("{}")
    albert(*words).refused(3, "no sound checkpoint")


def test_a_finished_run_may_be_resumed_and_stays_as_it_is(home: Path, finetuned: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finetuned, run, symlinks=True)
    unfinished = run / "checkpoints" / ".partial-step-00000024-1"
    unfinished.mkdir()
    done("finetune", home / "finetune.yaml", "--resume", "--out", run)
    assert not unfinished.exists()
    before, after = files(finetuned), files(run)
    same = [name for name in before if name.startswith(("model/", "checkpoints/", "predictions/", "metrics"))]
    assert len(same) > 10
    assert {name: after[name] for name in same} == {name: before[name] for name in same}


def test_a_run_that_stopped_early_does_not_go_on(home: Path, tmp_path: Path) -> None:
    """At a learning rate of almost zero no evaluation is better than the first."""
    run = tmp_path / "run"
    still = settings(train__learning_rate=1e-9, train__eval_every=4, train__early_stop=2)
    words = ("finetune", home / "finetune.yaml", *still, "--out", run, "--json")
    stopped = done(*words)
    assert "no better score in 2 evaluations: stopped early at step 12" in stopped.err
    assert (stopped.result["steps"], stopped.result["best_step"]) == (12, 4)
    assert [line["step"] for line in events(run, "dev")] == [4, 8, 12]
    before = events(run)
    resumed = done(*words, "--resume")
    assert resumed.result["steps"] == 12
    assert events(run) == before


def test_another_recipe_or_other_data_do_not_continue_a_run(home: Path, finetuned: Path, tmp_path: Path) -> None:
    run, data = tmp_path / "run", tmp_path / "SST-2"
    shutil.copytree(finetuned, run, symlinks=True)
    shutil.copytree(home / "SST-2", data)
    before = files(run)
    words = ("finetune", home / "finetune.yaml", "--resume", "--out", run)
    albert(*words, *settings(train__learning_rate=1e-3)).refused(
        3, "not the one this run was started with", "train.learning_rate: 0.002 -> 0.001"
    )
    assert files(run) == before
    # The same path with other rows below it is the same recipe.
    recipe = json.loads((home / "finetune.yaml").read_text())
    recipe["data"]["path"] = str(data)
    (tmp_path / "mine.yaml").write_text(json.dumps(recipe))
    words = ("finetune", tmp_path / "mine.yaml", "--out", tmp_path / "mine")
    done(*words, *settings(train__max_steps=8))
    train = data / "train.tsv"
    train.write_text(train.read_text().replace("splendid", "dreadful", 1))
    few = settings(train__max_steps=8)
    before = files(tmp_path / "mine")
    albert(*words, *few, "--resume").refused(3, f"the training data ({data}) are not those this run was started with")
    dev = data / "dev.tsv"
    dev.write_text(dev.read_text().replace("\t0", "\t1", 1))
    albert(*words, *few, "--resume").refused(3, f"the dev data ({data}) are not those")
    same = [name for name in before if name.startswith(("model/", "checkpoints/", "predictions/", "metrics"))]
    assert {name: files(tmp_path / "mine")[name] for name in same} == {name: before[name] for name in same}


def test_a_changed_run_goes_on_when_that_is_asked_for_and_says_so(home: Path, finetuned: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finetuned, run, symlinks=True)
    words = ("finetune", home / "finetune.yaml", "--out", run, *settings(train__max_steps=32))
    albert(*words, "--resume").refused(3, "train.max_steps: 24 -> 32")
    resumed = done(*words, "--resume-anyway", "--json")
    change = "resumed anyway after step 24: train.max_steps: 24 -> 32. From there on it is not the run that was started"
    assert f"warning: {change}" in resumed.err
    assert resumed.result["resumed_with_changes"] == [change]
    assert resumed.result["steps"] == 32
    assert "not one run" in (run / "README.md").read_text()
    assert "max_steps: 24" in (run / "recipe-before-1.yaml").read_text()
    again = done(*words, "--resume", "--json")  # the changed recipe is the run's own from now on
    assert again.result["resumed_with_changes"] == [change]
    albert("finetune", home / "finetune.yaml", "--out", run, "--resume-anyway", "--dry-run")
    assert not (run / "recipe-before-2.yaml").exists()


def test_other_versions_are_shown_and_refused(
    home: Path, finetuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finetuned, run, symlinks=True)
    words = ("finetune", home / "finetune.yaml", "--out", run)
    real = resuming.versions()
    monkeypatch.setattr(training_run, "versions", lambda: {**real, "torch": "99.1"})
    albert(*words, "--resume").refused(3, f"torch {real['torch']} -> 99.1")
    assert f"torch {real['torch']} -> 99.1" in done(*words, "--resume-anyway").err


def test_a_damaged_best_checkpoint_is_named_before_training_goes_on(home: Path, tmp_path: Path) -> None:
    """At a rate of almost zero the first evaluation is the best, and nothing after it."""
    run = tmp_path / "run"
    still = settings(train__learning_rate=1e-9, train__keep=1)
    words = ("finetune", home / "finetune.yaml", *still, "--out", run)
    done(*words)
    best = run / "checkpoints" / "best"
    assert best.resolve().name == "step-00000008"
    weights = best / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    albert(*words, "--resume").refused(3, "the best checkpoint so far", "step-00000008", "is damaged")
    resumed = done(*words, "--resume-anyway")
    assert "the best checkpoint so far, of step 8, is lost" in resumed.err
    assert best.resolve().name == "step-00000024"


@pytest.mark.parametrize("batch", [{"train__batch_size": 4, "train__accumulate": 2}, {"train__effective_batch": 8}])
def test_a_step_may_be_divided_otherwise_as_long_as_its_examples_stay(
    batch: dict[str, object], home: Path, tmp_path: Path
) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    plain = settings(train__dropout=0.0, train__log_every=1)
    done("finetune", home / "finetune.yaml", *plain, "--out", whole)
    words = ("finetune", home / "finetune.yaml", *plain, "--out", run)
    assert signal_after(13, signal.SIGKILL, *words).code == -signal.SIGKILL
    albert(*words, "--resume", *settings(train__batch_size=4)).refused(
        3, "a step of 8 examples -> 4 examples, train.batch_size: 8 -> 4"
    )
    done(*words, "--resume", *settings(**batch))
    ours, theirs = events(run, "train"), events(whole, "train")
    assert [line["step"] for line in ours] == list(range(1, 25))
    assert [line["loss"] for line in ours] == pytest.approx([line["loss"] for line in theirs], abs=1e-5)
