"""Predictions as CSV and parquet: nothing lost, nothing computed by a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pyarrow.parquet
import pytest

from albert_cli.data.prediction_tables import csv_lines, defused, json_lines, write_parquet


def table(*records: dict[str, Any]) -> list[dict[str, Any]]:
    file = io.BytesIO()
    write_parquet(lambda: records, file)
    return pyarrow.parquet.read_table(io.BytesIO(file.getvalue())).to_pylist()


@pytest.mark.parametrize("text", ["=1+1", "+cmd|'/c calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "-", "=-1"])
def test_a_formula_begins_with_an_apostrophe(text):
    assert defused(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "text", "-1", "+3.5", "-1e9", "a=b", "'quoted", "\n=1", "ß"])
def test_other_texts_and_numbers_stay(text):
    assert defused(text) == text


def test_csv_holds_every_cell():
    records = [
        {"index": 0, "text": 'comma, "quote"\nline', "flag": True, "scores": {"a": 0.25, "=b": 0.75}},
        {"index": 1, "tags": ["O", "B-X"], "text": None, "scores": {"a": 1.0, "=b": 0.0}, "number": 1e-9},
    ]
    rows = list(csv.DictReader(io.StringIO("".join(csv_lines(lambda: records)))))
    assert rows[0] == {
        "index": "0",
        "text": 'comma, "quote"\nline',
        "flag": "true",
        "scores.a": "0.25",
        "scores.=b": "0.75",
        "tags": "",
        "number": "",
    }
    assert json.loads(rows[1]["tags"]) == ["O", "B-X"]
    assert float(rows[1]["number"]) == 1e-9
    assert list(csv.DictReader(io.StringIO("".join(csv_lines(lambda: iter(())))))) == []


def test_parquet_columns_have_the_type_of_their_values():
    records = [
        {"i": 1, "f": 1, "t": "x", "b": True, "l": [], "n": [1, 0.5], "s": {"a": 0.5}, "none": None},
        {"i": None, "f": 0.5, "t": None, "b": None, "l": ["O"], "n": [], "s": {"a": 1.0}},
    ]
    first, second = table(*records)
    assert first == {**records[0], "f": 1.0, "l": []}
    assert second == {**records[1], "none": None}


def test_parquet_columns_of_several_types_hold_text():
    mixed = [{"v": 1}, {"v": "x"}, {"v": [1]}, {"v": True}, {"v": None}, {"v": {"a": "b"}}]
    assert [row["v"] for row in table(*mixed)] == ["1", "x", "[1]", "true", None, '{"a": "b"}']
    assert [row["v"] for row in table({"v": 2**70}, {"v": 1})] == [str(2**70), "1"]
    assert [row["v"] for row in table({"v": True}, {"v": 1})] == ["true", "1"]
    assert [row["v"] for row in table({"v": [["x"]]}, {"v": ["y"]})] == ['[["x"]]', '["y"]']


def test_parquet_scores_of_different_names_are_one_column():
    rows = table({"s": {"a": 0.5}}, {"s": {"b": 0.25}})
    assert rows == [{"s": {"a": 0.5, "b": None}}, {"s": {"a": None, "b": 0.25}}]


def test_many_records_are_written_in_groups():
    records = [{"index": number, "text": str(number)} for number in range(10_000)]
    assert table(*records) == records
    assert "".join(json_lines(lambda: records)).count("\n") == 10_000
