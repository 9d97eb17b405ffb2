"""What will training on a task see: which labels how often, how long are the rows, how many are cut?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from albert_cli.data.examples import Examples
from albert_cli.data.features import labelled_rows

_BIN = 16


def split_report(examples: Examples, *, num_rows: int, labels: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers of one split, for `albert data inspect`.

    Args:
        examples: the split, encoded.
        num_rows: rows of the split; a row of a long text is several examples.
        labels: how often each label occurs.

    Returns:
        ``examples``, ``labels``, ``truncated_fraction``, ``windows_per_example``, ``tokens``, ``length_histogram``
        (examples by the largest length of their bin of 16 tokens), ``longest`` and ``mean_length`` in tokens.
    """
    lengths = examples.lengths
    return {
        "examples": num_rows,
        "labels": dict(labels),
        "truncated_fraction": examples.truncated_fraction,
        "windows_per_example": len(examples) / num_rows if num_rows else 0.0,
        "tokens": int(lengths.sum()),
        "length_histogram": length_histogram(lengths),
        "longest": int(lengths.max(initial=0)),
        "mean_length": float(lengths.mean()) if len(lengths) else 0.0,
    }


def length_histogram(lengths: np.ndarray) -> dict[str, int]:
    """Rows by length; the key is the largest length of the bin (16, 32, ...), empty bins between are there."""
    counts = np.bincount((np.asarray(lengths) + _BIN - 1) // _BIN)
    first = int(np.argmax(counts > 0)) if len(counts) else 0
    return {str(number * _BIN): int(counts[number]) for number in range(first, len(counts))}


def count_labels(labels: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """Count what `data.features.EncodedTask` holds as labels; rows without one are left out.

    Args:
        labels: (N,) class numbers or scores, or (N, C) of 0 and 1.
        names: C classes in order; empty for scores.

    Returns:
        Rows by class name (multi-label: by each class they have), or ``min``, ``mean``, ``max`` and ``std`` of scores.
    """
    labels = labels[labelled_rows(labels)]
    if not names:
        if len(labels) == 0:
            return {}
        scores = {"min": labels.min(), "mean": labels.mean(), "max": labels.max(), "std": labels.std()}
        return {name: float(value) for name, value in scores.items()}
    counts = labels.sum(axis=0) if labels.ndim == 2 else np.bincount(labels, minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True)}
