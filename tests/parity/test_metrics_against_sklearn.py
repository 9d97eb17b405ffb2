"""Our classification metrics against scikit-learn, on drawn data."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as oracle

from albert_cli.metrics import classification as ours

COMMON = settings(max_examples=150, deadline=None, derandomize=True)


@st.composite
def classes(draw: st.DrawFn, highest: int = 4) -> tuple[np.ndarray, np.ndarray]:
    size = draw(st.integers(1, 40))
    top = draw(st.integers(0, highest))
    values = hnp.arrays(np.int64, size, elements=st.integers(0, top))
    return draw(values), draw(values)


@st.composite
def label_sets(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    shape = (draw(st.integers(1, 20)), draw(st.integers(2, 5)))
    values = hnp.arrays(np.int64, shape, elements=st.integers(0, 1))
    return draw(values), draw(values)


@COMMON
@given(classes())
def test_accuracy_and_micro_f1(drawn):
    predicted, true = drawn
    assert ours.accuracy(predicted, true) == pytest.approx(oracle.accuracy_score(true, predicted), abs=1e-12)
    micro = oracle.f1_score(true, predicted, average="micro", labels=np.unique([predicted, true]), zero_division=0)
    assert ours.micro_f1(predicted, true) == pytest.approx(micro, abs=1e-12)


@COMMON
@given(classes(highest=1))
def test_binary_f1(drawn):
    predicted, true = drawn
    expected = oracle.f1_score(true, predicted, labels=[0, 1], average="binary", zero_division=0)
    assert ours.binary_f1(predicted, true) == pytest.approx(expected, abs=1e-12)


@COMMON
@given(classes())
def test_macro_f1_over_present_and_over_all_classes(drawn):
    predicted, true = drawn
    expected = oracle.f1_score(true, predicted, average="macro", zero_division=0)
    assert ours.macro_f1(predicted, true) == pytest.approx(expected, abs=1e-12)
    every = oracle.f1_score(true, predicted, average="macro", labels=range(6), zero_division=0)
    assert ours.macro_f1(predicted, true, num_classes=6) == pytest.approx(every, abs=1e-12)


@COMMON
@given(classes())
def test_matthews_correlation(drawn):
    predicted, true = drawn
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the oracle warns where only one class occurs
        expected = oracle.matthews_corrcoef(true, predicted)
    assert ours.matthews_correlation(predicted, true) == pytest.approx(expected, abs=1e-9)


@COMMON
@given(classes())
def test_confusion_matrix(drawn):
    predicted, true = drawn
    expected = oracle.confusion_matrix(true, predicted, labels=range(5))
    assert np.array_equal(ours.confusion_matrix(predicted, true, num_classes=5), expected)


@COMMON
@given(label_sets())
def test_label_sets(drawn):
    predicted, true = drawn
    assert ours.exact_match(predicted, true) == pytest.approx(oracle.accuracy_score(true, predicted), abs=1e-12)
    for metric, average in [(ours.multilabel_micro_f1, "micro"), (ours.multilabel_macro_f1, "macro")]:
        expected = oracle.f1_score(true, predicted, average=average, zero_division=0)
        assert metric(predicted, true) == pytest.approx(expected, abs=1e-12)
