"""How sure was a classifier of texts, how long were they, and which classes did it confuse?

Shapes: N rows, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from albert_cli.data.tasks.spec import TaskSpec
from albert_cli.stages.tasks.facts import Classes, Facts, word_counts

_LEAST_SHARE = 1e-7  # saved probabilities have six decimals


def text_facts(
    spec: TaskSpec, rows: Any, labels: np.ndarray, predictions: np.ndarray, shares: np.ndarray | None
) -> Facts:
    """Facts about the answers to texts.

    Args:
        spec: the task.
        rows: ``datasets.Dataset`` of the split.
        labels: (N,) classes or numbers, or (N, C) of 0 and 1.
        predictions: in the same form.
        shares: (N, C) probabilities of the classes; None where there are none.

    Returns:
        Confidence of a class is its probability; of a label that may or may not apply, that of the decision about it.
    """
    lengths = word_counts(
        rows.select_columns([name for name in ("text", "text_pair") if name in rows.features]), "text", "text_pair"
    )
    if spec.kind == "regression":
        return Facts(lengths, np.asarray((predictions - labels) ** 2, dtype=np.float64), "squared error")
    right = np.asarray(predictions == labels)
    if spec.kind == "multi-label":
        whole = np.asarray(right.all(axis=-1), dtype=np.float64)
        sure = None if shares is None else np.maximum(shares, 1.0 - shares).ravel()
        return Facts(lengths, whole, "exact match", sure, None if sure is None else right.ravel())
    sure = None if shares is None else shares[np.arange(len(labels)), predictions]
    names = tuple(rows.features["label"].names)
    classes = Classes(names, labels.astype(np.int64), predictions.astype(np.int64))
    return Facts(lengths, right.astype(np.float64), "accuracy", sure, None if sure is None else right, classes)


def logits_of(spec: TaskSpec, shares: np.ndarray) -> np.ndarray:
    """(N, C) float32 logits that give these probabilities; what was rounded to 0 is taken to be very small."""
    safe = np.clip(shares, _LEAST_SHARE, 1.0 - _LEAST_SHARE)
    logits = np.log(safe) - np.log1p(-safe) if spec.kind == "multi-label" else np.log(safe)
    return np.asarray(logits, dtype=np.float32)
