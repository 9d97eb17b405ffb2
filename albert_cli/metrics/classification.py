"""How good are predicted classes, label sets or scores?

Every metric takes predictions first and references second, reduces the last axis (the examples) and keeps the axes
before it, so that a thousand resamples of a test set are scored in one call. Fractions run from 0 to 1.

Shapes: ... any leading axes, N examples, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def predictions_from_logits(kind: str, logits: npt.NDArray[np.floating]) -> Array:
    """Turn the outputs of a model's head into predictions.

    Args:
        kind: ``classification``, ``regression`` or ``multi-label``.
        logits: (N, C) float; regression takes (N, 1) or (N,).

    Returns:
        Classification: (N,) int64, the largest logit (the first of equals). Regression: (N,) float64, unclipped, as in
        the original. Multi-label: (N, C) int64 of 0 and 1, 1 where the logit is above 0 (probability above one half).
    """
    if kind == "regression":
        return np.asarray(logits, dtype=np.float64).reshape(len(logits))
    if kind == "multi-label":
        return (np.asarray(logits) > 0).astype(np.int64)
    return np.asarray(np.argmax(logits, axis=-1), dtype=np.int64)


def accuracy(predictions: Array, references: Array) -> Floats:
    """Share of examples whose class is right. (..., N) integers -> (...,)."""
    return np.asarray(np.mean(np.equal(predictions, references), axis=-1), dtype=np.float64)


def confusion_matrix(predictions: Array, references: Array, *, num_classes: int | None = None) -> Integers:
    """Count examples by true and predicted class.

    Args:
        predictions: (..., N) integers from 0.
        references: (..., N) integers from 0.
        num_classes: C; None takes the largest class that occurs, and 2 at least.

    Returns:
        (..., C, C) int64: rows are the true class, columns the predicted one.

    Raises:
        ValueError: a class outside 0..C-1.
    """
    predicted, true = np.asarray(predictions, dtype=np.int64), np.asarray(references, dtype=np.int64)
    if predicted.shape != true.shape:
        raise ValueError(f"predictions have shape {predicted.shape}, references {true.shape}")
    largest = max(int(predicted.max(initial=0)), int(true.max(initial=0)))
    classes = max(largest + 1, 2) if num_classes is None else num_classes
    if largest >= classes or min(int(predicted.min(initial=0)), int(true.min(initial=0))) < 0:
        raise ValueError(f"a class is outside 0..{classes - 1}")
    leading = true.shape[:-1]
    tables = int(np.prod(leading, dtype=np.int64))
    cells = (true * classes + predicted).reshape(tables, true.shape[-1])
    cells = cells + np.arange(tables, dtype=np.int64)[:, None] * classes**2  # a range of cells for each table
    counts = np.bincount(cells.ravel(), minlength=tables * classes**2)
    return counts.reshape(*leading, classes, classes).astype(np.int64)


def binary_f1(predictions: Array, references: Array) -> Floats:
    """F1 of class 1, every other class counting as "not 1"; 0 where nothing is 1. (..., N) integers -> (...,)."""
    positive, true = np.equal(predictions, 1), np.equal(references, 1)
    return _f1(np.sum(positive & true, axis=-1), np.sum(positive, axis=-1), np.sum(true, axis=-1))


def macro_f1(predictions: Array, references: Array, *, num_classes: int | None = None) -> Floats:
    """Mean over classes of each class's F1. (..., N) integers -> (...,).

    Classes that occur neither as prediction nor as reference are left out of the mean, unless ``num_classes`` is given:
    then every one of the C classes counts, absent ones as 0.
    """
    matrix = confusion_matrix(predictions, references, num_classes=num_classes)
    right = np.diagonal(matrix, axis1=-2, axis2=-1)
    predicted, true = matrix.sum(axis=-2), matrix.sum(axis=-1)
    scores = _f1(right, predicted, true)
    counted = (predicted + true > 0) if num_classes is None else np.ones_like(scores, dtype=bool)
    return np.asarray(np.sum(scores * counted, axis=-1) / np.maximum(np.sum(counted, axis=-1), 1))


def micro_f1(predictions: Array, references: Array) -> Floats:
    """F1 of all decisions together; with one class per example it equals the accuracy. (..., N) integers -> (...,)."""
    return accuracy(predictions, references)


def matthews_correlation(predictions: Array, references: Array, *, num_classes: int | None = None) -> Floats:
    """Matthews correlation for any number of classes; 0 where the denominator is 0. (..., N) integers -> (...,)."""
    matrix = confusion_matrix(predictions, references, num_classes=num_classes).astype(np.float64)
    predicted, true = matrix.sum(axis=-2), matrix.sum(axis=-1)  # (..., C)
    right, total = np.trace(matrix, axis1=-2, axis2=-1), matrix.sum(axis=(-2, -1))
    covariance = right * total - np.sum(predicted * true, axis=-1)
    spread = (total**2 - np.sum(predicted**2, axis=-1)) * (total**2 - np.sum(true**2, axis=-1))
    return np.asarray(np.divide(covariance, np.sqrt(spread), out=np.zeros_like(covariance), where=spread > 0))


def exact_match(predictions: Array, references: Array) -> Floats:
    """Share of examples whose whole label set is right. (..., N, C) of 0 and 1 -> (...,)."""
    return np.asarray(np.mean(np.all(np.equal(predictions, references), axis=-1), axis=-1), dtype=np.float64)


def multilabel_micro_f1(predictions: Array, references: Array) -> Floats:
    """F1 over all (example, label) decisions together. (..., N, C) of 0 and 1 -> (...,)."""
    chosen, true = np.equal(predictions, 1), np.equal(references, 1)
    axes = (-2, -1)
    return _f1(np.sum(chosen & true, axis=axes), np.sum(chosen, axis=axes), np.sum(true, axis=axes))


def multilabel_macro_f1(predictions: Array, references: Array) -> Floats:
    """Mean over labels of each label's F1, a label that never occurs counting 0. (..., N, C) of 0 and 1 -> (...,)."""
    chosen, true = np.equal(predictions, 1), np.equal(references, 1)
    scores = _f1(np.sum(chosen & true, axis=-2), np.sum(chosen, axis=-2), np.sum(true, axis=-2))  # (..., C)
    return np.asarray(np.mean(scores, axis=-1))


def _f1(right: Array, predicted: Array, true: Array) -> Floats:
    """2 x right / (predicted + true), and 0 where both are 0."""
    total = np.asarray(predicted + true, dtype=np.float64)
    return np.asarray(np.divide(2.0 * right, total, out=np.zeros_like(total), where=total > 0))
