"""Which packed batches does fine-tuning train on, and which are scored?

Shapes: B examples of a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from albert_cli.data.batching import PackedBatch, plan_token_batches
from albert_cli.data.examples import Examples
from albert_cli.data.grouping import GroupedOrder
from albert_cli.data.sampler import ExampleStream, micro_batch_starts


@dataclass(frozen=True)
class _SameSize:
    """Every epoch has the same number of examples. A class, because a step source must pickle."""

    size: int

    def __call__(self, epoch: int) -> int:
        return self.size


class FinetuneSource:
    """Training batches: ``source[step]`` is this process's micro-batches of an optimiser step.

    Each epoch has its own random order of all rows (the original shuffled within a buffer of 100). What a step holds
    depends on the seed and the step, and only its cut into micro-batches on the processes.

    Args:
        examples: the training split; every example labelled.
        batch_size: B, examples of a micro-batch.
        accumulate: micro-batches of a step.
        rank: number of this process.
        world_size: number of processes.
        seed: of the order.
        max_steps: optimiser steps of the run.
        grouped: whether similar lengths are computed together.

    Raises:
        ValueError: no rows, or rows without a label.
    """

    def __init__(
        self,
        examples: Examples,
        batch_size: int,
        *,
        accumulate: int = 1,
        rank: int = 0,
        world_size: int = 1,
        seed: int,
        max_steps: int,
        grouped: bool = False,
    ) -> None:
        if len(examples) == 0 or not examples.is_labelled:
            raise ValueError("training needs examples, and a label on each")
        self.examples = examples
        self.batch_size = batch_size
        self.accumulate = accumulate
        self.rank = rank
        self.world_size = world_size
        self.max_steps = max_steps
        self._stream = ExampleStream(_SameSize(len(examples)), seed=seed)
        whole = batch_size * accumulate * world_size
        self._groups = GroupedOrder(self._stream, examples.lengths, batch=whole, seed=seed) if grouped else None

    def __len__(self) -> int:
        return self.max_steps

    def __getitem__(self, step: int) -> list[PackedBatch]:
        if not 0 <= step < self.max_steps:
            raise IndexError(f"step {step} of {self.max_steps}")
        starts = micro_batch_starts(
            step, batch_size=self.batch_size, accumulate=self.accumulate, rank=self.rank, world_size=self.world_size
        )
        return [self.examples.pack(self._examples(step, start), with_labels=True) for start in starts]

    def _examples(self, step: int, start: int) -> np.ndarray:
        """Examples of the micro-batch that begins at a position of the stream; (B,) int64."""
        if self._groups is not None:
            place = start - step * self.batch_size * self.accumulate * self.world_size
            return self._groups.step(step)[place : place + self.batch_size]
        return np.concatenate([chosen for _, chosen in self._stream.take(start, self.batch_size)])


class EvaluationBatches:
    """Batches of a split for scoring or predicting, each row once, made when they are asked for.

    Args:
        examples: the split. Unless every row is labelled, no batch has labels.
        groups: rows of each batch.
    """

    def __init__(self, examples: Examples, groups: list[np.ndarray]) -> None:
        self.examples = examples
        self.groups = groups
        self._with_labels = examples.is_labelled

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, number: int) -> PackedBatch:
        return self.examples.pack(self.groups[number], with_labels=self._with_labels)


def evaluation_batches(examples: Examples, *, max_tokens: int, rank: int = 0, world_size: int = 1) -> EvaluationBatches:
    """Group a split into batches of rows of similar length, the longest first.

    Args:
        examples: the split.
        max_tokens: most tokens of a batch; a longer row is a batch of its own.
        rank: number of this process.
        world_size: number of processes; each takes every world-th batch. Leave both alone where the caller divides the
            batches itself, as `training.evaluation.evaluate` does.

    Returns:
        A sequence of batches; ``indices`` say which rows they hold.
    """
    groups = plan_token_batches(examples.lengths.tolist(), max_tokens=max_tokens)
    return EvaluationBatches(examples, groups[rank::world_size])
