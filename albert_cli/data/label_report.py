"""What will training on a task see: which labels how often, how long are the rows, how many are cut?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from albert_cli.data.features import EncodedTask, labelled_rows

_BIN = 16


def label_report(encoded: EncodedTask, *, label_names: Sequence[str]) -> dict[str, Any]:
    """Numbers of one split, for `albert data inspect`.

    Args:
        encoded: the split.
        label_names: classes in order; empty for regression.

    Returns:
        ``examples``; ``labels``: rows by class name (multi-label: by each class they have), or ``min``, ``mean``,
        ``max``, ``std`` of scores; ``unlabelled``; ``truncated_fraction``; ``tokens``; ``length_histogram``:
        rows by the largest length of their bin of 16 tokens; ``longest`` and ``mean_length`` in tokens;
        ``pair_fraction``.
    """
    labelled = labelled_rows(encoded.labels)
    lengths = encoded.lengths
    return {
        "examples": len(encoded),
        "labels": _counts(encoded.labels[labelled], label_names),
        "unlabelled": int(np.sum(~labelled)),
        "truncated_fraction": encoded.truncated_fraction,
        "tokens": int(lengths.sum()),
        "length_histogram": length_histogram(lengths),
        "longest": int(lengths.max(initial=0)),
        "mean_length": float(lengths.mean()) if len(encoded) else 0.0,
        "pair_fraction": float(np.mean(encoded.first_lengths < lengths)) if len(encoded) else 0.0,
    }


def length_histogram(lengths: np.ndarray) -> dict[str, int]:
    """Rows by length; the key is the largest length of the bin (16, 32, ...), empty bins between are there."""
    counts = np.bincount((np.asarray(lengths) + _BIN - 1) // _BIN)
    first = int(np.argmax(counts > 0)) if len(counts) else 0
    return {str(number * _BIN): int(counts[number]) for number in range(first, len(counts))}


def _counts(labels: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    if not names:
        if len(labels) == 0:
            return {}
        scores = {"min": labels.min(), "mean": labels.mean(), "max": labels.max(), "std": labels.std()}
        return {name: float(value) for name, value in scores.items()}
    counts = labels.sum(axis=0) if labels.ndim == 2 else np.bincount(labels, minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True)}
