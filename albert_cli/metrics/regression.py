"""How close are predicted scores to the true ones?

Every metric takes predictions first and references second, reduces the last axis (the examples) and keeps the axes
before it. A correlation with a constant does not exist: it is NaN, and no warning.

Shapes: ... any leading axes, N examples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


def mean_squared_error(predictions: Array, references: Array) -> Floats:
    """Mean of the squared differences. (..., N) floats -> (...,)."""
    return np.asarray(np.mean(np.square(np.subtract(predictions, references, dtype=np.float64)), axis=-1))


def pearson(predictions: Array, references: Array) -> Floats:
    """Linear correlation, -1..1. (..., N) floats -> (...,)."""
    left, right = _centred(predictions), _centred(references)
    spread = np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1)
    covariance = np.sum(left * right, axis=-1)
    correlation = np.divide(covariance, spread, out=np.full_like(spread, np.nan), where=spread > 0)
    return np.asarray(np.clip(correlation, -1.0, 1.0))


def spearman(predictions: Array, references: Array) -> Floats:
    """Correlation of the ranks, ties sharing their mean rank; -1..1. (..., N) floats -> (...,)."""
    return pearson(average_ranks(predictions), average_ranks(references))


def average_ranks(values: Array) -> Floats:
    """Ranks from 1 along the last axis, equal values sharing the mean of their ranks. (..., N) -> (..., N) float64."""
    scores = np.asarray(values, dtype=np.float64)
    order = np.argsort(scores, axis=-1, kind="stable")
    ordered = np.take_along_axis(scores, order, axis=-1)
    places = np.broadcast_to(np.arange(scores.shape[-1]), scores.shape)
    step = ordered[..., 1:] != ordered[..., :-1]
    edge = np.ones((*scores.shape[:-1], 1), dtype=bool)
    begins = np.concatenate([edge, step], axis=-1)  # first of a run of equal values
    ends = np.concatenate([step, edge], axis=-1)  # last of it
    first = np.maximum.accumulate(np.where(begins, places, 0), axis=-1)
    last = np.where(ends, places, scores.shape[-1])[..., ::-1]
    last = np.minimum.accumulate(last, axis=-1)[..., ::-1]
    ranks = np.empty_like(scores)
    np.put_along_axis(ranks, order, (first + last) / 2.0 + 1.0, axis=-1)
    return ranks


def _centred(values: Array) -> Floats:
    scores = np.asarray(values, dtype=np.float64)
    centred = scores - np.mean(scores, axis=-1, keepdims=True)
    # A constant row leaves rounding errors, not zeros; they would correlate with anything.
    constant = np.max(scores, axis=-1, keepdims=True) == np.min(scores, axis=-1, keepdims=True)
    return np.asarray(np.where(constant, 0.0, centred))
