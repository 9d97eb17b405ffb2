"""Confidence against correctness, compared with a plain loop over the answers and with scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from albert_cli.metrics.calibration import calibration

ANSWERS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def plain_error(answers, bins):
    """Expected calibration error by the definition: bins (low, high], 0 belongs to the first."""
    total = 0.0
    for number in range(bins):
        mine = [(p, hit) for p, hit in answers if min(max(math.ceil(p * bins) - 1, 0), bins - 1) == number]
        if mine:
            gap = sum(p for p, _ in mine) / len(mine) - sum(hit for _, hit in mine) / len(mine)
            total += len(mine) / len(answers) * abs(gap)
    return total


@settings(max_examples=150, deadline=None, derandomize=True)
@given(ANSWERS, st.integers(1, 20))
def test_the_plain_loop_gives_the_same(answers, bins):
    sure, right = zip(*answers, strict=True)
    found = calibration(sure, right, bins=bins)
    assert found.error == pytest.approx(plain_error(answers, bins), abs=1e-9)
    assert found.brier == pytest.approx(brier_score_loss(right, sure, labels=[False, True], pos_label=True), abs=1e-9)
    assert sum(one.count for one in found.bins) == len(answers)
    assert found.error <= found.largest + 1e-12


def test_right_as_often_as_it_is_sure():
    found = calibration([0.75] * 4, [True, True, True, False])
    assert found.error == 0
    assert [(one.low, one.count, one.right) for one in found.bins if one.count] == [(0.7, 4, 0.75)]


def test_edges_belong_to_the_bin_below():
    found = calibration([0.0, 0.5, 1.0], [True, True, True], bins=2)
    assert [one.count for one in found.bins] == [2, 1]
    assert math.isnan(calibration([1.0], [True], bins=2).bins[0].right)


@pytest.mark.parametrize(("sure", "right"), [([], []), ([0.5], [True, False]), ([1.5], [True]), ([np.nan], [True])])
def test_what_is_no_probability_of_an_answer_is_refused(sure, right):
    with pytest.raises(ValueError, match=r"confidence|answers"):
        calibration(sure, right)
