"""What did the input say of each row besides what the task reads? Tables of predictions keep it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from albert_cli.data.readers_arrow import read_parquet
from albert_cli.data.readers_delimited import read_csv
from albert_cli.data.readers_json import read_jsonl
from albert_cli.data.split_files import table_format
from albert_cli.data.tasks.catalogue import find_task
from albert_cli.data.tasks.load import read_table
from albert_cli.errors import DataError
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.stages.tasks.open import is_text_task

_READERS = {".csv": read_csv, ".jsonl": read_jsonl, ".ndjson": read_jsonl, ".parquet": read_parquet}
# What the rows of a task are called where their source is no table.
_OWN = ("id", "text", "text_pair", "title", "question", "context", "choices", "tokens")
_OURS = frozenset({"index", "prediction", "scores", "choice", "start", "end", "score", "null_odds", "entities"})


class InputColumns:
    """Columns of the input, by row.

    Args:
        rows: the task's rows, a ``datasets.Dataset``.
        table: columns of the source as they were found, a value for each row; None takes those of the rows.
    """

    def __init__(self, rows: Any, table: Mapping[str, Sequence[Any]] | None) -> None:
        self._rows = rows.select_columns([name for name in _OWN if name in rows.column_names])
        self._table = table

    def add_to(self, records: Sequence[Mapping[str, Any]], *, first: int) -> list[dict[str, Any]]:
        """Records with the columns of their rows behind ``index`` and ``id``.

        A column with the name of one of ours becomes ``input_NAME``; one that a record has anyway is not repeated.

        Args:
            records: of neighbouring rows.
            first: number of the first.
        """
        last = first + len(records)
        if self._table is None:
            found = self._rows[first:last]
        else:
            found = {name: values[first:last] for name, values in self._table.items()}
        return [
            _merged(record, {name: values[number] for name, values in found.items()})
            for number, record in enumerate(records)
        ]


def input_columns(recipe: FinetuneRecipe, path: Path, rows: Any) -> InputColumns:
    """Find the columns of an input.

    Args:
        recipe: of the task.
        path: the input.
        rows: what the task read from it.
    """
    table = _read(recipe, path)
    if table is None or any(len(values) < len(rows) for values in table.values()):
        return InputColumns(rows, None)
    has_our_index = "index" in table and all(
        str(one) == str(number) for one, number in zip(table["index"], _indices(rows), strict=False)
    )
    kept = {name: values for name, values in table.items() if name != "index" or not has_our_index}
    return InputColumns(rows, kept)


def _read(recipe: FinetuneRecipe, path: Path) -> Mapping[str, Sequence[Any]] | None:
    """Columns of a table with a record for each row; None for other sources."""
    try:
        if is_text_task(recipe):
            return read_table(path, spec=find_task(recipe.task)).columns
        read = _READERS.get(table_format(path) or "") if path.is_file() else None
        return None if read is None else read(path).columns
    except DataError:  # no table after all, such as a file of columns named .csv; the task has read it
        return None


def _indices(rows: Any) -> Sequence[int]:
    return rows.select_columns(["idx"])[:]["idx"] if "idx" in rows.column_names else range(len(rows))


def _merged(record: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    begin = {name: record[name] for name in ("index", "id") if name in record}
    kept: dict[str, Any] = {}
    for name, value in row.items():
        if name in _OURS:
            kept[f"input_{name}"] = _plain(value)
        elif name not in record:
            kept[name] = _plain(value)
    return {**begin, **kept, **record}


def _plain(value: Any) -> Any:
    """A value that JSON can hold; dates and the like as text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else str(value)
