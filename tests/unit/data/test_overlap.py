"""Examples that occur more than once, within a split and across splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from albert_cli.data.batching import PackedBatch
from albert_cli.data.overlap import digests, overlaps


@dataclass
class _Rows:
    """Examples that are lists of ids."""

    ids: list[list[int]]
    is_labelled: bool = False
    truncated_fraction: float = 0.0

    @property
    def lengths(self) -> np.ndarray:
        return np.array([len(row) for row in self.ids], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.ids)

    def pack(self, chosen: np.ndarray, *, with_labels: bool) -> PackedBatch:
        rows = [self.ids[number] for number in chosen]
        ids = torch.tensor([piece for row in rows for piece in row], dtype=torch.int64)
        lengths = tuple(len(row) for row in rows)
        return PackedBatch(ids, torch.zeros_like(ids), lengths, torch.from_numpy(chosen))

    def fingerprint(self) -> str:
        return ""


def test_what_train_holds_too_is_counted() -> None:
    train = _Rows([[2, 7, 3], [2, 8, 3], [2, 7, 3], [2, 9, 9, 3]])
    dev = _Rows([[2, 8, 3], [2, 9, 3], [2, 7, 3], [2, 7, 3]])
    assert overlaps({"train": train, "dev": dev}) == {
        "train": {"repeated": 1},
        "dev": {"repeated": 1, "in_train": 3},
    }


def test_borders_of_examples_count() -> None:
    # The same tokens one after another, cut elsewhere.
    assert overlaps({"train": _Rows([[2, 7], [8, 3]]), "dev": _Rows([[2, 7, 8], [3]])})["dev"]["in_train"] == 0


def test_many_examples_are_taken_in_parts() -> None:
    rows = _Rows([[2, number // 2, 3] for number in range(3000)])
    found = digests(rows)
    assert len(np.unique(found)) == 1500
    assert (found[0::2] == found[1::2]).all()


def test_without_train_there_is_nothing_to_overlap_with() -> None:
    assert overlaps({"test": _Rows([[2, 3], [2, 3]]), "dev": _Rows([])}) == {
        "test": {"repeated": 1},
        "dev": {"repeated": 0},
    }
