"""A table as it was found, before any column means anything, and where each of its rows stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from albert_cli.errors import DataError
from albert_cli.files.text import safe_line


@dataclass(frozen=True)
class RawTable:
    """Columns of Python values.

    Attributes:
        source: the file, or the name of a hub data set, as messages show it.
        columns: values by column name; all columns are equally long.
        lines: line of the file where each row begins, from 1; None where rows have no lines (parquet, hub).
        class_names: names of the classes, in their own order, of columns that declare them.
        skipped: malformed rows that were left out.
    """

    source: str
    columns: Mapping[str, Sequence[Any]]
    lines: Sequence[int] | None = None
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    skipped: int = 0

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values()), ()))

    def place(self, row: int) -> str:
        """Where a row stands, for messages: ``file:line``, or the row number (from 0) where there are no lines."""
        if self.lines is None:
            return f"{safe_line(self.source)}, row {row}"
        return f"{safe_line(self.source)}:{self.lines[row]}"

    def take(self, rows: Sequence[int]) -> RawTable:
        """The same table with only these rows, in this order."""
        return RawTable(
            source=self.source,
            columns={name: [values[row] for row in rows] for name, values in self.columns.items()},
            lines=None if self.lines is None else [self.lines[row] for row in rows],
            class_names=self.class_names,
            skipped=self.skipped,
        )


def empty_table_error(source: str) -> DataError:
    """The error for a table without rows."""
    return DataError(f"no rows ({safe_line(source)})", hint="check that the file was written or downloaded completely")
