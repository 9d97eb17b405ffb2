"""How many questions are answered rightly, of all and of each part?

Shapes: N questions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from albert_cli.metrics.classification import Array, accuracy


def choice_accuracy(
    predictions: Sequence[int] | Array, references: Sequence[int] | Array, subsets: Sequence[str] = ()
) -> dict[str, float]:
    """Accuracy of multiple choice, as a fraction of 1.

    Args:
        predictions: (N,) numbers of the choices that were taken.
        references: (N,) numbers of the right ones.
        subsets: (N,) part of the data that each question belongs to ("middle", "high"), empty for none; or nothing.

    Returns:
        ``accuracy`` of all questions, and ``accuracy_<part>`` of each part, in the order of their names.

    Raises:
        ValueError: no questions, or different numbers of them.
    """
    predicted, true = np.asarray(predictions), np.asarray(references)
    if predicted.shape != true.shape or predicted.ndim != 1:
        raise ValueError(f"{predicted.shape} predictions for {true.shape} references")
    if len(true) == 0:
        raise ValueError("no questions to score")
    scores = {"accuracy": float(accuracy(predicted, true))}
    for name, rows in rows_by_subset(subsets, size=len(true)).items():
        scores[f"accuracy_{name}"] = float(accuracy(predicted[rows], true[rows]))
    return scores


def rows_by_subset(subsets: Sequence[str], *, size: int) -> dict[str, np.ndarray]:
    """Row numbers of each part, in the order of their names; questions of no part are in none.

    Args:
        subsets: (N,) part of each question, or nothing.
        size: N.

    Raises:
        ValueError: another number of parts than questions.
    """
    if not len(subsets):
        return {}
    if len(subsets) != size:
        raise ValueError(f"{len(subsets)} subsets for {size} questions")
    names = np.asarray(subsets, dtype=object)
    return {str(name): np.flatnonzero(names == name) for name in sorted(set(subsets)) if name}
