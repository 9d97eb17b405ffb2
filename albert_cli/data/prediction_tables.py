"""How do predictions become a table for a spreadsheet (CSV) or for other programs (parquet)?

Records are read twice: once to learn which columns there are and of which type, once to write them, so that any number
of them needs little memory.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, BinaryIO

from albert_cli.files.text import json_line

Records = Callable[[], Iterable[Mapping[str, Any]]]

_ROWS_AT_ONCE = 4096
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LARGEST = 2**63


def json_lines(records: Records) -> Iterator[str]:
    """One JSON object a line."""
    return (json_line(record) + "\n" for record in records())


def csv_lines(records: Records) -> Iterator[str]:
    """Comma-separated rows with a header.

    Scores of classes get a column each (``scores.NAME``), lists are written as JSON. A text that a spreadsheet would
    take for a formula gets an apostrophe before it.
    """
    names = list(dict.fromkeys(name for record in records() for name in _flat(record)))
    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow([defused(name) for name in names])
    for record in records():
        cells = _flat(record)
        writer.writerow([_cell(cells.get(name)) for name in names])
        yield page.getvalue()
        page.seek(0)
        page.truncate()
    yield page.getvalue()


def defused(text: str) -> str:
    """A text that no spreadsheet computes: what looks like a formula, and is no number, begins with an apostrophe."""
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and not text[0].isspace()
    except ValueError:
        return False


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with a field for each class's score."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if name == "scores" and isinstance(value, Mapping):
            flat |= {f"scores.{label}": score for label, score in value.items()}
        else:
            flat[name] = value
    return flat


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return defused(value)
    return json_line(value)


def write_parquet(records: Records, file: BinaryIO) -> None:
    """Write records as a parquet file.

    A column has the type of its values; one of several types holds text, with JSON for what is no text.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: dict[str, _Kind] = {}
    for record in records():
        for name, value in record.items():
            kinds[name] = kinds.get(name, _Kind("nothing")).with_value(value)
    schema = pa.schema([(name, kind.arrow()) for name, kind in kinds.items()])
    with pq.ParquetWriter(file, schema) as writer:
        rows = iter(records())
        while part := list(islice(rows, _ROWS_AT_ONCE)):
            columns = [
                pa.array([kind.fitted(row.get(name)) for row in part], type=kind.arrow())
                for name, kind in kinds.items()
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


class _Kind:
    """What the values of a column have in common.

    Args:
        name: nothing, bool, int, float, text, empty list, texts, numbers, scores (of names) or mixed.
        keys: names of scores.
    """

    def __init__(self, name: str, keys: Sequence[str] = ()) -> None:
        self.name = name
        self.keys = tuple(keys)

    def with_value(self, value: Any) -> _Kind:
        """What they have in common with one more."""
        if value is None or self.name == "mixed":
            return self
        other = _kind_of(value)
        known = dict.fromkeys((*self.keys, *other.keys))
        for one, two in ((self.name, other.name), (other.name, self.name)):
            if one == two or one == "nothing" or (one, two) in _WIDER:
                return self if two == self.name and len(known) == len(self.keys) else _Kind(two, tuple(known))
        return _Kind("mixed")

    def arrow(self) -> Any:
        """Type of the column."""
        import pyarrow as pa

        if self.name == "scores":
            return pa.struct([(key, pa.float64()) for key in self.keys])
        types = {
            "bool": pa.bool_(),
            "int": pa.int64(),
            "float": pa.float64(),
            "empty list": pa.list_(pa.string()),
            "texts": pa.list_(pa.string()),
            "numbers": pa.list_(pa.float64()),
        }
        return types.get(self.name, pa.string())

    def fitted(self, value: Any) -> Any:
        """A value as the column takes it."""
        is_text = self.name in ("mixed", "text", "nothing")
        return json_line(value) if is_text and value is not None and not isinstance(value, str) else value


_WIDER = {("int", "float"), ("empty list", "texts"), ("empty list", "numbers")}


def _kind_of(value: Any) -> _Kind:
    if isinstance(value, bool):
        return _Kind("bool")
    if isinstance(value, int):
        return _Kind("int" if -_LARGEST <= value < _LARGEST else "mixed")
    if isinstance(value, float):
        return _Kind("float")
    if isinstance(value, str):
        return _Kind("text")
    if isinstance(value, list):
        if not value:
            return _Kind("empty list")
        if all(isinstance(item, str) for item in value):
            return _Kind("texts")
        return _Kind("numbers" if all(map(_is_plain_number, value)) else "mixed")
    if isinstance(value, Mapping) and value and all(map(_is_plain_number, value.values())):
        return _Kind("scores", tuple(value))
    return _Kind("mixed")


def _is_plain_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST
