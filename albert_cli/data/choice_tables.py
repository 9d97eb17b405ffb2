"""Which columns of a table are the context, the question, the choices and the label of a question?

Found by themselves are the names of RACE, SWAG and HellaSwag, in files and on the hub, and usual names of own tables.
Choices stand in one column of lists, or in several columns with one choice each (``ending0``, ``ending1``, ...).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from albert_cli.data.guesses import guess_choice_label, guess_text, say_guessed
from albert_cli.data.questions import Question, kind_of, read_choices, read_label, read_text
from albert_cli.data.race_files import level_of, questions_of_passage
from albert_cli.data.raw_table import RawTable
from albert_cli.errors import DataError
from albert_cli.files.text import safe_line

ROLES = ("context", "question", "choices", "label", "id")

# The most telling first; a table of SWAG has sent1 and sent2 beside startphrase, which is both of them together.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "context": (
        "article", "context", "sent1", "ctx_a", "passage", "paragraph", "startphrase", "prompt", "premise", "ctx",
        "story", "text",
    ),
    "question": ("question", "sent2", "ctx_b", "stem", "query", "q"),
    "choices": ("choices", "options", "endings", "candidates", "answers"),
    "label": ("label", "answer", "answerKey", "answer_key", "gold", "correct", "target"),
    "id": ("id", "example_id", "idx", "ind", "question_id", "qid", "guid"),
    "subset": ("subset", "level", "split_type"),
}  # fmt: skip
_ONE_CHOICE = re.compile(r"(?:ending|choice|option|answer|candidate)[ _-]?(\d{1,3}|[a-z])|([a-z])", re.IGNORECASE)
_MOST_SUBSETS = 20  # more different values are not parts of the data but something else


@dataclass(frozen=True)
class ChoiceColumns:
    """Names of a table's columns by what they mean; None: the table has none.

    Attributes:
        context: text that the question is about.
        question: what is asked.
        choices: one column of lists, or several columns with one choice each.
        label: number, letter or text of the right choice.
        id: of the row.
        subset: part of the data to be scored by itself.
        guessed: role and name of the columns that only their values told.
    """

    context: str | None
    question: str | None
    choices: tuple[str, ...]
    label: str | None
    id: str | None
    subset: str | None
    guessed: tuple[tuple[str, str], ...] = ()

    def described(self) -> str:
        """For people: ``context=article, choices=options``."""
        pairs = [(role, getattr(self, role)) for role in (*ROLES, "subset")]
        named = [(role, value if isinstance(value, str) else ",".join(value)) for role, value in pairs if value]
        text = ", ".join(f"{role}={safe_line(value)}" for role, value in named)
        return f"{text}; {say_guessed(dict(self.guessed))}" if self.guessed else text


def questions_of_table(table: RawTable, *, chosen: Mapping[str, str], needs_label: bool) -> tuple[list[Question], str]:
    """Questions of a table, and a line that says which columns were taken.

    Args:
        table: rows with one question each, or passages of RACE with a list of questions each.
        chosen: names that the recipe gives for ``context``, ``question``, ``choices``, ``label``, ``id``.
        needs_label: whether a row without a label is an error.

    Raises:
        DataError: located: a column that lacks, choices that are none, a label outside them.
    """
    if not chosen and {"article", "questions", "options"} <= set(table.columns):
        return _questions_of_passages(table, needs_label=needs_label), "passages of RACE"
    columns = resolve_choice_columns(table, chosen=chosen, needs_label=needs_label)
    values = _subset_values(table, columns)
    made: list[Question] = []
    seen: dict[str, int] = {}
    for row in range(table.num_rows):
        made.append(_question(table, columns, row, subset=values[row], needs_label=needs_label, seen=seen))
    return made, columns.described()


def resolve_choice_columns(table: RawTable, *, chosen: Mapping[str, str], needs_label: bool) -> ChoiceColumns:
    """Find the columns of a table.

    Raises:
        DataError: there are no choices, nothing that they follow, a named column lacks, or labels that are needed.
    """
    names = tuple(table.columns)
    choices = _choice_columns(table, chosen.get("choices"))
    found: dict[str, str | None] = {}
    for role in ("context", "question", "label", "id"):
        if role in chosen and chosen[role] not in names and (needs_label or role not in ("label", "id")):
            raise _missing(table, f"no column {safe_line(chosen[role])!r} for columns.{role}", role=role)
        free = [name for name in names if name not in choices and name not in found.values()]
        found[role] = chosen[role] if chosen.get(role) in names else _first(_NAMES[role], free)
    guessed: dict[str, str] = {}
    free = [name for name in names if name not in choices and name not in found.values()]
    if found["label"] is None and needs_label and (label := guess_choice_label(table, free, choices)) is not None:
        guessed["label"] = label
        free.remove(label)
    if found["context"] is None and found["question"] is None and (text := guess_text(table, free)) is not None:
        guessed["question"] = text
    found |= guessed
    if found["context"] is None and found["question"] is None:
        raise _missing(table, "no column for the context or the question", role="question")
    if found["label"] is None and needs_label:
        raise _missing(table, "no column for the label (label or answer)", role="label")
    free = [name for name in names if name not in choices and name not in found.values()]
    subset = _first(_NAMES["subset"], free)
    return ChoiceColumns(choices=choices, subset=subset, guessed=tuple(guessed.items()), **found)


def _choice_columns(table: RawTable, chosen: str | None) -> tuple[str, ...]:
    names = tuple(table.columns)
    if chosen is not None:
        parts = (chosen,) if chosen in names else tuple(part.strip() for part in chosen.split(","))
        missing = next((part for part in parts if part not in names), None)
        if missing is not None:
            raise _missing(table, f"no column {safe_line(missing)!r} for columns.choices", role="choices")
        return parts
    one = _first(_NAMES["choices"], names)
    if one is not None:
        return (one,)
    numbered: dict[str, list[tuple[Any, str]]] = {}
    for name in names:
        match = _ONE_CHOICE.fullmatch(name)
        if match is not None:
            mark = match[1] or match[2]
            family = name[: len(name) - len(mark)].lower()
            numbered.setdefault(family, []).append(((int(mark), "") if mark.isdigit() else (0, mark.lower()), name))
    if "" in numbered:  # A, B, C; a lone q is none of them
        numbered[""] = [one for place, one in enumerate(sorted(numbered[""])) if one[0] == (0, chr(97 + place))]
    several = max(numbered.values(), key=len, default=[])
    if len(several) < 2:
        raise _missing(
            table, "no column for the choices (choices, options, endings, or ending0, ending1, ...)", role="choices"
        )
    return tuple(name for _, name in sorted(several))


def _questions_of_passages(table: RawTable, *, needs_label: bool) -> list[Question]:
    made: list[Question] = []
    for row in range(table.num_rows):
        passage = {name: values[row] for name, values in table.columns.items()}
        made += questions_of_passage(passage, place=table.place(row), name=str(row), needs_label=needs_label)
    return made


def _question(
    table: RawTable, columns: ChoiceColumns, row: int, *, subset: str, needs_label: bool, seen: dict[str, int]
) -> Question:
    place = table.place(row)
    cells = [table.columns[name][row] for name in columns.choices]
    choices, names = _choices(cells, place=place)
    label = read_label(_cell(table, columns.label, row), choices, place=place, names=names)
    if label < 0 and needs_label:
        raise DataError(
            f"no label ({place}, column {safe_line(columns.label or 'label')})",
            hint="remove the row, or give it a label; only test splits may lack labels",
        )
    identifier = _cell(table, columns.id, row)
    name = "" if identifier is None else str(identifier)
    if columns.id == "example_id" and name:  # of RACE on the hub: it names the passage
        seen[name] = seen.get(name, -1) + 1
        name = f"{name}#{seen[name]}"
    return Question(
        context=read_text(_cell(table, columns.context, row), what="context", place=place),
        question=read_text(_cell(table, columns.question, row), what="question", place=place),
        choices=choices,
        label=label,
        id=name,
        subset=subset or level_of(name),
    )


def _choices(cells: Sequence[Any], *, place: str) -> tuple[tuple[str, ...], Sequence[str]]:
    """Choices of a row and what the source calls them: of a list, a JSON list in a text, or a column for each."""
    if len(cells) > 1:
        used = list(cells)
        while used and used[-1] in (None, ""):  # a question with fewer choices than the table has columns
            used.pop()
        return read_choices(used, place=place), ()
    value = cells[0]
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"the choices are text, not a list ({place})", hint='write them as ["first", "second", ...]'
            ) from error
    if isinstance(value, Mapping) and "text" in value:  # {"text": [...], "label": ["A", ...]}, as some sets of the hub
        names = value.get("label") or []
        if not isinstance(names, list):
            raise DataError(
                f"the names of the choices are {kind_of(names)}, not a list ({place})", hint="leave them out"
            )
        return read_choices(value["text"], place=place), [str(name) for name in names]
    return read_choices(value, place=place), ()


def _subset_values(table: RawTable, columns: ChoiceColumns) -> list[str]:
    """Part of each row; none where a column of that name says something else."""
    values = [""] * table.num_rows
    if columns.subset is not None:
        found = ["" if value is None else str(value) for value in table.columns[columns.subset]]
        if len(set(found)) <= _MOST_SUBSETS:
            values = found
    return values


def _cell(table: RawTable, column: str | None, row: int) -> Any:
    return None if column is None else table.columns[column][row]


def _first(wanted: Sequence[str], names: Sequence[str]) -> str | None:
    """First wanted name that is there; by exact spelling, then by spelling without case."""
    folded = {name.casefold(): name for name in reversed(names)}
    exact = next((name for name in wanted if name in names), None)
    return exact or next((folded[name.casefold()] for name in wanted if name.casefold() in folded), None)


def _missing(table: RawTable, problem: str, *, role: str) -> DataError:
    found = ", ".join(safe_line(name, limit=40) for name in list(table.columns)[:20])
    place = safe_line(table.source) if table.lines is None else f"{safe_line(table.source)}:1"
    return DataError(f"{problem} ({place} has: {found})", hint=f"name the column: --set data.columns.{role}=NAME")
