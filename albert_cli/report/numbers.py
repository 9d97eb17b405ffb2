"""How does a number read: separators, digits, units?"""

from __future__ import annotations

import math


def count(value: int | float) -> str:
    """Write a whole number with thousands separators."""
    return f"{round(value):,}"


def loss(value: float) -> str:
    """Write a loss with four significant digits, never in exponent form between 0.0001 and 100,000."""
    if not math.isfinite(value):
        return str(value)
    if value == 0 or 1e-4 <= abs(value) < 1e5:
        digits = 3 if value == 0 else max(0, 3 - math.floor(math.log10(abs(value))))
        return f"{value:.{digits}f}"
    return f"{value:.3e}"


def score(value: float) -> str:
    """Write a score (a share from 0 to 1, or a correlation) times a hundred with one decimal, as papers do."""
    return f"{100 * value:.1f}" if math.isfinite(value) else str(value)


def duration(seconds: float) -> str:
    """Write a time span in its two largest units: ``45 s``, ``3 min 05 s``, ``2 h 07 min``, ``3 d 04 h``."""
    if not math.isfinite(seconds):
        return "unknown"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"


def mebibytes(num_bytes: float) -> str:
    """Write a size in MiB, or GiB from one on."""
    return f"{num_bytes / 2**30:.1f} GiB" if num_bytes >= 2**30 else f"{num_bytes / 2**20:.1f} MiB"


def value(name: str, number: float) -> str:
    """Write a logged number by the kind that its name says: a rate, a learning rate, a share, a loss, a count."""
    if name.endswith("_per_second"):
        return count(number)
    if "learning_rate" in name:
        return f"{number:.2e}"
    if isinstance(number, int) and not isinstance(number, bool):
        return count(number)
    if "accuracy" in name or name.endswith(("_rate", "_fraction", "_share")):
        return f"{score(number)} %"
    return loss(number)
