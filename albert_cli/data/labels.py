"""Which classes does a table have, and which number has each row's label?

Classes are known by name everywhere; their numbers are places in the list of names. Missing labels (test sets) are None
until `encode_labels` gives them -1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from albert_cli.data.raw_table import RawTable
from albert_cli.data.tasks.spec import TaskSpec
from albert_cli.errors import DataError
from albert_cli.files.text import safe_line

MISSING = -1

# A table where every row has a class of its own is one of scores or identifiers.
_TOO_MANY_CLASSES_ROWS = 50


def find_label_names(tables: Sequence[RawTable], column: str, *, kind: str) -> tuple[str, ...]:
    """Names of the classes of a training table.

    Args:
        tables: parts of the training split.
        column: of the labels.
        kind: ``classification`` or ``multi-label``.

    Returns:
        The order that the data declares (ClassLabel); else numbers by size and other names by code point.

    Raises:
        DataError: labels of mixed types, one class only, or a class for each row.
    """
    declared = tables[0].class_names.get(column)
    if declared is not None:
        return declared
    names: dict[str, None] = {}
    types: dict[str, str] = {}
    rows = 0
    for table in tables:
        for row, value in enumerate(table.columns[column]):
            for label in _label_list(value) if kind == "multi-label" else [value]:
                if label is not None and label != "":
                    names[_name_of(label, types, place=table.place(row))] = None
        rows += table.num_rows
    source = safe_line(tables[0].source)
    if len(names) < (1 if kind == "multi-label" else 2):
        found = f"the only label is {safe_line(next(iter(names)))!r}" if names else "no row has a label"
        raise DataError(f"{found} ({source}, column {column})", hint="training needs rows of at least two classes")
    if len(names) == rows > _TOO_MANY_CLASSES_ROWS and kind == "classification":
        raise DataError(
            f"every one of {rows} rows has a label of its own ({source}, column {column})",
            hint="name another column with data.columns.label, or use task text-regression for scores",
        )
    return tuple(sorted(names, key=_class_order(names)))


def encode_labels(table: RawTable, column: str, *, spec: TaskSpec, names: Sequence[str], required: bool) -> list[Any]:
    """Labels of a table as the declared features want them.

    Args:
        table: the rows.
        column: of the labels.
        spec: the task.
        names: the classes in order; ignored for regression.
        required: whether a missing label is an error (training, scoring).

    Returns:
        Classification: class numbers, -1 where unlabelled. Regression: floats, None where unlabelled. Multi-label:
        sorted lists of class numbers, None where unlabelled.

    Raises:
        DataError: located: an unknown class, a score that is not a finite number, a missing label that is required.
    """
    if spec.kind == "regression":
        labels = _scores(table, column, unlabelled=spec.unlabelled_score)
    else:
        labels = _classes(table, column, spec=spec, names=names)
    if required:
        row = next((row for row, label in enumerate(labels) if label is None), None)
        if row is not None:
            raise DataError(
                f"no label ({table.place(row)}, column {safe_line(column)})",
                hint="remove the row, or give it a label; only test splits may lack labels",
            )
    if spec.kind == "classification":
        return [MISSING if label is None else label for label in labels]
    return labels


def _classes(table: RawTable, column: str, *, spec: TaskSpec, names: Sequence[str]) -> list[Any]:
    numbers = {name.strip(): number for number, name in enumerate(names)}
    numbers.update({alias: numbers[name] for alias, name in spec.label_aliases.items() if name in numbers})
    declared = table.class_names.get(column)
    known: dict[Any, int] = {}  # by value as found; a table has few different ones
    labels: list[Any] = []
    for row, value in enumerate(table.columns[column]):
        if spec.kind == "multi-label":
            parts = _label_list(value)
            found = None if value is None else sorted({_number(p, numbers, known, table=table, row=row) for p in parts})
            labels.append(found)
        elif value is None or _is_unlabelled(value, spec, declared):
            labels.append(None)
        else:
            labels.append(_number(value, numbers, known, table=table, row=row))
    return labels


def _is_unlabelled(value: Any, spec: TaskSpec, declared: tuple[str, ...] | None) -> bool:
    """-1 stands for "unlabelled" unless a class has that name; so does an empty cell."""
    if declared is not None:
        return False
    return value == "" or (spec.is_official and str(value) == "-1") or (type(value) is int and value == MISSING)


def _number(value: Any, numbers: Mapping[str, int], known: dict[Any, int], *, table: RawTable, row: int) -> int:
    # True == 1 and 1.0 == 1 as dictionary keys, though their names differ
    key = (type(value), value) if isinstance(value, str | int | float) else None
    if key is not None and key in known:
        return known[key]
    name = _name_of(value, {}, place=table.place(row))
    if name not in numbers:
        listed = ", ".join(safe_line(known_name, limit=40) for known_name in list(numbers)[:12])
        hint = f"known labels: {listed}" + (", ..." if len(numbers) > 12 else "")
        if name.lstrip("-").isdigit() and not any(other.lstrip("-").isdigit() for other in numbers):
            hint += "; numbers without names could be in any order, so write the names"
        raise DataError(f"unknown label {safe_line(name, limit=60)!r} ({table.place(row)})", hint=hint)
    known[key] = numbers[name]
    return numbers[name]


def _name_of(label: Any, types: dict[str, str], *, place: str) -> str:
    """Name of a class. ``types`` remembers the kind of the labels before it: two kinds in one column are a mistake."""
    kind = {str: "text", bool: "true/false", int: "numbers", float: "numbers"}.get(type(label))
    if kind is None or (isinstance(label, float) and not label.is_integer()):
        shown = safe_line(str(label), limit=40)
        raise DataError(
            f"{shown} is no class ({place})", hint="a class is a word or a whole number; scores need regression"
        )
    before = types.setdefault("kind", kind)
    if before != kind:
        raise DataError(f"a label of mixed type: {kind} after {before} ({place})", hint="write all labels the same way")
    return label.strip() if isinstance(label, str) else str(int(label) if isinstance(label, float) else label)


def _label_list(value: Any) -> list[Any]:
    """Labels of one row of a multi-label table: a list, or one text with commas."""
    if value is None:
        return []
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value) if isinstance(value, list | tuple) else [value]


def _class_order(names: Mapping[str, None]) -> Any:
    """Sort key: by size where all names are whole numbers, else by code point."""
    numeric = all(name.removeprefix("-").isascii() and name.removeprefix("-").isdigit() for name in names)
    return int if numeric else str


def _scores(table: RawTable, column: str, *, unlabelled: float | None) -> list[float | None]:
    scores: list[float | None] = []
    for row, value in enumerate(table.columns[column]):
        if value is None or value == "":
            scores.append(None)
            continue
        try:
            score = math.nan if isinstance(value, bool | list | dict) else float(value)
        except (TypeError, ValueError):
            score = math.nan
        if not math.isfinite(score):
            raise DataError(
                f"not a number: {safe_line(str(value), limit=40)!r} ({table.place(row)}, column {safe_line(column)})",
                hint="a score is a finite number; use task text-classification for classes",
            )
        scores.append(None if score == unlabelled else score)
    return scores
