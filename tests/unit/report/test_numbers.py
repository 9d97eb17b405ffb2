"""Numbers read as people write them."""

from __future__ import annotations

import math

import pytest

from albert_cli.report import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.345678, "2.346"),
        (0.0123456, "0.01235"),
        (12345.6, "12346"),
        (0.0, "0.000"),
        (3e-7, "3.000e-07"),
        (math.nan, "nan"),
    ],
)
def test_losses_have_four_significant_digits(value, text):
    assert numbers.loss(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (3725, "1 h 02 min"), (90000, "1 d 01 h"), (math.inf, "unknown")],
)
def test_durations_have_two_units(seconds, text):
    assert numbers.duration(seconds) == text


def test_names_say_how_a_number_reads():
    assert numbers.value("tokens_per_second", 12345.6) == "12,346"
    assert numbers.value("learning_rate", 0.000176) == "1.76e-04"
    assert numbers.value("mlm_accuracy", 0.4567) == "45.7 %"
    assert numbers.value("mlm_loss", 2.0) == "2.000"
    assert numbers.value("documents", 12000) == "12,000"


def test_sizes_have_units():
    assert numbers.mebibytes(3 * 2**20) == "3.0 MiB"
    assert numbers.mebibytes(5 * 2**30) == "5.0 GiB"
