"""TSV and CSV as people write them."""

from __future__ import annotations

import csv
import gzip

import pytest

from albert_cli.data.readers_delimited import read_csv, read_tsv
from albert_cli.errors import DataError


def test_quotes_of_a_tsv_are_ordinary_characters(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('text\tlabel\n"open quote\t1\nsay ""it""\t0\n')
    assert list(read_tsv(path).columns["text"]) == ['"open quote', 'say ""it""']


@pytest.mark.parametrize("word", ["NA", "null", "nan", "None", "", "1e5"])
@pytest.mark.parametrize(("reader", "mark"), [(read_tsv, "\t"), (read_csv, ",")])
def test_every_cell_is_text(reader, mark, word, tmp_path):
    path = tmp_path / "table"
    path.write_text(f"text{mark}label\n{word}{mark}1\n")
    assert list(reader(path).columns["text"]) == [word]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbftext\tlabel\nhello\t1\n",
        b"text\tlabel\r\nhello\t1\r\n",
        b"text\tlabel\nhello\t1",
        b"text\tlabel\n\nhello\t1\n\n",
    ],
    ids=["byte-order mark", "windows line ends", "no newline at the end", "empty lines"],
)
def test_marks_and_line_ends_are_no_part_of_the_rows(content, tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(content)
    table = read_tsv(path)
    assert {name: list(values) for name, values in table.columns.items()} == {"text": ["hello"], "label": ["1"]}


def test_only_a_newline_ends_a_row(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("text\tlabel\none\u2028two\x0bthree\x85four\t1\n", encoding="utf-8")
    assert list(read_tsv(path).columns["text"]) == ["one\u2028two\x0bthree\x85four"]


def test_columns_without_header(tmp_path):
    path = tmp_path / "train.tsv"
    names = ("source", "label", "star", "sentence")
    path.write_text("gj04\t1\t\tOne.\ngj04\t0\t*\tTwo.\n")
    table = read_tsv(path, columns_without_header=names)
    assert (list(table.columns["sentence"]), table.place(1)[-2:]) == (["One.", "Two."], ":2")
    path.write_text("sentence\tlabel\nOne.\t1\n")
    assert list(read_tsv(path, columns_without_header=names).columns["sentence"]) == ["One."]


def test_short_rows_are_counted_where_the_task_allows_it(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text("a\tb\tc\n1\t2\t3\nbroken\n4\t5\t6\textra\n")
    table = read_tsv(path, skip_short_rows=True)
    assert (table.num_rows, table.skipped, table.place(1)[-2:]) == (2, 1, ":4")


def test_gzip(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"text,label\nhello,1\n"))
    assert list(read_csv(path).columns["text"]) == ["hello"]


def test_quoted_cells_hold_commas_quotes_and_newlines_and_rows_know_their_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"a, ""b""\nc",1\nplain,0\n')
    table = read_csv(path)
    assert list(table.columns["text"]) == ['a, "b"\nc', "plain"]
    assert [table.place(row).rpartition(":")[2] for row in (0, 1)] == ["2", "4"]


def test_semicolons_part_the_cells_if_the_header_has_them(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text;label\nwell, yes;1\n")
    assert list(read_csv(path).columns["text"]) == ["well, yes"]


def test_long_cells_are_read_and_the_limit_of_the_csv_module_stays(tmp_path):
    before = csv.field_size_limit()
    path = tmp_path / "a.csv"
    path.write_text(f"text,label\n{'x' * 300_000},1\n")
    assert len(read_csv(path).columns["text"][0]) == 300_000
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("reader", "content", "words"),
    [
        (read_tsv, b"", "no rows"),
        (read_tsv, b"text\tlabel\n", "no rows"),
        (read_csv, b"", "no rows"),
        (read_csv, b"text,label\n", "no rows"),
        (read_tsv, b"text\tlabel\nok\t1\nonly one cell\n", "1 cells where the first line has 2 .*:3"),
        (read_csv, b"text,label\nok,1\na,b,c\n", "3 cells where the first line has 2 .*:3"),
        (read_tsv, b"text\tlabel\nok\t1\ncaf\xe9\t0\n", "not UTF-8 .*:3"),
        (read_csv, b"text,label\ncaf\xe9,0\n", "not UTF-8 .*:2"),
        (read_csv, b'text,label\nok,1\n"never closed,0\n', "not CSV: .*:3"),
        (read_tsv, b"text\ttext\na\tb\n", "column 'text' is there twice .*:1"),
    ],
)
def test_malformed_files_are_refused_at_their_line(reader, content, words, tmp_path):
    path = tmp_path / "bad.file"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        reader(path)
    assert "bad.file" in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 3
