"""Curves in a terminal go through their points, on one scale."""

from __future__ import annotations

from albert_cli.report.curves import Curve, Picture
from albert_cli.report.terminal_plot import plot_picture


def test_a_falling_line_goes_from_the_upper_left_to_the_lower_right():
    picture = Picture("Loss", (Curve("train loss", ((0, 4.0), (10, 0.0))),))
    lines = plot_picture(picture, width=20, height=5, ascii_only=True).splitlines()
    assert lines[0] == "train loss: 0 at step 10"
    columns = [[place for place, letter in enumerate(line) if letter == "*"] for line in lines[1:]]
    assert all(columns)
    assert [row[0] for row in columns] == sorted(row[0] for row in columns)
    assert lines[1].startswith("4 |*")
    assert lines[-1].startswith("0 |")
    assert lines[-1].endswith("*")
    assert max(map(len, lines[1:])) <= 20


def test_curves_of_one_picture_share_their_scales():
    high = Curve("a", ((0, 10.0), (100, 10.0)))
    low = Curve("b", ((0, 0.0), (50, 0.0)))
    lines = plot_picture(Picture("Loss", (high, low)), width=24, height=4).splitlines()
    first, second = lines[1:5], lines[6:10]
    assert len(first[0]) > 20  # the whole width of it on the upper edge
    assert [line.rstrip(" ┤") for line in first[1:3]] == ["", ""]  # nothing between
    assert second[-1].startswith(" 0 ┤")
    assert len(second[-1]) <= 15  # half as many steps


def test_a_single_point_is_drawn():
    text = plot_picture(Picture("Loss", (Curve("x", ((5, 1.0),)),)), height=3, ascii_only=True)
    assert text.count("*") == 1
