"""How are two ways of doing the same work compared? In turns, in one process, by a clock that other work does not move.

With one thread on a processor, seconds are the process's own; else they are those of the wall. A ratio is taken within
each round, so that a machine which slows down for a while slows both sides; what is printed is the median of the
rounds, with the lowest and the highest.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from albert_cli.report.environment import describe_environment

SCHEMA_VERSION = 1
_SYNCHRONISE = {"cuda": torch.cuda.synchronize}


@dataclass(frozen=True)
class Side:
    """One way of doing the work.

    Attributes:
        name: what it is called in tables and JSON.
        work: does it once; what it returns is not looked at.
    """

    name: str
    work: Callable[[], Any]


@dataclass(frozen=True)
class Times:
    """Seconds of one side, a number for each round.

    Attributes:
        processor: of this process, all threads together.
        wall: as a clock on the wall says.
    """

    processor: tuple[float, ...]
    wall: tuple[float, ...]

    def by(self, clock: str) -> tuple[float, ...]:
        """The seconds of one of the two clocks, ``processor`` or ``wall``."""
        return self.processor if clock == "processor" else self.wall


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest of some rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one number or more."""
        return cls(statistics.median(values), min(values), max(values))

    def as_json(self) -> dict[str, float]:
        """For `--json`."""
        return {"median": self.median, "low": self.low, "high": self.high}

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def clock_for(device: torch.device | str = "cpu") -> str:
    """The clock to believe: the processor's for a single thread of it, else that on the wall."""
    alone = torch.device(device).type == "cpu" and torch.get_num_threads() == 1
    return "processor" if alone else "wall"


def take_turns(
    sides: Sequence[Side], *, rounds: int = 3, warmup: int = 1, device: torch.device | str = "cpu"
) -> dict[str, Times]:
    """Let the sides work in turns, each round beginning with another one.

    Args:
        sides: names must differ.
        rounds: times each works and is timed.
        warmup: times each works before, untimed.
        device: waited for before a clock is read.
    """
    for side in sides:
        for _ in range(warmup):
            side.work()
    found: dict[str, list[tuple[float, float]]] = {side.name: [] for side in sides}
    for number in range(rounds):
        first = number % len(sides)
        for side in (*sides[first:], *sides[:first]):
            found[side.name].append(_timed(side.work, torch.device(device)))
    return {
        name: Times(tuple(one for one, _ in seconds), tuple(two for _, two in seconds))
        for name, seconds in found.items()
    }


def _timed(work: Callable[[], Any], device: torch.device) -> tuple[float, float]:
    wait = _SYNCHRONISE.get(device.type, _nothing)
    wait()
    processor, wall = time.process_time(), time.perf_counter()
    work()
    wait()
    return time.process_time() - processor, time.perf_counter() - wall


def _nothing() -> None:
    """A processor has done its work when the call returns."""


def how_many_times(times: Mapping[str, Times], side: str, *, against: str, clock: str) -> Spread:
    """How many times as fast ``side`` is as ``against``, from the rounds they shared."""
    pairs = zip(times[against].by(clock), times[side].by(clock), strict=True)
    return Spread.of([other / mine for other, mine in pairs])


def facts(command: str, *, seed: int, rounds: int, warmup: int, device: torch.device | str = "cpu") -> dict[str, Any]:
    """What a reader has to know to measure the same again; the head of every bench's JSON."""
    about = describe_environment()
    return {
        "schema_version": SCHEMA_VERSION,
        "command": command,
        "seed": seed,
        "rounds": rounds,
        "warmup": warmup,
        "clock": clock_for(device),
        "device": str(device),
        "threads": torch.get_num_threads(),
        "processor": {**about["processor"], "capability": torch.backends.cpu.get_cpu_capability()},
        "load": round(os.getloadavg()[0], 1),
        "versions": {"albert_cli": about["albert_cli"], "python": about["python"], **_installed(about["packages"])},
    }


def _installed(packages: Mapping[str, str | None]) -> dict[str, str]:
    return {name: version for name, version in packages.items() if version is not None}
