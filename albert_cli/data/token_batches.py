"""Which examples share a batch when a batch holds so many tokens, not so many examples?

The stream of examples is that of batches of a fixed size (`sampler.ExampleStream`); it is only cut elsewhere: each
micro-batch takes the next examples as long as their tokens fit. Where it is cut depends on the seed alone, so a run
goes on after an interruption as if there had been none, and any number of processes sees the same examples in a step
of as many micro-batches.

Shapes: B examples of a micro-batch.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from albert_cli.data.batching import PackedBatch
from albert_cli.data.examples import Examples
from albert_cli.data.sampler import ExampleStream


class _SameSize:
    """Every epoch has the same number of examples. A class, because a step source must pickle."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, epoch: int) -> int:
        return self.size


class TokenBudgetSource:
    """Training batches: ``source[step]`` is this process's micro-batches of an optimiser step.

    Args:
        examples: the training split; every example labelled.
        batch_tokens: most tokens of a micro-batch; a longer example is a micro-batch of its own.
        accumulate: micro-batches of a step.
        rank: number of this process.
        world_size: number of processes.
        seed: of the order.
        max_steps: optimiser steps of the run.

    Raises:
        ValueError: no rows, or rows without a label.
    """

    def __init__(
        self,
        examples: Examples,
        batch_tokens: int,
        *,
        accumulate: int = 1,
        rank: int = 0,
        world_size: int = 1,
        seed: int,
        max_steps: int,
    ) -> None:
        if len(examples) == 0 or not examples.is_labelled:
            raise ValueError("training needs examples, and a label on each")
        self.examples = examples
        self.budget = batch_tokens
        self.batch_size = batch_tokens  # in tokens; `sampler.in_parts` divides it and multiplies what follows
        self.accumulate = accumulate
        self.rank = rank
        self.world_size = world_size
        self.max_steps = max_steps
        self._whole = accumulate
        self._stream = ExampleStream(_SameSize(len(examples)), seed=seed)
        self._ahead = ExampleStream(_SameSize(len(examples)), seed=seed)  # keeps another epoch's order at hand
        self._ends = [0]

    def __len__(self) -> int:
        return self.max_steps

    def __getitem__(self, step: int) -> list[PackedBatch]:
        if not 0 <= step < self.max_steps:
            raise IndexError(f"step {step} of {self.max_steps}")
        parts = self.accumulate // self._whole
        chosen: list[np.ndarray] = []
        for micro in range(self._whole):
            number = (step * self._whole + micro) * self.world_size + self.rank
            chosen += np.array_split(self._examples(number), parts)
        return [self.examples.pack(some, with_labels=True) for some in chosen if len(some)]

    def micro_batches_of_an_epoch(self) -> int:
        """Micro-batches, of all processes, until every example has been seen once."""
        while self._ends[-1] < len(self.examples):
            self._cut()
        return bisect_left(self._ends, len(self.examples))

    def _examples(self, number: int) -> np.ndarray:
        """Examples of a micro-batch of the run; (B,) int64."""
        while len(self._ends) <= number + 1:
            self._cut()
        start, end = self._ends[number], self._ends[number + 1]
        return np.concatenate([some for _, some in self._stream.take(start, end - start)])

    def _cut(self) -> None:
        """Cut the next stretch of the stream; its rest may fit together with what comes after it."""
        start, count = self._ends[-1], len(self.examples) + 1
        before = len(self._ends)
        while len(self._ends) == before:
            order = np.concatenate([some for _, some in self._ahead.take(start, count)])
            sums = np.concatenate([[0], np.cumsum(self.examples.lengths[order])])
            place = 0
            while True:
                end = max(place + 1, int(np.searchsorted(sums, sums[place] + self.budget, side="right")) - 1)
                if end >= count:
                    break
                self._ends.append(start + end)
                place = end
            count *= 2
