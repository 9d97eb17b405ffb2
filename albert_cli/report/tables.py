"""How do rows of results line up, on a terminal, in a pipe and in a log?"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from albert_cli.files.text import safe_text

if TYPE_CHECKING:
    import rich.table


@dataclass(frozen=True)
class Table:
    """Rows under headings.

    Attributes:
        columns: headings.
        rows: cells as text, as many in each row as there are columns.
        title: a line above, or None.
        numeric: which columns hold numbers (right aligned), by position.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str | None = None
    numeric: frozenset[int] = field(default_factory=frozenset)

    def text(self) -> str:
        """Lay the table out in plain characters, one line a row, no trailing spaces."""
        cells = [[_cell(cell) for cell in row] for row in [self.columns, *self.rows]]
        widths = [max(display_width(row[place]) for row in cells) for place in range(len(self.columns))]
        lines = [self._line(row, widths) for row in cells]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join([safe_text(self.title), *lines] if self.title else lines)

    def markdown(self) -> str:
        """Write the table as forges read it; cells are taken literally."""
        heads = " | ".join(_markdown(heading) for heading in self.columns)
        rules = "|".join("---:" if place in self.numeric else "---" for place in range(len(self.columns)))
        rows = [f"| {' | '.join(map(_markdown, row))} |" for row in self.rows]
        return "\n".join([f"| {heads} |", f"|{rules}|", *rows])

    def rich(self) -> rich.table.Table:
        """Build the same table for a terminal; cells are taken literally, not as markup."""
        import rich.box
        import rich.table
        from rich.text import Text

        title = Text(safe_text(self.title)) if self.title else None
        table = rich.table.Table(title=title, title_justify="left", box=rich.box.SIMPLE_HEAD, pad_edge=False)
        for place, heading in enumerate(self.columns):
            table.add_column(Text(_cell(heading)), justify="right" if place in self.numeric else "left")
        for row in self.rows:
            table.add_row(*(Text(_cell(cell)) for cell in row))
        return table

    def _line(self, row: Sequence[str], widths: Sequence[int]) -> str:
        parts = []
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - display_width(cell))
            parts.append(space + cell if place in self.numeric else cell + space)
        return "  ".join(parts).rstrip()


def display_width(text: str) -> int:
    """Columns that a text takes on a terminal: two for wide East Asian characters, none for combining marks."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def _cell(text: str) -> str:
    return safe_text(str(text)).replace("\n", " ").replace("\t", " ")


def _markdown(text: str) -> str:
    """A cell that ends where it should and starts no markup."""
    return "".join(f"\\{letter}" if letter in "\\|`*_<>[]#" else letter for letter in _cell(text))
