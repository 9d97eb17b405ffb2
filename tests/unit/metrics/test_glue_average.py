"""The benchmark's average of nine tasks."""

from __future__ import annotations

import math

import pytest

from albert_cli.metrics.glue_average import BENCHMARK, glue_average

# Nine tasks whose scores are easy to average by hand.
SCORES = {
    "cola": {"dev": {"matthews_correlation": 0.6, "accuracy": 0.8}},
    "sst2": {"dev": {"accuracy": 0.9}},
    "mrpc": {"dev": {"accuracy": 0.8, "f1": 0.9, "combined_score": 0.85}},
    "stsb": {"dev": {"pearson": 0.9, "spearmanr": 0.8, "combined_score": 0.85, "mse": 0.3}},
    "qqp": {"dev": {"accuracy": 0.9, "f1": 0.7, "combined_score": 0.8}},
    "mnli": {"dev_matched": {"accuracy": 0.8}, "dev_mismatched": {"accuracy_mm": 0.7}},
    "qnli": {"dev": {"accuracy": 0.9}},
    "rte": {"dev": {"accuracy": 0.7}},
    "wnli": {"dev": {"accuracy": 0.5}},
}


def test_tasks_are_averaged_before_the_benchmark_is():
    found = glue_average(SCORES)
    assert found.tasks == pytest.approx(
        {
            "cola": 0.6,
            "sst2": 0.9,
            "mrpc": 0.85,
            "stsb": 0.85,
            "qqp": 0.8,
            "mnli": 0.75,
            "qnli": 0.9,
            "rte": 0.7,
            "wnli": 0.5,
        }
    )
    assert found.value == pytest.approx((0.6 + 0.9 + 0.85 + 0.85 + 0.8 + 0.75 + 0.9 + 0.7 + 0.5) / 9)
    assert found.missing == ()


def test_what_is_missing_is_said_and_what_is_no_task_of_it_does_not_count():
    found = glue_average(
        {"sst2": SCORES["sst2"], "wnli": SCORES["wnli"], "ax": {"test": {"matthews_correlation": 0.1}}}
    )
    assert found.value == pytest.approx(0.7)
    assert found.missing == tuple(task for task in BENCHMARK if task not in ("sst2", "wnli"))
    assert math.isnan(glue_average({}).value)
