"""How do breakdowns of a score read: which classes are confused, how sure is it, how long are the rows?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from albert_cli.metrics.breakdown import Confusion, LengthBucket
from albert_cli.metrics.calibration import Calibration
from albert_cli.report.numbers import count
from albert_cli.report.tables import Table

# A wider matrix does not fit a terminal; the most frequent confusions say more then.
MATRIX_CLASSES = 8


def confusion_table(matrix: np.ndarray, names: Sequence[str], *, title: str) -> Table:
    """(C, C) counts with the right classes down and the answers across."""
    rows = [[name, *(count(int(cell)) for cell in cells)] for name, cells in zip(names, matrix, strict=True)]
    columns = ["right \\ said", *names]
    return Table(columns, rows, title=title, numeric=frozenset(range(1, len(columns))))


def confusions_table(found: Sequence[Confusion], *, title: str) -> Table:
    """The most frequent mistakes, one a line."""
    rows = [[one.truth, one.said, count(one.count), f"{100 * one.share:.1f}"] for one in found]
    return Table(["right", "said", "times", "% of right"], rows, title=title, numeric=frozenset({2, 3}))


def calibration_table(found: Calibration, *, title: str) -> Table:
    """Confidence and share right by bins; empty bins are left out."""
    rows = [
        [f"{one.low:.1f} to {one.high:.1f}", count(one.count), _percent(one.confidence), _percent(one.right)]
        for one in found.bins
        if one.count
    ]
    summary = f"{title}: expected calibration error {100 * found.error:.1f}, Brier score {found.brier:.3f}"
    return Table(["confidence", "answers", "mean %", "right %"], rows, title=summary, numeric=frozenset({1, 2, 3}))


def length_table(found: Sequence[LengthBucket], *, name: str, is_share: bool, title: str) -> Table:
    """Mean of a score by the words of the rows."""
    rows = [
        [
            str(one.low) if one.low == one.high else f"{one.low} to {one.high}",
            count(one.rows),
            _percent(one.value) if is_share else f"{one.value:.4g}",
        ]
        for one in found
    ]
    return Table(["words", "rows", f"{name} %" if is_share else name], rows, title=title, numeric=frozenset({1, 2}))


def _percent(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.1f}"
