"""How are the rows of a JSON or JSON Lines file read?

``.jsonl`` and ``.ndjson`` hold one object per line. ``.json`` holds one list of objects, or one object with such a list
under ``data``, or objects one after another, indented or not (some published samples are written so).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from albert_cli.data.raw_table import RawTable, empty_table_error
from albert_cli.data.readers_delimited import strict_lines
from albert_cli.errors import DataError
from albert_cli.files.json_text import json_value_at, parse_json
from albert_cli.files.limits import MAX_JSON_LINE_BYTES
from albert_cli.files.text import safe_line

Row = tuple[int, Any]


def read_jsonl(path: Path) -> RawTable:
    """Read one JSON object per line; empty lines are no rows.

    Returns:
        The table. A key that a row lacks is None there.

    Raises:
        DataError: located at ``file:line``: no rows, not JSON, not an object, not UTF-8.
    """
    return _table(path, ((number, _parse(path, number, line)) for number, line in strict_lines(path) if line.strip()))


def read_json(path: Path) -> RawTable:
    """Read a list of JSON objects, or objects one after another.

    Returns:
        The table. A key that a row lacks is None there.

    Raises:
        DataError: located at ``file:line``: no rows, not JSON, not an object, not UTF-8.
    """
    text = "\n".join(line for _, line in strict_lines(path, max_line_bytes=MAX_JSON_LINE_BYTES))
    values = _values(path, text)
    if len(values) == 1 and isinstance(values[0][1], dict) and isinstance(values[0][1].get("data"), list):
        values = [(values[0][0], values[0][1]["data"])]
    if len(values) == 1 and isinstance(values[0][1], list):
        return _table(path, enumerate(values[0][1]), has_lines=False)
    return _table(path, values)


def _values(path: Path, text: str) -> list[Row]:
    """Top-level JSON values one after another, each with the line it begins in."""
    values: list[Row] = []
    place, line, counted = 0, 1, 0
    while place < len(text):
        if text[place] in " \t\r\n":
            place += 1
            continue
        line, counted = line + text.count("\n", counted, place), place
        try:
            value, place = json_value_at(text, place)
        except json.JSONDecodeError as error:
            raise _not_json(path, error.lineno, error) from error
        values.append((line, value))
    return values


def _parse(path: Path, number: int, line: str) -> Any:
    try:
        return parse_json(line)
    except json.JSONDecodeError as error:
        raise _not_json(path, number, error) from error


def _not_json(path: Path, number: int, error: json.JSONDecodeError) -> DataError:
    return DataError(
        f"not JSON: {error.msg}, column {error.colno} ({safe_line(str(path))}:{number})",
        hint='each row is one JSON object, such as {"text": "...", "label": "..."}',
    )


def _table(path: Path, rows: Iterable[Row], *, has_lines: bool = True) -> RawTable:
    found: list[dict[str, Any]] = []
    lines: list[int] = []
    for number, value in rows:
        if not isinstance(value, dict):
            place = f"{safe_line(str(path))}:{number}" if has_lines else f"{safe_line(str(path))}, row {number}"
            raise DataError(
                f"a row is {_kind(value)}, not an object ({place})",
                hint='each row is one JSON object, such as {"text": "...", "label": "..."}',
            )
        found.append(value)
        lines.append(number)
    if not found:
        raise empty_table_error(str(path))
    names = dict.fromkeys(name for row in found for name in row)
    columns = {name: [row.get(name) for row in found] for name in names}
    return RawTable(source=str(path), columns=columns, lines=lines if has_lines else None)


def _kind(value: Any) -> str:
    kinds = {list: "a list", str: "a string", bool: "true or false", int: "a number", float: "a number"}
    return kinds.get(type(value), "null")
