"""Which examples a step sees: a pure function of the seed and the step, for any number of processes.

The examples form an endless stream: epoch 0 in its own random order, then epoch 1 in another, and so on. Optimiser
step s takes the next ``batch_size * accumulate * world_size`` of them, so a batch is always full and may cross the
border of two epochs (as in the original, which repeats before it batches). The position of a run is therefore one
integer, the step, and the same effective batch holds the same examples however it is cut into processes and
micro-batches.
"""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np


def epoch_permutation(size: int, *, seed: int, epoch: int) -> np.ndarray:
    """Random order of one epoch.

    Returns:
        (size,) int64, each of 0..size-1 once; a pure function of (size, seed, epoch).
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch]))).permutation(size)


@dataclass
class ExampleStream:
    """The endless stream of examples.

    Args:
        epoch_size: examples of an epoch.
        seed: of the order.
        drawn_size: examples that there are to draw from in an epoch, if that may differ from the places it has: the
            first in their random order fill the places, and if they are too few, again from the first on.
    """

    epoch_size: Callable[[int], int]
    seed: int
    drawn_size: Callable[[int], int] | None = None
    _starts: list[int] = field(default_factory=lambda: [0], repr=False)
    _permutation: tuple[int, np.ndarray] | None = field(default=None, repr=False)

    def _order(self, epoch: int) -> np.ndarray:
        if self._permutation is None or self._permutation[0] != epoch:
            size = self.epoch_size(epoch)
            there = size if self.drawn_size is None else self.drawn_size(epoch)
            order = np.resize(epoch_permutation(there, seed=self.seed, epoch=epoch), size)
            self._permutation = (epoch, order)
        return self._permutation[1]

    def epoch_of(self, position: int) -> tuple[int, int]:
        """Epoch that a position of the stream falls into, and the place within that epoch."""
        while self._starts[-1] <= position:
            size = self.epoch_size(len(self._starts) - 1)
            if size <= 0:
                raise ValueError(f"epoch {len(self._starts) - 1} has no examples")
            self._starts.append(self._starts[-1] + size)
        epoch = bisect_right(self._starts, position) - 1
        return epoch, position - self._starts[epoch]

    def take(self, start: int, count: int) -> list[tuple[int, np.ndarray]]:
        """Examples at positions start..start+count-1, as (epoch, example numbers) runs in stream order."""
        runs: list[tuple[int, np.ndarray]] = []
        while count > 0:
            epoch, place = self.epoch_of(start)
            part = self._order(epoch)[place : place + count]
            runs.append((epoch, part))
            start, count = start + len(part), count - len(part)
        return runs


def micro_batch_starts(step: int, *, batch_size: int, accumulate: int, rank: int, world_size: int) -> list[int]:
    """Stream position where each micro-batch of one process begins at a step.

    Micro-batch m of process r begins ``(m * world_size + r) * batch_size`` after the step's first example.
    """
    first = step * batch_size * accumulate * world_size
    return [first + (micro * world_size + rank) * batch_size for micro in range(accumulate)]


@runtime_checkable
class Divisible(Protocol):
    """A source of steps that can be cut into other micro-batches without changing what a step sees."""

    batch_size: int
    accumulate: int


Source = TypeVar("Source", bound=Divisible)


def in_parts(source: Source, parts: int) -> Source:
    """The same steps, each micro-batch cut into ``parts`` equal ones."""
    smaller = copy.copy(source)
    smaller.batch_size = source.batch_size // parts
    smaller.accumulate = source.accumulate * parts
    return smaller
