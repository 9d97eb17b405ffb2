"""Where is a model good and where bad: by length of the rows, and which classes does it take for which?

Shapes: N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from albert_cli.metrics.classification import Array


@dataclass(frozen=True)
class LengthBucket:
    """Rows of similar length.

    Attributes:
        low: the shortest length in it.
        high: the longest.
        rows: how many.
        value: mean of what was measured of its rows.
    """

    low: int
    high: int
    rows: int
    value: float


@dataclass(frozen=True)
class Confusion:
    """A mistake between two classes.

    Attributes:
        truth: name of the right class.
        said: name of the class that was answered.
        count: how often.
        share: of all answers whose right class is ``truth``.
    """

    truth: str
    said: str
    count: int
    share: float


def length_buckets(
    lengths: Sequence[int] | Array, values: Sequence[float] | Array, *, most: int = 5
) -> list[LengthBucket]:
    """Mean value by length, in buckets of about as many rows each.

    Args:
        lengths: (N,) of the rows.
        values: (N,) what was measured of each row; NaN is left out of the mean.
        most: buckets at most; rows of one length stay together, so there may be fewer.

    Raises:
        ValueError: no rows, or different numbers of them.
    """
    long, value = np.asarray(lengths, dtype=np.int64), np.asarray(values, dtype=np.float64)
    if long.shape != value.shape or long.ndim != 1 or len(long) == 0:
        raise ValueError(f"{value.shape} values for {long.shape} lengths")
    ends = np.unique(np.quantile(long, np.arange(1, most + 1) / most, method="lower"))
    place = np.searchsorted(ends, long)  # (N,) first bucket whose end is not below
    found = []
    for number in range(len(ends)):
        mine = place == number
        if mine.any():
            known = value[mine & ~np.isnan(value)]
            mean = float(known.mean()) if len(known) else float("nan")
            found.append(LengthBucket(int(long[mine].min()), int(long[mine].max()), int(mine.sum()), mean))
    return found


def confusions(matrix: Array, names: Sequence[str], *, limit: int) -> list[Confusion]:
    """The most frequent mistakes of a confusion matrix.

    Args:
        matrix: (C, C) counts, rows are the true class, columns the answer.
        names: of the classes.
        limit: mistakes at most; ties in the order of the classes.
    """
    wrong = np.array(matrix, dtype=np.int64)
    of_truth = np.maximum(wrong.sum(axis=1), 1)
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong.ravel(), kind="stable")[:limit]
    cells = [divmod(int(cell), len(names)) for cell in order]
    return [
        Confusion(names[true], names[said], int(wrong[true, said]), float(wrong[true, said] / of_truth[true]))
        for true, said in cells
        if wrong[true, said]
    ]
