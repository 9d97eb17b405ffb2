"""How does a line of input become a query: plain text, TAB-separated, JSON or CSV?"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from albert_cli.errors import DataError, UsageError
from albert_cli.files.json_text import parse_json
from albert_cli.files.limits import MAX_LINE_BYTES
from albert_cli.files.text import safe_line
from albert_cli.inference.queries import Query, Refusal

ARGUMENTS = {
    "fill-mask": ("text",),
    "text-classification": ("text", "text_pair"),
    "token-classification": ("text",),
    "question-answering": ("question", "context"),
    "multiple-choice": ("context", "question", "choices"),
    "sentence-order": ("text", "text_pair"),
    "feature-extraction": ("text", "text_pair"),
    "zero-shot-classification": ("text",),
}
"""What each task takes, in the order of columns; the first is the query's text, the second its pair."""

_OPTIONAL = frozenset({"text_pair"})

_SUFFIXES = {".tsv": "tsv", ".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_SURROGATE = re.compile("[\ud800-\udfff]")


class Reader(Protocol):
    """Turns lines into queries, one line at a time."""

    def feed(self, line: str) -> Query | Refusal | None:
        """Take a line (without its end); None means that it is no query by itself (a heading, part of a record)."""

    def finish(self) -> Refusal | None:
        """Take the end of the input; what was left open is refused."""


def reader_for(format_: str, task: str, *, column: str | None = None, arguments: Sequence[str] | None = None) -> Reader:
    """Return the reader of a format.

    Args:
        format_: infer, text, tsv, jsonl or csv.
        task: a key of `ARGUMENTS`.
        column: ``--column`` as typed, or None.
        arguments: what the lines hold, where that is less than the task takes.

    Raises:
        UsageError: columns that the task or the format does not have.
    """
    arguments = ARGUMENTS[task] if arguments is None else arguments
    columns = None if column is None else parse_columns(column, arguments)
    if format_ == "text":
        if columns:
            raise UsageError("--column has no meaning for --format text", hint="use tsv, csv, jsonl or json")
        if task == "sentence-order":
            raise UsageError(
                "sentence-order compares two texts, and a line of --format text is one", hint="use tsv or jsonl"
            )
        if len([name for name in arguments if name not in _OPTIONAL]) > 1:
            raise UsageError(
                f"{task} takes {' and '.join(arguments)}, and a line of --format text is one text",
                hint=f"use tsv or jsonl, or give one of them with --{arguments[1]}",
            )
        return TextReader()
    if format_ == "csv" or (format_ == "tsv" and columns):
        return TableReader("," if format_ == "csv" else "\t", arguments, columns)
    return LineReader(format_, arguments, columns)


def infer_format(path: Path) -> str:
    """Tell the format from a file's name (``.gz`` aside); any other name means that each line is looked at."""
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    return _SUFFIXES.get(suffixes[-1].lower(), "infer") if suffixes else "infer"


def parse_columns(text: str, arguments: Sequence[str]) -> dict[str, str]:
    """Read ``name``, ``name,name`` or ``argument=name,argument=name``.

    Returns:
        Column name of each argument.

    Raises:
        UsageError: an argument that the task does not have, or more names than arguments.
    """
    names = [part.strip() for part in text.split(",")]
    columns: dict[str, str] = {}
    for place, name in enumerate(names):
        argument, equals, column = name.partition("=")
        if not equals:
            argument, column = (arguments[place] if place < len(arguments) else ""), name
        if argument not in arguments or not column or argument in columns:
            raise UsageError(
                f"--column {safe_line(text)!r} does not fit: the task takes {' and '.join(arguments)}",
                hint=f"for example --column {','.join(f'{name}=NAME' for name in arguments)}",
            )
        columns[argument] = column
    for argument in arguments:
        if argument not in columns and argument not in _OPTIONAL:
            raise UsageError(
                f"--column {safe_line(text)!r} names no column for {argument}", hint=f"add {argument}=NAME"
            )
    return columns


def clean_text(text: str) -> str:
    """Replace lone surrogates (of JSON escapes or of undecodable arguments), which are no characters."""
    return _SURROGATE.sub("\ufffd", text)


def query_from_object(value: object, columns: Mapping[str, str]) -> Query | Refusal:
    """Read a JSON value: a string, or an object with the columns.

    Args:
        value: what JSON held.
        columns: key of each argument, in the order of the task's.
    """
    if isinstance(value, str):
        return Query(clean_text(value))
    if not isinstance(value, dict):
        return Refusal("not a JSON object or string")
    given: dict[str, str] = {}
    for argument, key in columns.items():
        text = value.get(key)
        if isinstance(text, str):
            given[argument] = clean_text(text)
        elif text is not None:
            return Refusal(f'"{key}" is not a string')
    for argument, key in columns.items():
        if argument not in given and argument not in _OPTIONAL:
            return Refusal(f'no "{key}" in the object')
    return _query(given, list(columns))


def _query(given: Mapping[str, str], arguments: Sequence[str]) -> Query:
    """The first argument is the query's text, the second, if there is one, its pair."""
    text, *pair = arguments
    return Query(given[text], given.get(pair[0]) if pair else None)


class TextReader:
    """A line is a text, whatever is in it."""

    def feed(self, line: str) -> Query:
        """Take a line."""
        return Query(clean_text(line))

    def finish(self) -> None:
        """Nothing is ever left open."""


class LineReader:
    """A line is a query of its own: text, TAB-separated parts, or JSON.

    Args:
        format_: tsv, jsonl, or infer, which takes what begins with ``{`` and is a JSON object as one, and a TAB as the
            border of a pair where the task takes pairs.
        arguments: what the task takes.
        columns: JSON key of each argument; None takes the arguments' own names.
    """

    def __init__(self, format_: str, arguments: Sequence[str], columns: Mapping[str, str] | None) -> None:
        self._format = format_
        self._arguments = arguments
        self._columns = _in_order(columns, arguments)

    def feed(self, line: str) -> Query | Refusal:
        """Take a line."""
        if self._format == "jsonl":
            try:
                return query_from_object(parse_json(line), self._columns)
            except ValueError:
                return Refusal("not JSON")
        if self._format == "infer" and line.lstrip().startswith("{"):
            value = _json_object(line)
            if value is not None:
                return query_from_object(value, self._columns)
        takes_pair = len(self._arguments) > 1
        if "\t" in line and (takes_pair or self._format == "tsv"):
            return self._split(line)
        return Query(clean_text(line))

    def finish(self) -> None:
        """Nothing is ever left open."""

    def _split(self, line: str) -> Query | Refusal:
        # A text to search may hold TABs of its own; a question does not.
        parts = clean_text(line).split("\t", 1 if self._arguments == ARGUMENTS["question-answering"] else -1)
        if len(parts) > len(self._arguments):
            wanted = "a text and its pair" if len(self._arguments) > 1 else "one text (or name a column with --column)"
            return Refusal(f"{len(parts)} TAB-separated parts; the task takes {wanted}")
        return Query(parts[0], parts[1] if len(parts) > 1 else None)


class TableReader:
    """CSV, or TSV with a heading: records with named columns. A quoted CSV cell may hold line ends.

    Args:
        delimiter: "," or TAB.
        arguments: what the task takes.
        columns: column name of each argument; None takes the arguments' own names, the pair only where it is there.
    """

    def __init__(self, delimiter: str, arguments: Sequence[str], columns: Mapping[str, str] | None) -> None:
        self._delimiter = delimiter
        self._arguments = arguments
        self._wanted = _in_order(columns, arguments)
        self._required = [name for name in self._wanted if columns or name not in _OPTIONAL]
        self._places: dict[str, int] | None = None
        self._open = ""

    def feed(self, line: str) -> Query | Refusal | None:
        """Take a line.

        Raises:
            DataError: the heading lacks a column.
        """
        record = self._open + line
        is_quoted = self._delimiter == ","
        if is_quoted and record.count('"') % 2 and len(record) <= MAX_LINE_BYTES:
            self._open = record + "\n"
            return None
        self._open = ""
        if not is_quoted:
            return self._take(record.split("\t"))
        try:
            rows = list(csv.reader([record], strict=True))
        except csv.Error as error:
            return Refusal(f"not CSV: {error}")
        return self._take(rows[0] if rows else [""])

    def finish(self) -> Refusal | None:
        """Refuse a record whose quote was never closed."""
        return Refusal("a quoted cell has no end") if self._open else None

    def _take(self, cells: list[str]) -> Query | Refusal | None:
        if self._places is None:
            self._places = self._read_heading(cells)
            return None
        if len(cells) <= max(self._places.values()):
            return Refusal(f"{len(cells)} cells, but the heading has column {max(self._places.values()) + 1}")
        given = {argument: clean_text(cells[place]) for argument, place in self._places.items()}
        return _query(given, self._arguments)

    def _read_heading(self, cells: list[str]) -> dict[str, int]:
        lacking = [self._wanted[argument] for argument in self._required if self._wanted[argument] not in cells]
        if lacking:
            there = safe_line(", ".join(cells))
            raise DataError(
                f"no column {' or '.join(map(safe_line, lacking))} in the heading (it has: {there})",
                hint=f"name the columns with --column {','.join(f'{name}=NAME' for name in self._arguments)}",
            )
        return {argument: cells.index(name) for argument, name in self._wanted.items() if name in cells}


def read_json_document(
    data: bytes, task: str, *, column: str | None, place: str, arguments: Sequence[str] | None = None
) -> list[Query | Refusal]:
    """Read a whole JSON file: a list of objects or strings, or one of them; arguments as `reader_for`.

    Raises:
        DataError: it is not JSON.
    """
    arguments = ARGUMENTS[task] if arguments is None else arguments
    columns = _in_order(parse_columns(column, arguments) if column else None, arguments)
    try:
        document = parse_json(data.decode("utf-8-sig", "replace"))
    except ValueError as error:
        raise DataError(
            f"not JSON: {safe_line(str(error))} ({place})", hint="one object a line is --format jsonl"
        ) from error
    values: list[Any] = document if isinstance(document, list) else [document]
    return [query_from_object(value, columns) for value in values]


def _in_order(columns: Mapping[str, str] | None, arguments: Sequence[str]) -> dict[str, str]:
    """Column of each argument, in the order of the arguments; None takes the arguments' own names."""
    if not columns:
        return {name: name for name in arguments}
    return {name: columns[name] for name in arguments if name in columns}


def _json_object(line: str) -> dict[str, Any] | None:
    try:
        value = parse_json(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
