"""Truncation, windows, padding: on counts alone."""

from __future__ import annotations

import pytest

from albert_cli.tokenization.assemble import Cut, cut_sample, frame_of, pad_list, padded_length, type_ids_of, windows
from albert_cli.tokenization.request import Shape


@pytest.mark.parametrize(
    ("first", "second", "limit", "expected"),
    [
        (5, 9, 12, Cut((0, 5), (0, 4))),
        (9, 5, 12, Cut((0, 5), (0, 4))),
        (6, 6, 12, Cut((0, 5), (0, 4))),
        (6, 6, 14, Cut((0, 6), (0, 5))),  # equal lengths: the second goes first
        (0, 20, 12, Cut((0, 0), (0, 9))),
        (3, 3, 12, Cut((0, 3), (0, 3))),
    ],
)
def test_longest_first_takes_from_the_longer_sequence(first: int, second: int, limit: int, expected: Cut) -> None:
    assert cut_sample(first, second, Shape(truncation="longest_first", max_length=limit), specials=3) == [expected]


def test_the_left_side_is_cut_where_asked() -> None:
    shape = Shape(truncation="longest_first", max_length=12, truncation_side="left")
    assert cut_sample(6, 6, shape, specials=3) == [Cut((1, 6), (2, 6))]
    shape = Shape(truncation="only_first", max_length=6, truncation_side="left")
    assert cut_sample(10, None, shape, specials=2) == [Cut((6, 10))]


def test_windows_cover_everything_and_overlap_by_the_stride() -> None:
    assert windows(10, 4, 1, "right") == [(0, 4), (3, 7), (6, 10)]
    assert windows(11, 4, 1, "right") == [(0, 4), (3, 7), (6, 10), (9, 11)]
    assert windows(11, 4, 1, "left") == [(7, 11), (4, 8), (1, 5), (0, 2)]
    assert windows(4, 4, 3, "right") == [(0, 4)]
    with pytest.raises(ValueError, match="stride=4"):
        windows(10, 4, 4, "right")


def test_overflow_keeps_the_other_sequence_whole() -> None:
    shape = Shape(truncation="only_second", max_length=9, stride=1, overflow=True)
    assert cut_sample(2, 9, shape, specials=3) == [
        Cut((0, 2), (0, 4)),
        Cut((0, 2), (3, 7)),
        Cut((0, 2), (6, 9)),
    ]


@pytest.mark.parametrize(
    ("first", "second", "shape", "message"),
    [
        (20, 3, Shape(truncation="only_second", max_length=10), "second text has 3"),
        (3, 20, Shape(truncation="only_first", max_length=10), "first text has 3"),
        (20, None, Shape(truncation="only_second", max_length=10), "needs text pairs"),
        (9, 9, Shape(truncation="longest_first", max_length=10, overflow=True), "only_first"),
        (9, 9, Shape(truncation="longest_first", max_length=2), "no room"),
        (9, None, Shape(truncation="longest_first", max_length=1), "cannot cut"),
    ],
)
def test_what_cannot_be_cut_is_refused(first: int, second: int | None, shape: Shape, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cut_sample(first, second, shape, specials=2 if second is None else 3)


def test_frames_and_type_ids_follow_the_layout() -> None:
    assert frame_of(Cut((1, 3), (0, 1)), special=True) == [(None, -1), (0, 1), (0, 2), (None, -1), (1, 0), (None, -1)]
    assert frame_of(Cut((1, 3)), special=False) == [(0, 1), (0, 2)]
    assert type_ids_of(2, 1, special=True) == [0, 0, 0, 0, 1, 1]
    assert type_ids_of(2, 1, special=False) == [0, 0, 0]


def test_padding_goes_to_the_wanted_length_and_side() -> None:
    assert padded_length([3, 5], Shape()) is None
    assert padded_length([3, 5], Shape(padding="longest")) == 5
    assert padded_length([3, 5], Shape(padding="longest", multiple=4)) == 8
    assert padded_length([3, 5], Shape(padding="fixed", max_length=9)) == 9
    assert pad_list([1], 3, 0, "left") == [0, 0, 1]
    assert pad_list([1], 3, 0, "right") == [1, 0, 0]
    assert pad_list([1, 2, 3, 4], 3, 0, "right") == [1, 2, 3, 4]
