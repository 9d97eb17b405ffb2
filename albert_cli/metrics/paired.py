"""Is one model better than another on the same rows, or does it only look so?

Shapes: N rows, R resamples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_DRAWS_AT_ONCE = 2**21


@dataclass(frozen=True)
class PairedTest:
    """The difference between two models on the same rows.

    Attributes:
        difference: mean of the second less mean of the first.
        low: lower end of its 95 % percentile bootstrap interval over rows.
        high: upper end.
        p_value: two-sided, of the permutation test that swaps the two answers to a row at random.
        rows: N.
        better: rows on which the second is better.
        worse: rows on which it is worse.
    """

    difference: float
    low: float
    high: float
    p_value: float
    rows: int
    better: int
    worse: int


def paired_test(first: npt.ArrayLike, second: npt.ArrayLike, *, resamples: int = 10_000, seed: int = 0) -> PairedTest:
    """Compare two models row by row.

    The permutation test is Fisher's, with ``resamples`` random swaps of signs; the observed difference counts as one of
    them, so ``p_value`` is never 0.

    Args:
        first: (N,) worth of the first model's answers, the larger the better.
        second: (N,) of the second model's answers to the same rows.
        resamples: R.
        seed: of the draws; the same seed gives the same result.

    Raises:
        ValueError: no rows, or another number of them.
    """
    before, after = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if before.shape != after.shape or before.ndim != 1 or len(before) == 0:
        raise ValueError(f"{before.shape} and {after.shape} values to compare")
    gain = after - before
    mean = float(gain.mean())
    draw = np.random.Generator(np.random.Philox(seed))
    drawn, swapped = np.empty(resamples), np.empty(resamples)
    block = max(1, _DRAWS_AT_ONCE // len(gain))
    for start in range(0, resamples, block):
        part = slice(start, min(start + block, resamples))
        shape = (part.stop - part.start, len(gain))
        drawn[part] = gain[draw.integers(len(gain), size=shape)].mean(axis=1)
        swapped[part] = np.where(draw.integers(2, size=shape, dtype=np.int8), gain, -gain).mean(axis=1)
    # Sums of the same numbers in another order differ in their last digits.
    as_far = int(np.count_nonzero(np.abs(swapped) >= abs(mean) - 1e-12))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return PairedTest(
        difference=mean,
        low=float(low),
        high=float(high),
        p_value=(as_far + 1) / (resamples + 1),
        rows=len(gain),
        better=int(np.count_nonzero(gain > 0)),
        worse=int(np.count_nonzero(gain < 0)),
    )
