"""How are predictions written to a file with the rows' identifiers, and read back to be scored without a model?

Official GLUE tasks also have their leaderboard's own files (`data.tasks.glue.write_submission`); both can be read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from albert_cli.data.raw_table import RawTable
from albert_cli.data.readers_arrow import read_parquet
from albert_cli.data.readers_delimited import read_csv, read_tsv
from albert_cli.data.readers_json import read_jsonl
from albert_cli.data.split_files import table_format
from albert_cli.data.tasks.spec import TaskSpec
from albert_cli.errors import DataError
from albert_cli.files.atomic import write_file
from albert_cli.files.json_text import parse_json
from albert_cli.files.text import json_line, safe_line


def prediction_rows(
    dataset: Any,
    predictions: np.ndarray,
    *,
    spec: TaskSpec,
    label_names: Sequence[str],
    scores: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """Predictions as objects that name their row and class.

    Args:
        dataset: the split (N rows).
        predictions: (N,) class numbers or scores, or (N, C) of 0 and 1.
        spec: the task.
        label_names: classes in order; empty for regression.
        scores: (N, C) probabilities to write beside the class, or None.

    Returns:
        One object per row: ``index`` (the split's ``idx``), ``id`` where the source has one, ``prediction`` (class
        name, list of class names, or number), and ``scores`` by class name if given.
    """
    if len(dataset) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(dataset)} rows")
    columns = dataset.select_columns([name for name in ("idx", "id") if name in dataset.features])[:]
    rows: list[dict[str, Any]] = []
    for number, value in enumerate(predictions):
        row: dict[str, Any] = {"index": columns["idx"][number]}
        if "id" in columns:
            row["id"] = columns["id"][number]
        row["prediction"] = spoken(value, spec, label_names)
        if scores is not None and label_names:
            row["scores"] = {name: float(score) for name, score in zip(label_names, scores[number], strict=True)}
        rows.append(row)
    return rows


def write_predictions(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Write the objects of `prediction_rows`: JSON Lines, or TSV without the scores where the name says so.

    In TSV the classes of a multi-label row are joined by commas, and tabs and newlines of identifiers become spaces.
    """
    is_table = table_format(path) == ".tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = predictions_lines(lambda: rows) if is_table else (f"{json_line(row)}\n" for row in rows)
    write_file(path, "".join(lines))
    return path


def predictions_lines(records: Callable[[], Iterable[Mapping[str, Any]]]) -> Iterator[str]:
    """The objects of `prediction_rows` as lines of tab-separated text with a header, without the scores."""
    names: list[str] | None = None
    for row in records():
        if names is None:
            names = [name for name in ("index", "id", "prediction") if name in row]
            yield "\t".join(names) + "\n"
        yield "\t".join(_cell(row[name]) for name in names) + "\n"


def read_predictions(path: Path, dataset: Any, *, spec: TaskSpec, label_names: Sequence[str]) -> np.ndarray:
    """Read saved predictions in the order of a split's rows.

    Args:
        path: JSON Lines, TSV, CSV or parquet with ``index`` (or ``id``) and ``prediction``, as we or the leaderboard
            write them.
        dataset: the split that was predicted.
        spec: the task.
        label_names: classes in order; empty for regression.

    Returns:
        (N,) int64 class numbers, (N,) float64 scores, or (N, C) int64 of 0 and 1.

    Raises:
        DataError: located: an unknown class, a row twice, rows of the split without a prediction.
    """
    table = _read(path)
    keys = {"index": "idx", "idx": "idx", "id": "id" if "id" in dataset.features else "idx"}
    key = next((name for name in keys if name in table.columns), None)
    if key is None or "prediction" not in table.columns:
        found = ", ".join(safe_line(name) for name in table.columns)
        raise DataError(
            f"no columns index and prediction ({safe_line(str(path))} has: {found})",
            hint="give a file that `albert predict` wrote",
        )
    by_id: dict[str, Any] = {}
    for row, identifier in enumerate(table.columns[key]):
        if str(identifier) in by_id:
            raise DataError(
                f"row {safe_line(str(identifier))!r} is predicted twice ({table.place(row)})", hint="remove one of them"
            )
        by_id[str(identifier)] = _understood(table, row, spec=spec, names=label_names)
    ids = dataset[:][keys[key]]
    missing = [str(identifier) for identifier in ids if str(identifier) not in by_id]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(ids)} rows have no prediction, such as {safe_line(missing[0])!r} "
            f"({safe_line(str(path))})",
            hint="predict the same split that is scored",
        )
    if len(by_id) != len(ids):
        raise DataError(
            f"{len(by_id)} predictions for {len(ids)} rows ({safe_line(str(path))})",
            hint="predict the same split that is scored",
        )
    return np.asarray([by_id[str(identifier)] for identifier in ids])


