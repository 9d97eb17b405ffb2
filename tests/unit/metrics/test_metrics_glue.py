"""What each task reports."""

from __future__ import annotations

import math

import numpy as np
import pytest

from albert_cli.metrics.glue import TASK_METRICS, compute_metrics

RIGHT, ANSWERS = np.array([1, 0, 1, 1]), np.array([1, 1, 1, 0])


def test_official_names_of_the_glue_tasks():
    names = {task: TASK_METRICS[task].names for task in ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli")}
    assert names == {
        "cola": ("matthews_correlation", "accuracy"),
        "sst2": ("accuracy",),
        "mrpc": ("accuracy", "f1", "combined_score"),
        "stsb": ("pearson", "spearmanr", "combined_score", "mse"),
        "qqp": ("accuracy", "f1", "combined_score"),
        "mnli": ("accuracy",),
    }


@pytest.mark.parametrize("task", list(TASK_METRICS))
def test_every_name_of_a_task_is_computed(task):
    shape = (6, 3) if task == "multi-label" else (6,)
    draw = np.random.default_rng(0)
    scores = compute_metrics(task, draw.integers(0, 2, shape), draw.integers(0, 2, shape))
    assert tuple(scores) == TASK_METRICS[task].names
    assert TASK_METRICS[task].best in scores


def test_combined_score_is_the_mean_of_the_official_ones():
    scores = compute_metrics("mrpc", ANSWERS, RIGHT)
    # by hand: 2 of 4 right; 2 true positives, 3 predicted, 3 true
    assert scores == pytest.approx({"accuracy": 0.5, "f1": 4 / 6, "combined_score": (0.5 + 4 / 6) / 2})
    scores = compute_metrics("stsb", [1.0, 2.0, 3.0], [1.0, 4.0, 9.0])
    assert scores["combined_score"] == pytest.approx((scores["pearson"] + scores["spearmanr"]) / 2)
    assert scores["mse"] == pytest.approx((0 + 4 + 36) / 3)


def test_constant_scores_have_no_correlation():
    scores = compute_metrics("stsb", [2.5, 2.5, 2.5], [1.0, 2.0, 3.0])
    assert math.isnan(scores["pearson"])
    assert math.isnan(scores["combined_score"])


@pytest.mark.parametrize(
    ("task", "predictions", "references", "words"),
    [
        ("sentiment", [0], [0], "no metrics for task 'sentiment'"),
        ("sst2", [0, 1], [0], "predictions for"),
        ("sst2", [], [], "no examples"),
    ],
)
def test_wrong_calls_say_what_is_wrong(task, predictions, references, words):
    with pytest.raises(ValueError, match=words):
        compute_metrics(task, predictions, references)
