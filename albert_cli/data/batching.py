"""What a model computes at once: examples laid one after another, without padding.

Shapes: B examples, T tokens of all examples together, M positions to predict, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class PackedBatch:
    """One micro-batch.

    Attributes:
        input_ids: (T,) int64, the examples one after another.
        token_type_ids: (T,) int64, 0 for the first segment, 1 for the second.
        lengths: tokens of each example, or of each of its sequences where an example is a question with choices; they
            sum to T. Python integers, so that grouping needs no device read.
        indices: (B,) int64, place of each example in its data set.
        targets: what the objective compares with. Classification: ``labels`` (B,) int64, or (B,) / (B, C) float32.
            Pretraining: ``masked_positions`` (M,) int64 into T, ``masked_labels`` (M,) int64, ``shown_as_mask`` (M,)
            bool, ``sentence_order_label`` (B,) int64 (0 in order, 1 swapped). Multiple choice: ``choices`` (B, C)
            int64, the sequences of each question, and ``labels`` (B,).
    """

    input_ids: Tensor
    token_type_ids: Tensor
    lengths: tuple[int, ...]
    indices: Tensor
    targets: dict[str, Tensor] = field(default_factory=dict)

    @property
    def num_tokens(self) -> int:
        """T, the tokens computed; all of them real."""
        return sum(self.lengths)

    def to(self, device: torch.device | str) -> PackedBatch:
        """Copy to a device; pinned host memory is copied without waiting."""
        return PackedBatch(
            input_ids=self.input_ids.to(device, non_blocking=True),
            token_type_ids=self.token_type_ids.to(device, non_blocking=True),
            lengths=self.lengths,
            indices=self.indices.to(device, non_blocking=True),
            targets={name: value.to(device, non_blocking=True) for name, value in self.targets.items()},
        )

    def pin_memory(self) -> PackedBatch:
        """Move to page-locked memory (called by ``DataLoader`` when asked to pin)."""
        return PackedBatch(
            input_ids=self.input_ids.pin_memory(),
            token_type_ids=self.token_type_ids.pin_memory(),
            lengths=self.lengths,
            indices=self.indices.pin_memory(),
            targets={name: value.pin_memory() for name, value in self.targets.items()},
        )


def plan_token_batches(lengths: Sequence[int], *, max_tokens: int) -> list[np.ndarray]:
    """Group examples for evaluation: similar lengths together, at most ``max_tokens`` tokens a group.

    Args:
        lengths: tokens of each example.
        max_tokens: tokens that a group may hold; a longer example makes a group of its own.

    Returns:
        Groups of example numbers, longest examples first, so that running out of memory shows at once. A pure
        function of its arguments.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    groups: list[np.ndarray] = []
    start, used = 0, 0
    for place, example in enumerate(order):
        tokens = int(lengths[example])
        if used and used + tokens > max_tokens:
            groups.append(order[start:place])
            start, used = place, 0
        used += tokens
    if used:
        groups.append(order[start:])
    return groups
