"""What the scores of several seeds say together."""

from __future__ import annotations

import statistics

import pytest

from albert_cli.metrics.stats import mean_interval
from albert_cli.stages.seeds import summarise, summary_table

RUNS = [{"dev": {"accuracy": value, "mse": 1 - value}} for value in (0.80, 0.84, 0.82, 0.90, 0.81)]


def test_scores_are_summed_up_with_the_best_in_their_direction() -> None:
    summary = summarise(RUNS, errors=frozenset({"mse"}))["dev"]
    values = [run["dev"]["accuracy"] for run in RUNS]
    accuracy = summary["accuracy"]
    assert accuracy["mean"] == pytest.approx(statistics.fmean(values))
    assert accuracy["sd"] == pytest.approx(statistics.stdev(values))
    assert accuracy["median"] == 0.82
    assert accuracy["best"] == 0.90
    assert summary["mse"]["best"] == pytest.approx(0.10)


def test_the_interval_of_the_mean_is_the_bootstrap_of_scipy() -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    values = [run["dev"]["accuracy"] for run in RUNS]
    theirs = scipy_stats.bootstrap(
        (values,), lambda x, axis: x.mean(axis=axis), method="percentile", n_resamples=10_000
    )
    ours = mean_interval(values)
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=2e-3)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=2e-3)
    assert mean_interval([0.5]) == type(ours)(0.5, 0.5, 0.95)


def test_people_read_shares_times_a_hundred_and_errors_as_they_are() -> None:
    errors = frozenset({"mse"})
    lines = summary_table(summarise(RUNS, errors=errors), errors=errors, runs=5).text().splitlines()
    assert lines[0] == "5 seeds"
    assert lines[3].split()[:6] == ["dev", "accuracy", "83.40", "3.97", "82.00", "90.00"]
    assert lines[4].split()[:6] == ["dev", "mse", "0.17", "0.04", "0.18", "0.10"]
