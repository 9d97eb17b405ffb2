"""Edges of the classification metrics, and that a stack of resamples is scored like each of them alone."""

from __future__ import annotations

import numpy as np
import pytest

from albert_cli.metrics import classification as ours
from albert_cli.metrics.glue import METRICS

BINARY_TABLES = ["multilabel_micro_f1", "multilabel_macro_f1", "exact_match"]


@pytest.mark.parametrize("name", list(METRICS))
def test_leading_axes_are_kept(name):
    draw = np.random.default_rng(0)
    shape = (7, 30, 4) if name in BINARY_TABLES else (7, 30)
    predicted, true = draw.integers(0, 2, shape), draw.integers(0, 2, shape)
    together = METRICS[name](predicted, true)
    assert together.shape == (7,)
    assert np.allclose(together, [METRICS[name](p, t) for p, t in zip(predicted, true, strict=True)], atol=1e-12)


def test_matthews_correlation_of_a_constant_answer_is_zero():
    assert ours.matthews_correlation(np.ones(5, dtype=int), np.array([0, 1, 1, 0, 1])) == 0.0


def test_matthews_correlation_known_value():
    # Matthews 1975, by hand: tp 2, tn 1, fp 1, fn 1 -> (2*1 - 1*1) / sqrt(3*3*2*2) = 1/6
    value = ours.matthews_correlation(np.array([1, 1, 0, 1, 0]), np.array([1, 1, 0, 0, 1]))
    assert value == pytest.approx(1 / 6)


def test_f1_without_positives_is_zero():
    assert ours.binary_f1(np.zeros(3, dtype=int), np.zeros(3, dtype=int)) == 0.0


def test_confusion_matrix_rows_are_the_truth():
    matrix = ours.confusion_matrix(np.array([1, 1, 0]), np.array([0, 1, 0]))
    assert matrix.tolist() == [[1, 1], [0, 1]]


@pytest.mark.parametrize(("predicted", "true"), [([-1, 0], [0, 0]), ([0, 3], [0, 0])])
def test_confusion_matrix_refuses_classes_that_do_not_exist(predicted, true):
    with pytest.raises(ValueError, match="outside"):
        ours.confusion_matrix(np.array(predicted), np.array(true), num_classes=3)


def test_confusion_matrix_refuses_different_lengths():
    with pytest.raises(ValueError, match="shape"):
        ours.confusion_matrix(np.array([0, 1]), np.array([0]))


def test_predictions_from_logits():
    logits = np.array([[0.1, -2.0, 0.1], [-1.0, -0.5, 3.0]], dtype=np.float32)
    assert ours.predictions_from_logits("classification", logits).tolist() == [0, 2]
    assert ours.predictions_from_logits("multi-label", logits).tolist() == [[1, 0, 1], [0, 0, 1]]
    assert ours.predictions_from_logits("regression", np.array([[5.5], [-1.0]])).tolist() == [5.5, -1.0]
