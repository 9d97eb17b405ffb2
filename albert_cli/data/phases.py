"""A run whose examples have one length at first and another one later (``data.length_schedule``).

Each phase has a stream of examples of its own, which begins with the phase; what a step holds is still a function of
the seed and the step alone, so the position of a run stays one number.
"""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from albert_cli.data.batching import PackedBatch
from albert_cli.data.pretraining import ExampleLaw, PretrainingSource
from albert_cli.data.random import stream_key


@dataclass(frozen=True)
class Phase:
    """A part of a run.

    Attributes:
        length: most tokens of an example.
        share: of the steps.
    """

    length: int
    share: float


def phase_laws(law: ExampleLaw, phases: Sequence[Phase]) -> list[ExampleLaw]:
    """Law of each phase: its length, and random numbers of its own."""
    return [
        replace(law, max_length=phase.length, seed=_seed(law.seed, number) if number else law.seed)
        for number, phase in enumerate(phases)
    ]


def _seed(seed: int, number: int) -> int:
    return stream_key(seed, 0, f"phase {number}") >> 2


def first_steps(phases: Sequence[Phase], max_steps: int) -> list[int]:
    """Step at which each phase begins."""
    starts, share = [], 0.0
    for phase in phases:
        starts.append(round(share * max_steps))
        share += phase.share
    return starts


def _cut_anew(source: PretrainingSource, batch_size: int, accumulate: int) -> PretrainingSource:
    """The same steps in other micro-batches."""
    other = copy.copy(source)
    other.batch_size, other.accumulate = batch_size, accumulate
    return other


class PhasedSource:
    """The batches of every step of a run in phases.

    Args:
        sources: of each phase; of as many steps as may ever be asked for.
        starts: step at which each begins, from 0, ascending.
        max_steps: length of the run.
    """

    def __init__(self, sources: Sequence[PretrainingSource], starts: Sequence[int], *, max_steps: int) -> None:
        self.sources = tuple(sources)
        self.starts = tuple(starts)
        self.max_steps = max_steps
        self.batch_size = sources[0].batch_size
        self.accumulate = sources[0].accumulate

    def __len__(self) -> int:
        """Number of steps."""
        return self.max_steps

    def __getitem__(self, step: int) -> list[PackedBatch]:
        """This process's micro-batches of a step, a pure function of (seed, step).

        Raises:
            IndexError: no such step.
        """
        if not 0 <= step < self.max_steps:
            raise IndexError(f"step {step} of {self.max_steps}")
        number = self.phase_of(step)
        source = self.sources[number]
        if (source.batch_size, source.accumulate) != (self.batch_size, self.accumulate):
            source = _cut_anew(source, self.batch_size, self.accumulate)
            self.sources = (*self.sources[:number], source, *self.sources[number + 1 :])
        return source[step - self.starts[number]]

    def phase_of(self, step: int) -> int:
        """Number of the phase that a step belongs to."""
        return bisect_right(self.starts, step) - 1
