"""How far may a score be trusted, and what would a model without any insight score?

Shapes: R resamples, N examples, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from albert_cli.metrics.classification import Array
from albert_cli.metrics.glue import Metric

# Examples drawn at a time: 2**21 indices are 16 MiB, and the metrics make a few arrays of that size.
_DRAWS_AT_ONCE = 2**21


@dataclass(frozen=True)
class Interval:
    """Where a score lies with the given confidence, if the test set had been drawn anew."""

    low: float
    high: float
    confidence: float


@dataclass(frozen=True)
class SeedSummary:
    """One score over several training runs; ``std`` is the sample standard deviation (0 for one run)."""

    mean: float
    std: float
    median: float
    best: float
    runs: int


def bootstrap_interval(
    metric: Metric,
    predictions: Array,
    references: Array,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a metric over the examples of a test set.

    Args:
        metric: a function of ``metrics.glue.METRICS``; it must keep leading axes.
        predictions: (N,) or (N, C).
        references: the same shape.
        resamples: R, how many test sets of N examples are drawn with replacement.
        confidence: share of the resamples inside the interval.
        seed: of the draws; the same seed gives the same interval.

    Returns:
        The interval; NaN at both ends when the metric does not exist on any resample. Resamples on which it does not
        exist (a correlation of constants) are left out.

    Raises:
        ValueError: no examples, or shapes that differ.
    """
    predicted, true = np.asarray(predictions), np.asarray(references)
    if predicted.shape != true.shape or len(true) == 0:
        raise ValueError(f"{predicted.shape} predictions for {true.shape} references")
    draw = np.random.Generator(np.random.Philox(seed))
    block = max(1, _DRAWS_AT_ONCE // true.size)
    scores = []
    for start in range(0, resamples, block):
        rows = draw.integers(len(true), size=(min(block, resamples - start), len(true)))  # (R', N)
        scores.append(np.atleast_1d(metric(predicted[rows], true[rows])))
    drawn = np.concatenate(scores)
    drawn = drawn[~np.isnan(drawn)]
    if len(drawn) == 0:
        return Interval(float("nan"), float("nan"), confidence)
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(drawn, [tail, 1.0 - tail])
    return Interval(float(low), float(high), confidence)


def mean_interval(values: Sequence[float], *, resamples: int = 10_000, confidence: float = 0.95) -> Interval:
    """Percentile bootstrap interval of the mean of a few runs; with one run both ends are its value.

    Args:
        values: one score of each run.
        resamples: how many sets of as many runs are drawn with replacement; the draws are always the same.
        confidence: share of the resamples inside the interval.
    """
    runs = np.asarray(values, dtype=np.float64)
    if len(runs) == 0:
        raise ValueError("no runs")
    chosen = np.random.Generator(np.random.Philox(0)).integers(len(runs), size=(resamples, len(runs)))  # (R, runs)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(runs[chosen].mean(axis=-1), tails)
    return Interval(float(low), float(high), confidence)


def majority_share(references: Array) -> float:
    """Accuracy of always answering the most frequent class; (N,) integers."""
    if len(references) == 0:
        raise ValueError("no examples")
    return float(np.max(np.unique(references, return_counts=True)[1]) / len(references))


def summarise_seeds(scores: Sequence[float], *, smaller_is_better: bool = False) -> SeedSummary:
    """Mean, spread, median and best of one score over runs that differ in the seed only."""
    values = np.asarray(scores, dtype=np.float64)
    if len(values) == 0:
        raise ValueError("no runs")
    return SeedSummary(
        mean=float(values.mean()),
        std=float(values.std(ddof=1)) if len(values) > 1 else 0.0,
        median=float(np.median(values)),
        best=float(values.min() if smaller_is_better else values.max()),
        runs=len(values),
    )
