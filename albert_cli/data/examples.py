"""What do training and evaluation need of an encoded split, whatever its task?

Shapes: N examples of the split, B examples of a batch.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from albert_cli.data.batching import PackedBatch


class Examples(Protocol):
    """A split as token ids: rows of text, windows of a long text, or questions with their choices."""

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(N,) tokens that each example costs, all of its sequences together."""
        ...

    @property
    def is_labelled(self) -> bool:
        """Whether every example has a label."""
        ...

    @property
    def truncated_fraction(self) -> float:
        """Share of the examples that lost tokens."""
        ...

    def __len__(self) -> int:
        """N."""
        ...

    def pack(self, chosen: np.ndarray, *, with_labels: bool) -> PackedBatch:
        """Lay examples one after another.

        Args:
            chosen: (B,) int64, numbers of examples; they become the batch's ``indices``.
            with_labels: whether ``targets`` holds what the objective compares with.
        """
        ...

    def fingerprint(self) -> str:
        """Changes when any id or label of the split does."""
        ...
