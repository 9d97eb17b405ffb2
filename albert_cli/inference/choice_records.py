"""How does a line of input become a question with choices: JSON, TAB-separated, or a record of CSV?

The parts are found under the names that training files have them (`data.choice_tables`): ``context``, ``question`` and
``choices``, RACE's ``article`` and ``options``, SWAG's ``sent1``, ``sent2`` and ``ending0``..., and so on.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from typing import Any

from albert_cli.data.choice_tables import questions_of_table
from albert_cli.data.raw_table import RawTable
from albert_cli.errors import DataError, UsageError
from albert_cli.files.json_text import parse_json
from albert_cli.files.limits import MAX_LINE_BYTES
from albert_cli.files.text import safe_line
from albert_cli.inference.queries import Query, Refusal
from albert_cli.inference.records import clean_text

ARGUMENTS = ("context", "question", "choices")
_FORM = 'PROMPT<TAB>CHOICE<TAB>CHOICE..., or {"context": ..., "question": ..., "choices": [...]}'
_SOURCE = "input"
_PLACE = re.compile(rf" \({_SOURCE}, row 0[^)]*\)$")


def choice_reader(format_: str, *, column: str | None = None) -> ChoiceLineReader | ChoiceTableReader:
    """Return the reader of a format.

    Args:
        format_: infer, tsv, jsonl or csv.
        column: ``--column`` as typed, or None.

    Raises:
        UsageError: columns that a question does not have, or a format that can hold no choices.
    """
    columns = {} if column is None else parse_choice_columns(column)
    if format_ == "text":
        raise UsageError(
            "multiple-choice takes a question with choices, and a line of --format text is one text",
            hint="use tsv or jsonl",
        )
    if format_ == "csv" or (format_ == "tsv" and columns):
        return ChoiceTableReader("," if format_ == "csv" else "\t", columns)
    return ChoiceLineReader(format_, columns)


def parse_choice_columns(text: str) -> dict[str, str]:
    """Read ``argument=name,argument=name``, or names in the order of `ARGUMENTS`.

    Raises:
        UsageError: an argument that a question does not have.
    """
    columns: dict[str, str] = {}
    for place, part in enumerate(text.split(",")):
        argument, equals, name = part.strip().partition("=")
        if not equals:
            argument, name = (ARGUMENTS[place] if place < len(ARGUMENTS) else ""), argument
        if argument not in ARGUMENTS or not name or argument in columns:
            raise UsageError(
                f"--column {safe_line(text)!r} does not fit: the task takes {', '.join(ARGUMENTS)}",
                hint="for example --column context=article,question=question,choices=options",
            )
        columns[argument] = name
    return columns


def read_choice_document(data: bytes, *, column: str | None, place: str) -> list[Query | Refusal]:
    """Read a whole JSON file: a list of objects, or one.

    Raises:
        DataError: it is not JSON.
    """
    columns = {} if column is None else parse_choice_columns(column)
    try:
        document = parse_json(data.decode("utf-8-sig", "replace"))
    except ValueError as error:
        raise DataError(
            f"not JSON: {safe_line(str(error))} ({place})", hint="one object a line is --format jsonl"
        ) from error
    values: list[Any] = document if isinstance(document, list) else [document]
    return [query_from_record(value, columns) for value in values]


def query_from_record(value: object, columns: Mapping[str, str]) -> Query | Refusal:
    """Read an object with a question and its choices.

    Args:
        value: what JSON or a row of a table held.
        columns: names of the parts; those left out are found by their usual names.
    """
    if not isinstance(value, Mapping):
        return Refusal(f"no object with choices: {_FORM}")
    if "questions" in value and "options" in value:
        return Refusal("a passage with several questions; `albert predict` reads files of them")
    record = RawTable(source=_SOURCE, columns={str(name): [part] for name, part in value.items()})
    try:
        questions, _ = questions_of_table(record, chosen=columns, needs_label=False)
    except DataError as error:
        return Refusal(_PLACE.sub("", error.message))
    found = questions[0]
    return Query(found.context, found.question, found.choices)


class ChoiceLineReader:
    """A line is a question of its own: JSON, or prompt and choices with TABs between them.

    Args:
        format_: tsv, jsonl, or infer, which takes what begins with ``{`` as JSON.
        columns: JSON key of each part; those left out are found by their usual names.
    """

    def __init__(self, format_: str, columns: Mapping[str, str]) -> None:
        self._format = format_
        self._columns = dict(columns)

    def feed(self, line: str) -> Query | Refusal:
        """Take a line."""
        if self._format == "jsonl" or (self._format == "infer" and line.lstrip().startswith("{")):
            try:
                return query_from_record(parse_json(line), self._columns)
            except ValueError:
                return Refusal("not JSON")
        prompt, *choices = clean_text(line).split("\t")
        if len(choices) < 2:
            return Refusal(f"{len(choices)} choices where two are needed: {_FORM}")
        return Query(prompt, None, tuple(choices))

    def finish(self) -> None:
        """Nothing is ever left open."""


class ChoiceTableReader:
    """CSV, or TSV with a heading: a question in each record. A quoted CSV cell may hold line ends.

    Args:
        delimiter: "," or TAB.
        columns: column of each part; those left out are found by their usual names.
    """

    def __init__(self, delimiter: str, columns: Mapping[str, str]) -> None:
        self._delimiter = delimiter
        self._columns = dict(columns)
        self._heading: list[str] | None = None
        self._open = ""

    def feed(self, line: str) -> Query | Refusal | None:
        """Take a line."""
        record = self._open + clean_text(line)
        if self._delimiter == "," and record.count('"') % 2 and len(record) <= MAX_LINE_BYTES:
            self._open = record + "\n"
            return None
        self._open = ""
        try:
            cells = record.split("\t") if self._delimiter == "\t" else next(csv.reader([record], strict=True), [""])
        except csv.Error as error:
            return Refusal(f"not CSV: {error}")
        if self._heading is None:
            self._heading = [name.strip() for name in cells]
            return None
        if len(cells) != len(self._heading):
            return Refusal(f"{len(cells)} cells where the heading has {len(self._heading)}")
        return query_from_record(dict(zip(self._heading, cells, strict=True)), self._columns)

    def finish(self) -> Refusal | None:
        """Refuse a record whose quote was never closed."""
        return Refusal("a quoted cell has no end") if self._open else None