def read_class_scores(path: Path, dataset: Any, *, label_names: Sequence[str]) -> np.ndarray | None:
    """Read the ``scores`` of a file that `read_predictions` has read already.

    Returns:
        (N, C) float64 probabilities in the order of the split's rows; None where a class or a row has none.
    """
    if not label_names or table_format(path) in (".tsv", ".csv"):
        return None
    table = _read(path)
    if "scores" not in table.columns:
        return None
    key = "index" if "index" in table.columns else "id"
    by_id = {str(name): scores for name, scores in zip(table.columns[key], table.columns["scores"], strict=True)}
    ids = dataset[:]["idx" if key == "index" or "id" not in dataset.features else "id"]
    try:
        found = [[float(by_id[str(name)][label]) for label in label_names] for name in ids]
    except (KeyError, TypeError, ValueError):
        return None
    return np.asarray(found) if np.isfinite(found).all() else None


def references(dataset: Any, *, spec: TaskSpec) -> np.ndarray:
    """The true labels of a labelled split, in the form that `metrics.glue.compute_metrics` takes.

    Returns:
        (N,) int64, (N,) float64, or (N, C) int64 of 0 and 1.
    """
    labels = dataset[:]["label"]
    if spec.kind == "multi-label":
        return _label_sets(labels, len(dataset.features["label"].feature.names))
    return np.asarray(labels, dtype=np.float64 if spec.kind == "regression" else np.int64)


def _label_sets(rows: Sequence[Sequence[int]], classes: int) -> np.ndarray:
    table = np.zeros((len(rows), classes), dtype=np.int64)
    for number, row in enumerate(rows):
        table[number, list(row)] = 1
    return table


def spoken(value: Any, spec: TaskSpec, names: Sequence[str]) -> Any:
    """A prediction in words: the class's name, a list of them, or the score."""
    if spec.kind == "regression":
        return float(value)
    if spec.kind == "multi-label":
        return [name for name, chosen in zip(names, value, strict=True) if chosen]
    return names[int(value)]


def _read(path: Path) -> RawTable:
    readers = {".tsv": read_tsv, ".csv": read_csv, ".parquet": read_parquet}
    return readers.get(table_format(path) or "", read_jsonl)(path)


def _understood(table: RawTable, row: int, *, spec: TaskSpec, names: Sequence[str]) -> Any:
    value = table.columns["prediction"][row]
    if spec.kind == "regression":
        try:
            score = float(value)
        except (TypeError, ValueError):
            score = math.nan
        if not math.isfinite(score):
            raise DataError(
                f"not a number: {safe_line(str(value), limit=40)!r} ({table.place(row)})", hint="check the file"
            )
        return score
    if spec.kind == "multi-label":
        parts = value if isinstance(value, list) else _classes(str(value or ""))
        found = np.zeros(len(names), dtype=np.int64)
        found[[_class_number(str(part), names, table, row) for part in parts]] = 1
        return found
    return _class_number(str(value), names, table, row)


def _classes(text: str) -> list[str]:
    """Classes of a cell: a JSON list, or names with commas."""
    if text.startswith("["):
        with suppress(ValueError):
            return [str(part) for part in parse_json(text)]
    return [part for part in text.split(",") if part]


def _class_number(name: str, names: Sequence[str], table: RawTable, row: int) -> int:
    if name not in names:
        known = ", ".join(safe_line(known, limit=40) for known in names[:12])
        raise DataError(
            f"unknown label {safe_line(name, limit=60)!r} ({table.place(row)})", hint=f"known labels: {known}"
        )
    return list(names).index(name)


def _cell(value: Any) -> str:
    text = ",".join(value) if isinstance(value, list) else str(value)
    return " ".join(text.split("\n")).replace("\t", " ").replace("\r", " ")
