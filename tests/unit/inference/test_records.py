"""Each format reads its lines into texts and pairs, and says what is wrong with the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from albert_cli.errors import DataError, UsageError
from albert_cli.inference.queries import Query, Refusal
from albert_cli.inference.records import infer_format, parse_columns, read_json_document, reader_for


def read(format_: str, task: str, *lines: str, column: str | None = None) -> list[Query | Refusal]:
    reader = reader_for(format_, task, column=column)
    found = [reader.feed(line) for line in lines] + [reader.finish()]
    return [query for query in found if query is not None]


PAIRS, SINGLE = "text-classification", "fill-mask"


def test_a_line_is_looked_at_when_no_format_is_named():
    assert read(
        "infer", PAIRS, "plain", "a\tb", '{"text": "x"}', '{"text": "x", "text_pair": "y"}', "{not json", ""
    ) == [
        Query("plain"),
        Query("a", "b"),
        Query("x"),
        Query("x", "y"),
        Query("{not json"),
        Query(""),
    ]


def test_a_tab_is_white_space_where_the_task_takes_one_text():
    assert read("infer", SINGLE, "a\tb") == [Query("a\tb")]


def test_text_is_text_whatever_it_looks_like():
    assert read("text", PAIRS, '{"text": "x"}', "a\tb") == [Query('{"text": "x"}'), Query("a\tb")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"sentence": "x"}', 'no "text" in the object'),
        ('{"text": 3}', '"text" is not a string'),
        ('{"text": "x", "text_pair": ["y"]}', '"text_pair" is not a string'),
        ("[1]", "not a JSON object"),
        ("{", "not JSON"),
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_json_lines_that_are_no_query_are_refused_with_a_reason(line, reason):
    (refusal,) = read("jsonl", PAIRS, line)
    assert isinstance(refusal, Refusal)
    assert reason in refusal.reason


def test_json_strings_are_texts_and_lone_surrogates_are_replaced():
    assert read("jsonl", SINGLE, '"a\\nb"', '{"text": "x\\ud800y"}') == [Query("a\nb"), Query("x\ufffdy")]


def test_too_many_tabs_are_refused():
    for format_ in ("infer", "tsv"):
        (refusal,) = read(format_, PAIRS, "a\tb\tc")
        assert "3 TAB-separated parts" in refusal.reason
    (refusal,) = read("tsv", SINGLE, "a\tb")
    assert "one text" in refusal.reason


def test_named_columns_of_a_table_come_from_its_heading():
    lines = ["id\tquestion\tanswer", "1\twhy\tso", "2\tonly"]
    found = read("tsv", PAIRS, *lines, column="text=question,text_pair=answer")
    assert found[0] == Query("why", "so")
    assert "2 cells" in found[1].reason
    assert len(found) == 2


def test_csv_cells_may_hold_commas_quotes_and_line_ends():
    lines = ["text,text_pair", '"a, ""b""",c', '"two', 'lines",d', '"never closed']
    found = read("csv", PAIRS, *lines)
    assert found[:2] == [Query('a, "b"', "c"), Query("two\nlines", "d")]
    assert "no end" in found[2].reason


def test_csv_without_a_pair_column_gives_texts():
    assert read("csv", PAIRS, "n,text", "1,x") == [Query("x")]


def test_a_heading_without_the_column_is_an_error_that_lists_what_there_is():
    with pytest.raises(DataError, match=r"no column text in the heading \(it has: a, b\)"):
        read("csv", PAIRS, "a,b")
    with pytest.raises(DataError, match="no column answer"):
        read("tsv", PAIRS, "question\tx", column="text=question,text_pair=answer")


def test_columns_are_names_in_order_or_by_argument():
    arguments = ("text", "text_pair")
    assert parse_columns("a", arguments) == {"text": "a"}
    assert parse_columns("a, b", arguments) == {"text": "a", "text_pair": "b"}
    assert parse_columns("text_pair=b,text=a", arguments) == {"text": "a", "text_pair": "b"}


@pytest.mark.parametrize("column", ["a,b,c", "txt=a", "text=", "", "text=a,text=b", "text_pair=b"])
def test_columns_that_do_not_fit_the_task_are_refused(column):
    with pytest.raises(UsageError, match="--column"):
        parse_columns(column, ("text", "text_pair"))


def test_formats_that_cannot_do_what_is_asked_are_refused():
    with pytest.raises(UsageError, match="no meaning"):
        reader_for("text", PAIRS, column="a")
    with pytest.raises(UsageError, match="compares two"):
        reader_for("text", "sentence-order")


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("a.tsv", "tsv"),
        ("a.CSV", "csv"),
        ("a.jsonl.gz", "jsonl"),
        ("a.json", "json"),
        ("a.txt", "infer"),
        ("a", "infer"),
    ],
)
def test_the_name_of_a_file_tells_its_format(name, format_):
    assert infer_format(Path(name)) == format_


def test_a_json_document_is_a_list_or_one_object():
    data = b'\xef\xbb\xbf[{"q": "a"}, "b", 3]'
    found = read_json_document(data, SINGLE, column="q", place="x.json")
    assert found[:2] == [Query("a"), Query("b")]
    assert isinstance(found[2], Refusal)
    assert read_json_document(b'{"text": "a"}', SINGLE, column=None, place="x.json") == [Query("a")]
    with pytest.raises(DataError, match=r"not JSON.*x\.json"):
        read_json_document(b"{", SINGLE, column=None, place="x.json")
