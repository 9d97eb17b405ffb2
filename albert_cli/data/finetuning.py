"""Which packed batches does fine-tuning train on, and which are scored?

Shapes: B examples, T tokens of all of them, C classes, N rows of the split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from albert_cli.data.batching import PackedBatch, plan_token_batches
from albert_cli.data.features import EncodedTask
from albert_cli.data.sampler import ExampleStream, micro_batch_starts


def pack(encoded: EncodedTask, examples: np.ndarray, *, with_labels: bool) -> PackedBatch:
    """Lay chosen rows one after another.

    Args:
        encoded: the split.
        examples: (B,) int64, which rows.
        with_labels: whether ``targets`` holds ``labels``.

    Returns:
        One micro-batch; its ``indices`` are places in the ``datasets.Dataset``.
    """
    chosen = np.asarray(examples, dtype=np.int64)
    lengths = encoded.lengths[chosen]  # (B,)
    starts = np.cumsum(lengths) - lengths
    within = np.arange(int(lengths.sum()), dtype=np.int64) - np.repeat(starts, lengths)  # (T,) place in its row
    ids = encoded.ids[np.repeat(encoded.offsets[chosen], lengths) + within]
    types = within >= np.repeat(encoded.first_lengths[chosen], lengths)
    targets = {"labels": torch.from_numpy(encoded.labels[chosen])} if with_labels else {}
    return PackedBatch(
        input_ids=torch.from_numpy(ids.astype(np.int64)),
        token_type_ids=torch.from_numpy(types.astype(np.int64)),
        lengths=tuple(lengths.tolist()),
        indices=torch.from_numpy(encoded.rows[chosen]),
        targets=targets,
    )


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
        encoded: the training split; every row labelled.
        batch_size: B, examples of a micro-batch.
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
        encoded: EncodedTask,
        batch_size: int,
        *,
        accumulate: int = 1,
        rank: int = 0,
        world_size: int = 1,
        seed: int,
        max_steps: int,
    ) -> None:
        if len(encoded) == 0 or not encoded.is_labelled:
            raise ValueError("training needs rows, and a label on each")
        self.encoded = encoded
        self.batch_size = batch_size
        self.accumulate = accumulate
        self.rank = rank
        self.world_size = world_size
        self.max_steps = max_steps
        self._stream = ExampleStream(_SameSize(len(encoded)), seed=seed)

    def __len__(self) -> int:
        return self.max_steps

    def __getitem__(self, step: int) -> list[PackedBatch]:
        if not 0 <= step < self.max_steps:
            raise IndexError(f"step {step} of {self.max_steps}")
        starts = micro_batch_starts(
            step, batch_size=self.batch_size, accumulate=self.accumulate, rank=self.rank, world_size=self.world_size
        )
        return [self._micro_batch(start) for start in starts]

    def _micro_batch(self, start: int) -> PackedBatch:
        runs = self._stream.take(start, self.batch_size)
        return pack(self.encoded, np.concatenate([examples for _, examples in runs]), with_labels=True)


class EvaluationBatches:
    """Batches of a split for scoring or predicting, each row once, made when they are asked for.

    Args:
        encoded: the split. Unless every row is labelled, no batch has labels.
        groups: rows of each batch.
    """

    def __init__(self, encoded: EncodedTask, groups: list[np.ndarray]) -> None:
        self.encoded = encoded
        self.groups = groups
        self._with_labels = encoded.is_labelled

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, number: int) -> PackedBatch:
        return pack(self.encoded, self.groups[number], with_labels=self._with_labels)


def evaluation_batches(
    encoded: EncodedTask, *, max_tokens: int, rank: int = 0, world_size: int = 1
) -> EvaluationBatches:
    """Group a split into batches of rows of similar length, the longest first.

    Args:
        encoded: the split.
        max_tokens: most tokens of a batch; a longer row is a batch of its own.
        rank: number of this process.
        world_size: number of processes; each takes every world-th batch. Leave both alone where the caller divides the
            batches itself, as `training.evaluation.evaluate` does.

    Returns:
        A sequence of batches; ``indices`` say which rows they hold.
    """
    groups = plan_token_batches(encoded.lengths.tolist(), max_tokens=max_tokens)
    return EvaluationBatches(encoded, groups[rank::world_size])
