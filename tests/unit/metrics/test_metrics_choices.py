"""Accuracy of multiple choice, by part of the data, and through the evaluate library."""

from __future__ import annotations

import pytest

from albert_cli.metrics.adapters import evaluate_metric
from albert_cli.metrics.choices import choice_accuracy, rows_by_subset

SAID, TRUE = [0, 1, 2, 3], [0, 1, 0, 0]
PARTS = ["middle", "high", "high", ""]


def test_all_questions_and_each_part():
    assert choice_accuracy(SAID, TRUE, PARTS) == {"accuracy": 0.5, "accuracy_high": 0.5, "accuracy_middle": 1.0}
    assert choice_accuracy(SAID, TRUE) == choice_accuracy(SAID, TRUE, [""] * 4) == {"accuracy": 0.5}
    assert {name: rows.tolist() for name, rows in rows_by_subset(PARTS, size=4).items()} == {
        "high": [1, 2],
        "middle": [0],
    }


def test_through_evaluate():
    metric = evaluate_metric("choice_accuracy")
    references = [{"label": label, "subset": part} for label, part in zip(TRUE, PARTS, strict=True)]
    assert metric.compute(predictions=SAID, references=references) == choice_accuracy(SAID, TRUE, PARTS)


@pytest.mark.parametrize(
    ("said", "true", "parts", "message"),
    [([], [], (), "no questions"), ([1], [1, 2], (), "1,"), ([1], [1], ["a", "b"], "2 subsets for 1 questions")],
)
def test_what_does_not_belong_together(said, true, parts, message):
    with pytest.raises(ValueError, match=message):
        choice_accuracy(said, true, parts)
