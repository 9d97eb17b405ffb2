"""May a model's confidence be believed? Of the answers given with 80 %, are 80 % right?

Shapes: N answers (rows, or words of tagged sentences).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from albert_cli.metrics.classification import Array


@dataclass(frozen=True)
class CalibrationBin:
    """Answers of similar confidence.

    Attributes:
        low: least confidence of the bin (not included, but for 0).
        high: largest confidence of the bin (included).
        count: answers in it.
        confidence: their mean confidence; NaN where there are none.
        right: share of them that is right; NaN where there are none.
    """

    low: float
    high: float
    count: int
    confidence: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """How confidence and correctness agree.

    Attributes:
        error: expected calibration error: mean distance of confidence and share right over the bins, by their answers.
        largest: the largest such distance.
        brier: mean squared distance of an answer's confidence from 1 (right) or 0 (wrong).
        bins: of equal width, from 0 to 1.
    """

    error: float
    largest: float
    brier: float
    bins: tuple[CalibrationBin, ...]


def calibration(confidence: Sequence[float] | Array, right: Sequence[bool] | Array, *, bins: int = 10) -> Calibration:
    """Compare confidence with correctness (Guo et al. 2017, expected calibration error with bins of equal width).

    Args:
        confidence: (N,) probability that the model gives its own answer, 0 to 1.
        right: (N,) whether the answer is right.
        bins: number of bins.

    Raises:
        ValueError: no answers, different numbers of them, or a confidence that is no probability.
    """
    sure, hit = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if sure.shape != hit.shape or sure.ndim != 1 or len(sure) == 0:
        raise ValueError(f"{hit.shape} answers for {sure.shape} confidences")
    if not ((sure >= 0) & (sure <= 1)).all():
        raise ValueError("a confidence is outside 0..1")
    place = np.clip(np.ceil(sure * bins).astype(np.int64) - 1, 0, bins - 1)  # right-closed bins
    count = np.bincount(place, minlength=bins)
    total = np.maximum(count, 1)
    mean_sure = np.bincount(place, sure, bins) / total
    mean_hit = np.bincount(place, hit, bins) / total
    gap = np.abs(mean_sure - mean_hit)
    rows = tuple(
        CalibrationBin(
            number / bins,
            (number + 1) / bins,
            int(count[number]),
            float(mean_sure[number]) if count[number] else float("nan"),
            float(mean_hit[number]) if count[number] else float("nan"),
        )
        for number in range(bins)
    )
    return Calibration(
        error=float(np.sum(gap * count) / len(sure)),
        largest=float(gap[count > 0].max()),
        brier=float(np.mean((sure - hit) ** 2)),
        bins=rows,
    )
