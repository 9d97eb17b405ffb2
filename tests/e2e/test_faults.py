"""Kills at random moments, in the middle of a save, of several processes; a full disk. ``make faults`` runs them."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command_line import Outcome, done, events, separately, settings, start, status, wait

from albert_cli.training.checkpoint import find_checkpoint

pytestmark = pytest.mark.faults

KILL_IN_SAVE = """
import os, signal, sys
from albert_cli.cli.app import main
from albert_cli.training import checkpoint
place, count = sys.argv[1], int(sys.argv[2])
action, calls = getattr(checkpoint, place), 0
def act(*arguments, **keywords):
    global calls
    calls += 1
    if calls == count:
        os.kill(os.getpid(), signal.SIGKILL)
    return action(*arguments, **keywords)
setattr(checkpoint, place, act)
sys.exit(main(sys.argv[3:]))
"""


def long_enough(**values: object) -> list[str]:
    """Steps for a second or two, saved often."""
    chosen = {"train__max_steps": 240, "train__save_every": 16, "train__eval_every": 48, "train__log_every": 4}
    return settings(**{**chosen, **values})


@pytest.fixture(scope="module")
def undisturbed(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that all others must end like."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    done("pretrain", home / "pretrain.yaml", *long_enough(), "--out", run)
    return run


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a file has something in it."""
    while not (path.exists() and path.stat().st_size) and process.poll() is None:
        time.sleep(0.01)


def kill_at_random(draw: random.Random, *words: str | Path, run: Path) -> bool:
    """Start a command, kill it within its training, and say whether it was still at work."""
    process = start(*words)
    wait_for(run / "metrics.jsonl", process)
    time.sleep(draw.uniform(0.0, 0.6))
    process.kill()
    return wait(process).code == -signal.SIGKILL


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_run_killed_again_and_again_ends_like_the_others(
    seed: int, home: Path, undisturbed: Path, tmp_path: Path
) -> None:
    draw, run = random.Random(seed), tmp_path / "run"
    words = ("pretrain", home / "pretrain.yaml", *long_enough(), "--out", run)
    kills = kill_at_random(draw, *words, run=run)
    for _ in range(2):
        kills += kill_at_random(draw, *words, "--resume", run=run)
    assert kills
    assert find_checkpoint(run / "checkpoints").skipped == []
    done(*words, "--resume")
    assert events(run) == events(undisturbed)
    assert not list(run.rglob(".partial-*"))


@pytest.mark.parametrize("place", ["save_file", "write_manifest", "point_link", "_remove_old"])
def test_a_kill_within_a_save_loses_no_earlier_checkpoint(
    place: str, home: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = ("pretrain", home / "pretrain.yaml", *long_enough(), "--out", run)
    killed = wait(start(*words, program=("-c", KILL_IN_SAVE, place, "4")))
    assert killed.code == -signal.SIGKILL
    found = find_checkpoint(run / "checkpoints")
    assert found.path is not None
    assert found.skipped == []
    done(*words, "--resume")
    assert events(run) == events(undisturbed)
    assert not list(run.rglob(".partial-*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_two_processes_stop_together_and_go_on(number: signal.Signals, home: Path, tmp_path: Path) -> None:
    half = long_enough(train__batch_size=4)
    words = ("pretrain", home / "pretrain.yaml", *half, "--nproc", "2", "--out")
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert separately(*words, whole).code == 0
    process = start(*words, run)
    wait_for(run / "metrics.jsonl", process)
    process.send_signal(number)
    stopped = wait(process)
    stopped.refused(128 + number, "stopped by a signal after step")
    assert status(run)["state"] == "interrupted"
    resumed = separately(*words, run, "--resume")
    assert resumed.code == 0, resumed.err
    assert events(run) == events(whole)


def test_two_killed_processes_leave_nobody_behind_and_go_on(home: Path, tmp_path: Path) -> None:
    half = long_enough(train__batch_size=4)
    words = ("pretrain", home / "pretrain.yaml", *half, "--nproc", "2", "--out")
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert separately(*words, whole).code == 0
    process = start(*words, run)
    wait_for(run / "metrics.jsonl", process)
    process.kill()  # the launcher; the kernel tells its processes
    process.wait(timeout=60)
    outcome = resume_when_free(*words, run, "--resume")
    assert outcome.code == 0, outcome.err
    assert events(run) == events(whole)


def resume_when_free(*words: str | Path) -> Outcome:
    """Resume as soon as the processes of the killed launcher have given up the run directory."""
    for _ in range(10):
        outcome = separately(*words)
        if "another run is writing" not in outcome.err:
            return outcome
        time.sleep(1)
    raise AssertionError("the processes of a killed launcher live on")


FULL_DISK = """
import resource, signal, sys
from albert_cli.cli.app import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sys.exit(main(sys.argv[1:]))
"""


def test_a_checkpoint_that_does_not_fit_is_one_clear_message(home: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk."""
    run = tmp_path / "run"
    words = ("pretrain", home / "pretrain.yaml", *long_enough(), "--out", run)
    program = ("-c", FULL_DISK)
    wait(start(*words, program=program)).refused(3, "could not write")
    assert status(run)["state"] == "failed"
    assert not list((run / "checkpoints").iterdir())
    done(*words, "--resume")
    assert status(run)["state"] == "done"
