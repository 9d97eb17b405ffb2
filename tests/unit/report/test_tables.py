"""Rows line up whatever is in them."""

from __future__ import annotations

from albert_cli.report.tables import Table, display_width


def test_columns_line_up_by_what_a_terminal_shows():
    table = Table(["word", "n"], [["漢字", "1"], ["cafe\u0301", "20"]], title="Words", numeric=frozenset({1}))
    assert table.text() == "Words\nword   n\n----  --\n漢字   1\ncafe\u0301  20"


def test_a_cell_cannot_break_its_row():
    assert Table(["a", "b"], [["x\ny\tz", "\x1b[2J"]]).text() == "a      b\n-----  -------\nx y z  \\x1b[2J"


def test_no_rows_leave_the_headings():
    assert Table(["a", "b"], []).text() == "a  b\n-  -"


def test_wide_and_combining_characters_have_their_width():
    assert [display_width(text) for text in ("abc", "漢字", "e\u0301", "")] == [3, 4, 1, 0]


def test_markdown_cells_end_where_they_should():
    table = Table(["what", "n"], [["a|b", "1"], ["<script>_x_\n", "2"]], numeric=frozenset({1}))
    assert table.markdown().splitlines() == [
        "| what | n |",
        "|---|---:|",
        r"| a\|b | 1 |",
        r"| \<script\>\_x\_  | 2 |",
    ]
