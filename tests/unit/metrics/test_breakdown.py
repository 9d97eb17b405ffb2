"""Scores by length, and the most frequent confusions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from albert_cli.metrics.breakdown import confusions, length_buckets


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1)), min_size=1, max_size=80), st.integers(1, 6))
def test_every_row_is_in_one_bucket_and_the_mean_is_kept(rows, most):
    lengths, values = (np.array(column) for column in zip(*rows, strict=True))
    found = length_buckets(lengths, values, most=most)
    assert len(found) <= most
    assert sum(one.rows for one in found) == len(rows)
    assert sum(one.rows * one.value for one in found) / len(rows) == pytest.approx(values.mean(), abs=1e-9)
    assert found[0].low == lengths.min()
    assert found[-1].high == lengths.max()
    assert all(before.high < after.low for before, after in itertools.pairwise(found))


def test_buckets_hold_about_as_many_rows_each():
    found = length_buckets(range(100), [1.0] * 50 + [0.0] * 50)
    assert [(one.low, one.high, one.rows, one.value) for one in found] == [
        (0, 19, 20, 1.0),
        (20, 39, 20, 1.0),
        (40, 59, 20, 0.5),
        (60, 79, 20, 0.0),
        (80, 99, 20, 0.0),
    ]


def test_rows_of_one_length_stay_together_and_what_is_unknown_does_not_count():
    (only,) = length_buckets([7, 7, 7], [1.0, math.nan, 0.0])
    assert (only.low, only.high, only.rows, only.value) == (7, 7, 3, 0.5)


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="values for"):
        length_buckets([], [])


def test_the_most_frequent_mistakes_come_first():
    matrix = np.array([[5, 3, 0], [1, 9, 1], [0, 0, 2]])
    found = confusions(matrix, ["a", "b", "c"], limit=2)
    assert [(one.truth, one.said, one.count, one.share) for one in found] == [
        ("a", "b", 3, 3 / 8),
        ("b", "a", 1, 1 / 11),
    ]
    assert confusions(np.diag([1, 2]), ["a", "b"], limit=5) == []
    assert matrix.trace() == 16, "the matrix itself is not changed"
