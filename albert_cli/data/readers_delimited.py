r"""How are the rows of a TSV or CSV file read?

TSV is read as the GLUE files are written: a tab parts the cells, a newline ends the row, and a double quote is an
ordinary character. CSV is read with quoting (a quoted cell may hold the delimiter and newlines). In both every cell is
text: "NA", "null" and "nan" are words that people write.
"""

from __future__ import annotations

import csv
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from albert_cli.data.raw_table import RawTable, empty_table_error
from albert_cli.errors import DataError
from albert_cli.files.limits import MAX_LINE_BYTES
from albert_cli.files.text import open_text, safe_line

Rows = Iterator[tuple[int, list[str]]]

_FIELD_LIMIT = threading.Lock()


def read_tsv(
    path: Path, *, columns_without_header: Sequence[str] | None = None, skip_short_rows: bool = False
) -> RawTable:
    """Read a tab-separated file without quoting.

    Args:
        path: the file, plain or ``.gz``, UTF-8 with or without a byte-order mark.
        columns_without_header: names of the columns if the file has no header line (CoLA). A first line that names the
            last of them is a header all the same.
        skip_short_rows: leave out rows with too few cells and count them (QQP), instead of raising.

    Returns:
        The table, every value a string.

    Raises:
        DataError: located at ``file:line``: no rows, a ragged row, not UTF-8, a column name twice.
    """
    rows = _tab_rows(path)
    first = next(rows, None)
    if first is None:
        raise empty_table_error(str(path))
    if columns_without_header is not None and columns_without_header[-1] not in first[1]:
        return _table(path, columns_without_header, chain([first], rows), skip_short_rows=skip_short_rows)
    return _table(path, first[1], rows, skip_short_rows=skip_short_rows)


def read_csv(path: Path) -> RawTable:
    """Read a CSV file with a header line; commas or semicolons part the cells, whichever the header has more of.

    Returns:
        The table, every value a string.

    Raises:
        DataError: located at ``file:line``: no rows, a ragged row, not UTF-8, a column name twice, an open quote.
    """
    with _long_fields():
        rows = _csv_rows(path)
        first = next(rows, None)
        if first is None:
            raise empty_table_error(str(path))
        return _table(path, first[1], rows, skip_short_rows=False)


def strict_lines(path: Path, *, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[tuple[int, str]]:
    """Line number from 1, and the line without its end; bytes that are not UTF-8 raise a located DataError."""
    with open_text(path, max_line_bytes=max_line_bytes) as file:
        for line in file:
            if file.num_replaced:
                raise DataError(
                    f"not UTF-8 ({safe_line(str(path))}:{file.num_lines})",
                    hint=f"convert it: iconv -f LATIN1 -t UTF-8 {path.name} > converted, if Latin-1 is what it is",
                )
            yield file.num_lines, line


def _tab_rows(path: Path) -> Rows:
    """Cells of each line; empty lines, as at the end of some files, are no rows."""
    return ((number, line.split("\t")) for number, line in strict_lines(path) if line)


def _csv_rows(path: Path) -> Rows:
    lines = strict_lines(path)
    first = next(lines, None)
    if first is None:
        return
    delimiter = ";" if first[1].count(";") > first[1].count(",") else ","
    numbered = chain([first], lines)
    reader = csv.reader((f"{line}\n" for _, line in numbered), delimiter=delimiter, strict=True)
    begin = 1
    try:
        for cells in reader:
            if cells:
                yield begin, cells
            begin = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"not CSV: {error} ({safe_line(str(path))}:{begin})",
            hint='write a quote inside a quoted cell twice (""), or use TSV, where quotes are ordinary characters',
        ) from error


def _table(path: Path, header: Sequence[str], rows: Rows, *, skip_short_rows: bool) -> RawTable:
    names = [name.strip() for name in header]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"column {safe_line(twice[0])!r} is there twice ({safe_line(str(path))}:1)", hint="rename one of them"
        )
    kept: list[list[str]] = []
    lines: list[int] = []
    skipped = 0
    for number, cells in rows:
        if len(cells) == len(names) or (skip_short_rows and len(cells) > len(names)):
            kept.append(cells)
            lines.append(number)
        elif skip_short_rows:
            skipped += 1
        else:
            raise _ragged(path, number, found=len(cells), expected=len(names))
    if not kept:
        raise empty_table_error(str(path))
    columns = {name: [cells[place] for cells in kept] for place, name in enumerate(names)}
    return RawTable(source=str(path), columns=columns, lines=lines, skipped=skipped)


def _ragged(path: Path, line: int, *, found: int, expected: int) -> DataError:
    return DataError(
        f"{found} cells where the first line has {expected} ({safe_line(str(path))}:{line})",
        hint="each row needs every column; a delimiter inside a text must be quoted in CSV and cannot stand in TSV",
    )


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let the csv module read cells as long as our lines may be; its limit is one number for the whole process."""
    with _FIELD_LIMIT:
        before = csv.field_size_limit(MAX_LINE_BYTES)
        try:
            yield
        finally:
            csv.field_size_limit(before)
