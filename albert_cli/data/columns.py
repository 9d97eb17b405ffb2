"""Which column of a table is the text, the second text, the label, the identifier?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from albert_cli.data.guesses import guess_label, guess_text, header_is_a_row
from albert_cli.data.raw_table import RawTable
from albert_cli.data.tasks.spec import ColumnNames
from albert_cli.errors import DataError
from albert_cli.files.text import safe_line

ROLES = ("text", "text_pair", "label", "id")


@dataclass(frozen=True)
class Columns:
    """Names of a table's columns by what they mean; None: the table has none."""

    text: str
    text_pair: str | None
    label: str | None
    id: str | None
    guessed: frozenset[str] = frozenset()
    """Roles that no name told, only the values."""

    @property
    def guesses(self) -> dict[str, str]:
        """Names of the columns that only the values told, by role."""
        return {role: getattr(self, role) for role in sorted(self.guessed)}

    def described(self) -> str:
        """For people: ``text=review, label=stars``."""
        pairs = [(role, getattr(self, role)) for role in ROLES]
        return ", ".join(f"{role}={safe_line(name)}" for role, name in pairs if name is not None)


def resolve_columns(
    table: RawTable, known: ColumnNames, *, chosen: Mapping[str, str], needs_label: bool, guess: str | None
) -> Columns:
    """Find the columns of a table.

    Args:
        table: the table.
        known: names to look for, in order; upper and lower case are the same where no exact name is there.
        chosen: names that the recipe gives (``columns.text``, ...); they are not looked up but required.
        needs_label: whether a table without labels is an error.
        guess: kind of the task (``classification``, ``regression``, ``multi-label``) whose columns may be guessed from
            their values where no known name is there; None guesses nothing.

    Raises:
        DataError: a column is missing; the message lists those there are.
    """
    names = tuple(table.columns)
    for role, name in chosen.items():
        if name not in names:
            raise _missing(table, f"no column {safe_line(name)!r} for columns.{role}", role=role)
    label = chosen.get("label") or _first(known.label, names)
    identifier = chosen.get("id") or _first(known.id, names)
    free = [name for name in names if name not in (label, identifier, *chosen.values())]
    text, pair = _texts(known, free, chosen)
    guessed: set[str] = set()
    guess = None if guess is None or header_is_a_row(table) else guess
    if label is None and needs_label and guess is not None:
        label = guess_label(table, [name for name in free if name not in (text, pair)], kind=guess)
        guessed |= {"label"} if label is not None else set()
    if needs_label and label is None:
        raise _missing(table, f"no column for the label ({' or '.join(known.label[:4])})", role="label")
    if text is None and guess is not None:
        left = [name for name in free if name != label]
        text = left[0] if len(left) == 1 else guess_text(table, left)
        guessed.add("text")
    if text is None:
        wanted = " or ".join(" and ".join(part for part in pair if part) for pair in known.texts[:3])
        raise _missing(table, f"no column for the text ({wanted})", role="text")
    return Columns(text=text, text_pair=pair, label=label, id=identifier, guessed=frozenset(guessed))


def _texts(known: ColumnNames, free: Sequence[str], chosen: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Text and second text; a chosen text has no second one unless that is chosen too."""
    if "text" in chosen:
        return chosen["text"], chosen.get("text_pair")
    for text, pair in known.texts:
        found = _first((text,), free)
        other = _first((pair,), free) if pair is not None else None
        if found is not None and (pair is None or other is not None):
            return found, chosen.get("text_pair", other)
    return None, chosen.get("text_pair")


def _first(wanted: Sequence[str], names: Sequence[str]) -> str | None:
    """First wanted name that is there; by exact spelling, then by spelling without case."""
    exact = next((name for name in wanted if name in names), None)
    if exact is not None:
        return exact
    folded = {name.casefold(): name for name in reversed(names)}
    return next((folded[name.casefold()] for name in wanted if name.casefold() in folded), None)


def _missing(table: RawTable, problem: str, *, role: str) -> DataError:
    found = ", ".join(safe_line(name, limit=40) for name in list(table.columns)[:20])
    place = safe_line(table.source) if table.lines is None else f"{safe_line(table.source)}:1"
    hint = f"name the column: --set data.columns.{role}=NAME"
    if table.lines is not None and header_is_a_row(table):
        hint = "the first line looks like a row: write a line with names, such as text,label, above it"
    return DataError(f"{problem} ({place} has: {found})", hint=hint)
