"""The faults, one function each: what is done to a run, and what became of it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from hooks import FULL, PLACES, fail_from, freeze_at, jump_the_clock, kill_at
from workload import (
    Ended,
    Undisturbed,
    copy_of,
    damaged_by_a_kill,
    end_of,
    go_on,
    newest_step,
    run_to_end,
    start,
    trace_of,
    words,
)


@dataclass(frozen=True)
class Result:
    """What became of one fault.

    Attributes:
        fault: kind, a row of the table.
        where: place and number, to be able to repeat it.
        outcome: ``identical``, ``refused``, ``lost``, ``unclear``, ``hung`` or ``missed`` (the run was over already).
        refused_first: whether the harmed command itself ended with a clear message before it was resumed.
        said: last lines, where the outcome is none to be glad of.
        during: what a killed run was doing.
    """

    fault: str
    where: str
    outcome: str
    refused_first: bool = False
    said: str = ""
    during: str = ""


@dataclass(frozen=True)
class Bench:
    """What a fault needs: a home to copy, a folder to work in, and the undisturbed runs."""

    home: Path
    folder: Path
    peace: dict[tuple[str, int], Undisturbed]

    @contextmanager
    def place(self, name: str) -> Iterator[Path]:
        """A copy of the home, removed afterwards."""
        here = copy_of(self.home, self.folder / name)
        try:
            yield here
        finally:
            shutil.rmtree(here, ignore_errors=True)


def judge(
    fault: str, where: str, ended: Ended, home: Path, peace: Undisturbed, *, first: Ended | None = None
) -> Result:
    """What became of a run after its last command."""
    clear_first = first is not None and first.is_clear
    if ended.hung or (first is not None and first.hung):
        return Result(fault, where, "hung", clear_first, _tail(ended.said))
    if ended.code == 0:
        same = trace_of(home) == peace.trace
        return Result(fault, where, "identical" if same else "lost", clear_first, "" if same else _tail(ended.said))
    return Result(fault, where, "refused" if ended.is_clear else "unclear", clear_first, _tail(ended.said))


def killed(bench: Bench, draw: random.Random, *, stage: str, processes: int, number: int) -> Result:
    """Signal 9 at a moment, or at a counted place, of one process or of what started it; then ``--resume``."""
    peace = bench.peace[stage, processes]
    place = draw.choice(("time", "time", *PLACES, "file"))
    fault = f"kill -9, {processes} process{'es' if processes > 1 else ''}"
    with bench.place(f"killed-{processes}-{number}") as home:
        if place == "time":
            moment = draw.uniform(0.0, peace.seconds)
            victim = draw.choice(("launcher", "all")) if processes > 1 else "it"
            where = f"{stage}, {victim} after {moment:.2f} s"
            child = start(words(stage, processes), home)
            time.sleep(moment)
            for pid in [*(_children(child.pid) if victim == "all" else []), child.pid]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        else:
            count = draw.randint(1, peace.counts[place])
            rank = draw.randrange(processes) if place == "step" else 0
            where = f"{stage}, {place} {count} of process {rank}"
            child = start(words(stage, processes), home, kill_at(place, count, below=home, rank=rank))
        first = end_of(child, home)
        if first.code == 0:
            return Result(fault, where, "missed")
        if first.hung:
            return Result(fault, where, "hung", False, _tail(first.said))
        during = _phase(home, place)
        wrong, before = damaged_by_a_kill(home), newest_step(home)
        if wrong:
            return Result(fault, where, "lost", False, f"damaged: {wrong}")
        ended = go_on(stage, processes, home)
        if before and f"continuing after step {before}" not in ended.said and "after step" not in ended.said:
            return Result(fault, where, "lost", False, f"did not go on from step {before}: {_tail(ended.said)}")
        return replace(judge(fault, where, ended, home, peace), during=during)


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:  # it is over
        return []


def _phase(home: Path, place: str) -> str:
    """What a killed run was doing, as far as its files show."""
    run = home / "run"
    if place == "evaluation":
        return "evaluation"
    if any((run / "checkpoints").glob(".partial-*")):
        return "saving"
    if (run / "predictions").exists() or list(run.glob(".partial-model*")):
        return "writing the results"
    return "training" if (run / "metrics.jsonl").exists() else "preparation"


def unwritable(bench: Bench, draw: random.Random, *, code: int, number: int) -> Result:
    """From the n-th change of a file on the disk is full, or read-only; then it is well again, and ``--resume``."""
    stage = draw.choice(("pretrain", "finetune"))
    peace = bench.peace[stage, 1]
    fault = "disk full" if code == FULL else "disk becomes read-only"
    count = draw.randint(1, peace.counts["file"])
    where = f"{stage}, from file {count} on"
    with bench.place(f"unwritable-{code}-{number}") as home:
        first = run_to_end(words(stage, 1), home, fail_from(count, code, below=home))
        if not first.is_clear and first.code:
            return Result(fault, where, "unclear", False, _tail(first.said))
        if damaged_by_a_kill(home):
            return Result(fault, where, "lost", first.is_clear, f"damaged: {damaged_by_a_kill(home)}")
        return judge(fault, where, go_on(stage, 1, home), home, peace, first=first)


def small_disk(bench: Bench, draw: random.Random, *, number: int) -> Result:
    """A file system of a few hundred kilobytes holds run and cache; then it grows, and ``--resume``."""
    stage = draw.choice(("pretrain", "finetune"))
    size = draw.randint(100, 900)
    where = f"{stage}, {size} KiB"
    with bench.place(f"small-{number}") as home, mounted(home / "run", f"size={size}k"):
        first = run_to_end(words(stage, 1), home)
        if first.code and not first.is_clear:
            return Result("disk full (a small file system)", where, "unclear", False, _tail(first.said))
        subprocess.run(["mount", "-o", "remount,size=64m", str(home / "run")], check=True)
        ended = go_on(stage, 1, home)
        return judge("disk full (a small file system)", where, ended, home, bench.peace[stage, 1], first=first)


def read_only(bench: Bench, _draw: random.Random, *, number: int) -> Result:
    """The run directory lies on a file system that may only be read; then it may be written."""
    stage = ("pretrain", "finetune")[number % 2]
    with bench.place(f"read-only-{number}") as home, mounted(home / "run", "size=64m,ro"):
        first = run_to_end(words(stage, 1), home)
        if not first.is_clear or "run" not in first.said.split("error: ")[-1]:
            return Result("read-only directory", stage, "unclear", False, _tail(first.said))
        subprocess.run(["mount", "-o", "remount,rw", str(home / "run")], check=True)
        ended = go_on(stage, 1, home)
        return judge("read-only directory", stage, ended, home, bench.peace[stage, 1], first=first)


def clock(bench: Bench, draw: random.Random, *, number: int) -> Result:
    """The time of day jumps by up to ten years whenever it is looked at, the run is killed, and resumed so."""
    stage = ("pretrain", "finetune")[number % 2]
    peace = bench.peace[stage, 1]
    count = draw.randint(5, peace.counts["step"])
    jump = jump_the_clock(draw.randrange(1 << 30))
    with bench.place(f"clock-{number}") as home:
        counter = kill_at("step", count, below=home)

        def both() -> None:
            jump()
            counter()

        run_to_end(words(stage, 1), home, both)
        ended = run_to_end(words(stage, 1, "--resume"), home, jump)
        return judge("clock jumps", f"{stage}, killed at step {count}", ended, home, peace)


def frozen(bench: Bench, draw: random.Random, *, number: int) -> Result:
    """One of two processes stands still for good; the other says so after ``runtime.timeout``, and all end."""
    stage = ("pretrain", "finetune")[number % 2]
    peace = bench.peace[stage, 2]
    rank, place = draw.randrange(2), "step"
    count = draw.randint(1, peace.counts[place])
    where = f"{stage}, process {rank} at {place} {count}"
    with bench.place(f"frozen-{number}") as home:
        short = ["--set", "runtime.timeout=0.15"]
        child = start(words(stage, 2, *short), home, freeze_at(place, count, below=home, rank=rank))
        first = end_of(child, home)
        if first.hung or not first.is_clear or "did not answer within runtime.timeout" not in first.said:
            return Result("a process that hangs", where, "hung" if first.hung else "unclear", False, _tail(first.said))
        return judge("a process that hangs", where, go_on(stage, 2, home), home, peace, first=first)


def corrupted(bench: Bench, draw: random.Random, *, of: str, number: int, halves: dict[str, Path]) -> Result:
    """One byte of a file is another one; ``--resume`` of a run that was killed half-way."""
    stage = draw.choice(("pretrain", "finetune")) if of in ("checkpoint", "tokenizer", "run directory") else of
    stage = {"token shard": "pretrain", "feature cache": "finetune"}.get(of, stage)
    here = copy_of(halves[stage], bench.folder / f"corrupted-{of.replace(' ', '-')}-{number}")
    try:
        chosen = draw.choice(_files(here, of))
        content = bytearray(chosen.read_bytes())
        at = draw.randrange(len(content))
        content[at] ^= draw.randint(1, 255)
        chosen.write_bytes(content)
        named = chosen.relative_to(here)
        ended = go_on(stage, 1, here)
        result = judge(f"corrupted byte: {of}", f"{stage}, {named} byte {at}", ended, here, bench.peace[stage, 1])
        if result.outcome == "refused" and not _names(ended.said, named):
            return Result(result.fault, result.where, "unclear", False, result.said)
        return result
    finally:
        shutil.rmtree(here, ignore_errors=True)


def half_way(bench: Bench) -> dict[str, Path]:
    """Of each stage a run that was killed at its 15th step, with what it had prepared."""
    halves = {}
    for stage in ("pretrain", "finetune"):
        home = copy_of(bench.home, bench.folder / f"half-{stage}")
        ended = run_to_end(words(stage, 1), home, kill_at("step", 15, below=home))
        assert ended.code == -signal.SIGKILL, ended.said
        halves[stage] = home
    return halves


def _files(home: Path, of: str) -> list[Path]:
    patterns = {
        "checkpoint": ["run/checkpoints/step-*/*"],
        "token shard": ["cache/shards-*/*"],
        "feature cache": ["cache/features/*/*"],
        "tokenizer": ["tokenizer/spiece.model", "tokenizer/*.json"],
        "run directory": ["run/recipe.yaml", "run/metrics.jsonl", "run/status.json", "run/environment.json"],
    }[of]
    found = sorted(path for pattern in patterns for path in home.glob(pattern) if path.stat().st_size)
    assert found, f"no files of {of}"
    return found


def _names(said: str, path: Path) -> bool:
    """Whether a message names the file, or the folder that it is in (not merely the run)."""
    error = said.split("error: ")[-1]
    return any(part in error for part in (path.name, str(path.parent)) if part not in (".", "run"))


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A small file system in memory."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def may_mount(folder: Path) -> bool:
    """Whether this user may mount file systems here."""
    place = folder / "mount-test"
    place.mkdir()
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], check=False, capture_output=True
        )
        if done.returncode == 0:
            subprocess.run(["umount", str(place)], check=True)
    except FileNotFoundError:
        return False
    return done.returncode == 0


def _tail(said: str) -> str:
    return " | ".join(said.strip().splitlines()[-4:])[-700:]
