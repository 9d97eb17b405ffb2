"""How sure was a classifier of texts, how long were they, and which classes did it confuse?

Shapes: N rows, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from albert_cli.data.tasks.spec import TaskSpec
from albert_cli.metrics.baselines import bag_of_words_accuracy, bag_of_words_similarity
from albert_cli.metrics.regression import pearson
from albert_cli.stages.tasks.facts import Classes, Facts, word_counts
from albert_cli.stages.tasks.protocol import Baseline

_MOST_ROWS = 200_000  # to count words in; more take longer than the number is worth
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


def word_baseline(spec: TaskSpec, train: Any, rows: Any) -> Baseline | None:
    """What words alone score: naive Bayes for classes, the cosine of word counts for numbers of pairs.

    Args:
        spec: the task.
        train: rows to count words in; None where there are none.
        rows: labelled ones to score.
    """
    pairs = "text_pair" in rows.features
    if spec.kind == "regression" and pairs:
        texts = rows[:]
        found = pearson(bag_of_words_similarity(texts["text"], texts["text_pair"]), np.asarray(texts["label"]))
        return Baseline("similarity of the words of both texts", "pearson", float(found))
    if spec.kind != "classification" or train is None or len(train) > _MOST_ROWS:
        return None
    value = bag_of_words_accuracy(*_bags(train), *_bags(rows))
    return Baseline("naive Bayes on words", "accuracy", value)


def _bags(rows: Any) -> tuple[list[str], list[str]]:
    columns = rows[:]
    seconds = columns.get("text_pair") or [""] * len(rows)
    texts = [f"{first} {second}" for first, second in zip(columns["text"], seconds, strict=True)]
    return texts, [str(label) for label in columns["label"]]


def logits_of(spec: TaskSpec, shares: np.ndarray) -> np.ndarray:
    """(N, C) float32 logits that give these probabilities; what was rounded to 0 is taken to be very small."""
    safe = np.clip(shares, _LEAST_SHARE, 1.0 - _LEAST_SHARE)
    logits = np.log(safe) - np.log1p(-safe) if spec.kind == "multi-label" else np.log(safe)
    return np.asarray(logits, dtype=np.float32)
