"""Which columns of an own table are text, label, words, tags, question or answer, when their names do not say it?

The values say it: a label repeats, a score is a number, an answer stands in its context, tags are as many as words.
Nothing is guessed where two columns would do equally well; whoever asks then names the columns. A sample of the rows is
looked at.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from albert_cli.data.raw_table import RawTable
from albert_cli.files.text import safe_line

_SAMPLE = 1_000
_LONGEST_LABEL = 60  # characters
_MOST_CLASSES = 200
_CLEARLY_LONGER = 2.0
_NEARLY_ALL = 0.9
_QUESTION_MARKS = ("?", "\uff1f", "\u061f")


def say_guessed(roles: Mapping[str, str]) -> str:
    """The line by which a user hears of a guess."""
    named = ", ".join(f"{role}={safe_line(name)}" for role, name in roles.items())
    example = next(iter(roles))
    return f"columns guessed from their values: {named} (another: --set data.columns.{example}=NAME)"


def guess_label(table: RawTable, free: Sequence[str], *, kind: str) -> str | None:
    """The only free column that can be the label of a task of texts.

    Args:
        table: the rows.
        free: names of the columns whose meaning nobody said.
        kind: ``classification``, ``regression`` or ``multi-label``.
    """
    fits = {"classification": _are_classes, "regression": _are_scores, "multi-label": _are_sets}[kind]
    return _only(name for name in free if fits(_sample(table, name)))


def guess_text(table: RawTable, free: Sequence[str]) -> str | None:
    """The only free column of texts, or the one with clearly the longest ones."""
    return _longest(table, [name for name in free if _are_texts(_sample(table, name))])


def guess_tagged(table: RawTable, free: Sequence[str]) -> tuple[str, str] | None:
    """Columns of words and of tags: as many in every row, and of the tags fewer different ones."""
    read = {name: [_items(value) or [] for value in _sample(table, name)] for name in free}
    lists = {name: rows for name, rows in read.items() if all(rows) and sum(map(len, rows)) > len(rows)}
    pairs = [
        (one, other)
        for one in lists
        for other in lists
        if one != other
        and [len(items) for items in lists[one]] == [len(items) for items in lists[other]]
        and _different(lists[other]) * 2 <= _different(lists[one])
    ]
    return pairs[0] if len(pairs) == 1 else None


def guess_span_columns(table: RawTable, known: Mapping[str, str], free: Sequence[str]) -> dict[str, str]:
    """Question, context and answers where they are missing: a context holds its answer, a question asks.

    Args:
        table: the rows.
        known: columns whose meaning their names say.
        free: the others.

    Returns:
        The missing roles that there is no doubt about.
    """
    texts = [name for name in free if _are_texts(_sample(table, name))]
    found = dict(known)
    if "context" not in found:
        candidate = _longest(table, texts)
        if candidate is not None:
            found["context"] = candidate
    rest = [name for name in texts if name not in found.values()]
    if "answers" not in found and "context" in found:
        contexts = _sample(table, found["context"])
        answer = _only(name for name in rest if _stand_in(_sample(table, name), contexts))
        if answer is not None:
            found["answers"] = answer
            rest.remove(answer)
    if "question" not in found:
        question = _only(rest) or _only(name for name in rest if _ask(_sample(table, name)))
        if question is not None:
            found["question"] = question
    return {role: name for role, name in found.items() if role not in known}


def guess_choice_label(table: RawTable, free: Sequence[str], choices: Sequence[str]) -> str | None:
    """The only free column whose values are all numbers, letters or texts of the choices."""
    rows = list(zip(*(_sample(table, name) for name in choices), strict=True))
    several = len(choices) > 1

    def fits(values: Sequence[Any]) -> bool:
        for value, cells in zip(values, rows, strict=True):
            texts = [str(cell) for cell in (cells if several else _items(cells[0]) or ())]
            marks = {*texts, *map(str, range(len(texts) + 1)), *(chr(97 + n) for n in range(len(texts)))}
            marks |= {mark.upper() for mark in marks if len(mark) == 1} | {name for name in choices if several}
            if value is None or str(value).strip() not in marks:
                return False
        return bool(values)

    return _only(name for name in free if fits(_sample(table, name)))


def header_is_a_row(table: RawTable) -> bool:
    """Whether the names of the columns look like values: the first line of the file is a row, not a heading.

    One of them stands among the values of its column, and the others are sentences, numbers or such values, too.
    """
    values = {name: {str(value) for value in _sample(table, name)} for name in table.columns}
    repeated = [name for name in values if name in values[name]]
    others = [name for name in values if name not in repeated]
    return bool(repeated) and all(" " in name.strip() or _number(name) is not None for name in others)


def _sample(table: RawTable, name: str) -> Sequence[Any]:
    return table.columns[name][:_SAMPLE]


def _only(names: Iterable[str]) -> str | None:
    found = list(names)
    return found[0] if len(found) == 1 else None


def _said(values: Sequence[Any]) -> list[Any]:
    return [value for value in values if value is not None and value != ""]


def _are_texts(values: Sequence[Any]) -> bool:
    said = _said(values)
    return bool(said) and all(isinstance(value, str) for value in said) and not _are_numbers(said)


def _are_numbers(values: Sequence[Any]) -> bool:
    return bool(values) and all(_number(value) is not None for value in values)


def _number(value: Any) -> float | None:
    if isinstance(value, bool | list | dict):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _are_classes(values: Sequence[Any]) -> bool:
    """Few short values, each of which comes again."""
    said = _said(values)
    if not all(_is_class(value) for value in said):
        return False
    different = len({str(value) for value in said})
    return 2 <= different <= min(_MOST_CLASSES, len(said) / 2)


def _is_class(value: Any) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, str | int) and len(str(value)) <= _LONGEST_LABEL


def _are_scores(values: Sequence[Any]) -> bool:
    """Numbers that do not just count the rows."""
    said = _said(values)
    numbers = [number for value in said if (number := _number(value)) is not None]
    steps = {after - before for before, after in pairwise(numbers)}
    return bool(numbers) and len(numbers) == len(said) and len(numbers) > 1 and steps != {1.0}


def _are_sets(values: Sequence[Any]) -> bool:
    """Lists, or short texts with commas, whose parts come again."""
    said = _said(values)
    if any(isinstance(value, list) for value in said):
        return all(isinstance(value, list) for value in said)
    if not said or not all(isinstance(value, str) for value in said) or not any("," in value for value in said):
        return False
    parts = [part.strip() for value in said for part in value.split(",") if part.strip()]
    return len(set(parts)) * 2 <= len(parts) and max(map(len, parts)) <= _LONGEST_LABEL


def _longest(table: RawTable, names: Sequence[str]) -> str | None:
    lengths = sorted((_mean_length(_sample(table, name)), name) for name in names)
    if len(lengths) > 1 and lengths[-1][0] < _CLEARLY_LONGER * lengths[-2][0]:
        return None
    return lengths[-1][1] if lengths else None


def _mean_length(values: Sequence[Any]) -> float:
    return sum(len(value) for value in values if isinstance(value, str)) / max(len(values), 1)


def _stand_in(answers: Sequence[Any], contexts: Sequence[Any]) -> bool:
    said = [(answer, context) for answer, context in zip(answers, contexts, strict=True) if answer]
    inside = sum(isinstance(context, str) and answer in context for answer, context in said)
    return bool(said) and inside >= _NEARLY_ALL * len(said)


def _ask(values: Sequence[Any]) -> bool:
    said = _said(values)
    return bool(said) and sum(value.rstrip().endswith(_QUESTION_MARKS) for value in said) >= _NEARLY_ALL * len(said)


def _items(value: Any) -> list[str] | None:
    """A list, the text of one, or the words of a text."""
    if isinstance(value, list | tuple):
        return [str(item) for item in value]
    if not isinstance(value, str):
        return None
    if value.lstrip().startswith("["):
        try:
            items = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return value.split()
        return [str(item) for item in items] if isinstance(items, list) else None
    return value.split()


def _different(rows: Sequence[list[str]]) -> int:
    return len({item for items in rows for item in items})
