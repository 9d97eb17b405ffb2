"""Has a model stopped looking at its input? The known way in which fine-tuning a large ALBERT fails.

A collapsed model gives every row the same answer, and its loss is that of a guess which knows only how frequent each
label is. Both signs must be there where both can be read: a model that names the most frequent class at first may
still be learning, and its loss shows it. A run is collapsed when its best evaluation is.

Shapes: N rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# Share of the loss of a guess from which a loss counts as no better than that guess.
_AT_CHANCE = 0.95
# Numbers that differ by less than this share of the labels' own spread count as one answer.
_ONE_NUMBER = 0.02

REMEDY = (
    "lower train.learning_rate (1e-5 or less for large and bigger), warm up over a tenth of the steps, keep "
    "train.dropout at 0, or let train.restarts=2 try other seeds"
)


def sign_of_collapse(records: Sequence[Mapping[str, Any]], labels: Mapping[str, Any], loss: float) -> str | None:
    """Look for the signs in the answers to a labelled split.

    Args:
        records: N answers, each with its ``prediction``.
        labels: how often each label occurs (``label_counts`` of the task), or what is known of numbers.
        loss: mean loss of the split.

    Returns:
        What was seen, for people to read; None for a model that is alive, and where the labels are all alike.
    """
    predictions = [record["prediction"] for record in records]
    guess, spread = _chance(labels, predictions)
    if guess == 0.0 or len(records) < 2:
        return None  # nothing to tell apart
    if all("choice" in record and _are_even(record.get("scores")) for record in records):
        seen = "all choices of a question have the same score"
    else:
        answer = _only_answer(predictions, spread)
        if answer is None:
            return None
        seen = f"every row is answered {answer}"
    if guess is not None and loss < _AT_CHANCE * guess:
        return None
    return seen if guess is None else f"{seen}, and the loss {loss:.4g} is that of a guess ({guess:.4g})"


def _chance(labels: Mapping[str, Any], predictions: Sequence[Any]) -> tuple[float | None, float]:
    """Loss of the best guess without looking, None if it cannot be told; and the labels' spread if they are numbers."""
    if "std" in labels and "mean" in labels:
        spread = float(labels["std"])
        return spread**2, spread
    counts = [count for count in labels.values() if count]
    are_classes = all(not isinstance(said, list) and str(said) in labels for said in predictions)
    if not are_classes or sum(counts) != len(predictions):
        return None, 0.0
    return -sum(count / len(predictions) * math.log(count / len(predictions)) for count in counts), 0.0


def _are_even(scores: Any) -> bool:
    """Whether the choices of a question are all the same to a model."""
    shares = list(scores.values() if isinstance(scores, Mapping) else scores or ())
    return bool(shares) and max(shares) - min(shares) <= _ONE_NUMBER


def _only_answer(predictions: Sequence[Any], spread: float) -> str | None:
    """The answer that all rows got; None if they differ."""
    first = predictions[0]
    if isinstance(first, float):
        numbers = np.asarray(predictions, dtype=np.float64)
        same = not np.isfinite(numbers).all() or numbers.std() <= _ONE_NUMBER * spread
        return f"{numbers.mean():.4g}" if same else None
    if all(prediction == first for prediction in predictions):
        return repr(first)
    if all(isinstance(prediction, list) and prediction for prediction in predictions):  # tags of sentences
        found = {repr(tag) for prediction in predictions for tag in prediction}
        return found.pop() if len(found) == 1 else None
    return None
