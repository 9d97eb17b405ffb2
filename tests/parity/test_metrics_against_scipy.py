"""Our correlations and errors against scipy and scikit-learn, on drawn data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats as oracle
from sklearn.metrics import mean_squared_error

from albert_cli.metrics import regression as ours

COMMON = settings(max_examples=150, deadline=None, derandomize=True)
# A coarse grid makes ties common; far-apart values would only compare rounding errors of two summation orders.
SCORES = st.integers(-20, 20).map(lambda number: number / 4)


@st.composite
def scores(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    values = hnp.arrays(np.float64, draw(st.integers(2, 40)), elements=SCORES)
    return draw(values), draw(values)


@COMMON
@given(scores())
def test_correlations(drawn):
    predicted, true = drawn
    constant = np.ptp(predicted) == 0 or np.ptp(true) == 0
    for metric, peer in [(ours.pearson, oracle.pearsonr), (ours.spearman, oracle.spearmanr)]:
        value = float(metric(predicted, true))
        if constant:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(peer(predicted, true).statistic, abs=1e-9)


@COMMON
@given(scores())
def test_ranks_share_ties(drawn):
    assert np.array_equal(ours.average_ranks(np.stack(drawn)), oracle.rankdata(np.stack(drawn), axis=-1))


@COMMON
@given(scores())
def test_mean_squared_error(drawn):
    predicted, true = drawn
    assert ours.mean_squared_error(predicted, true) == pytest.approx(mean_squared_error(true, predicted), abs=1e-12)
