"""Intervals and baselines."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as oracle

from albert_cli.metrics.glue import METRICS
from albert_cli.metrics.stats import bootstrap_interval, majority_share, summarise_seeds


def _answers(size: int = 400, right: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    true = draw.integers(0, 2, size)
    return np.where(draw.random(size) < right, true, 1 - true), true


def test_interval_is_a_function_of_the_seed():
    predicted, true = _answers()
    first, again, other = (bootstrap_interval(METRICS["f1"], predicted, true, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_interval_of_an_accuracy_agrees_with_the_binomial():
    predicted, true = _answers()
    share, size = np.mean(predicted == true), len(true)
    interval = bootstrap_interval(METRICS["accuracy"], predicted, true, resamples=4000)
    low, high = oracle.binom.ppf([0.025, 0.975], size, share) / size
    assert interval.low == pytest.approx(low, abs=0.006)
    assert interval.high == pytest.approx(high, abs=0.006)


@pytest.mark.parametrize("name", ["matthews_correlation", "pearson", "spearmanr", "macro_f1"])
def test_interval_holds_the_score(name):
    predicted, true = _answers()
    interval = bootstrap_interval(METRICS[name], predicted, true, resamples=300)
    assert interval.low < float(METRICS[name](predicted, true)) < interval.high


def test_blocks_of_resamples_do_not_change_the_draws(monkeypatch):
    predicted, true = _answers(50)
    whole = bootstrap_interval(METRICS["accuracy"], predicted, true, resamples=40)
    monkeypatch.setattr("albert_cli.metrics.stats._DRAWS_AT_ONCE", 150)
    assert bootstrap_interval(METRICS["accuracy"], predicted, true, resamples=40) == whole


def test_label_sets_are_resampled_by_example():
    predicted = np.eye(3, dtype=int)
    interval = bootstrap_interval(METRICS["exact_match"], predicted, predicted, resamples=20)
    assert (interval.low, interval.high) == (1.0, 1.0)


def test_score_that_never_exists_has_no_interval():
    interval = bootstrap_interval(METRICS["pearson"], np.ones(5), np.arange(5.0), resamples=20)
    assert math.isnan(interval.low)


def test_interval_of_nothing_is_refused():
    with pytest.raises(ValueError, match="predictions for"):
        bootstrap_interval(METRICS["accuracy"], np.array([]), np.array([]))


def test_majority_share():
    assert majority_share(np.array([0, 1, 1, 2])) == 0.5
    with pytest.raises(ValueError, match="no examples"):
        majority_share(np.array([]))


def test_summary_over_seeds():
    summary = summarise_seeds([0.5, 0.7, 0.9])
    assert (summary.mean, summary.median, summary.best, summary.runs) == pytest.approx((0.7, 0.7, 0.9, 3))
    assert summary.std == pytest.approx(np.std([0.5, 0.7, 0.9], ddof=1))
    assert summarise_seeds([2.0, 1.0], smaller_is_better=True).best == 1.0
    assert summarise_seeds([2.0]).std == 0.0
    with pytest.raises(ValueError, match="no runs"):
        summarise_seeds([])
