"""A paired test says what scipy's permutation test and a binomial test say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, permutation_test

from albert_cli.metrics.paired import paired_test


def test_agrees_with_the_exact_sign_test_of_single_answers():
    before = np.array([1] * 40 + [0] * 20, float)
    after = before.copy()
    after[:3] = 0
    after[40:54] = 1
    found = paired_test(before, after)
    assert (found.better, found.worse, found.rows) == (14, 3, 60)
    assert found.difference == pytest.approx(11 / 60)
    # Swapping answers of 17 rows that differ is tossing 17 coins (McNemar's exact test).
    assert found.p_value == pytest.approx(binomtest(3, 17).pvalue, abs=0.006)
    assert found.low < found.difference < found.high


def test_agrees_with_scipy_on_values_of_any_size():
    draw = np.random.default_rng(1)
    before = draw.random(50)
    after = before + draw.normal(0.03, 0.1, 50)
    oracle = permutation_test(
        (after, before), lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples", n_resamples=10_000,
        rng=np.random.default_rng(2), vectorized=True,
    )  # fmt: skip
    assert paired_test(before, after).p_value == pytest.approx(oracle.pvalue, abs=0.02)


def test_the_same_answers_are_no_difference():
    found = paired_test([0.5, 1.0, 0.0], [0.5, 1.0, 0.0])
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_other_rows_are_refused():
    with pytest.raises(ValueError, match="to compare"):
        paired_test([1.0], [1.0, 0.0])
