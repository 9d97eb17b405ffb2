"""From a table as found to one ``datasets.Dataset`` with declared features.

Whatever the source (TSV, CSV, JSON, parquet, a saved folder, the hub), a split has the columns

- ``idx`` int64: the official index, or the row's place in its split;
- ``id`` string: the identifier of own tables, if they have one;
- ``text`` string, and ``text_pair`` string for pairs;
- ``label``: ClassLabel (-1 unlabelled), float64 (null unlabelled), or a list of ClassLabels (null unlabelled).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from albert_cli.data.columns import Columns
from albert_cli.data.labels import MISSING, encode_labels
from albert_cli.data.raw_table import RawTable
from albert_cli.data.tasks.spec import TaskSpec
from albert_cli.errors import DataError
from albert_cli.files.text import safe_line

_LARGEST_INDEX = 2**63 - 1


def build_dataset(
    table: RawTable,
    columns: Columns,
    *,
    spec: TaskSpec,
    label_names: Sequence[str],
    needs_label: bool,
    first_index: int = 0,
) -> Any:
    """Check a table and make it a ``datasets.Dataset`` with declared features.

    Args:
        table: the rows.
        columns: which column is what.
        spec: the task.
        label_names: classes in order; empty for regression.
        needs_label: whether rows without a label are an error.
        first_index: ``idx`` of the first row where the table has none; rows of earlier files of the split come before.

    Raises:
        DataError: located at the row: a text that is none, an unknown label, an index that is no whole number.
    """
    import datasets

    string = datasets.Value("string")
    features: dict[str, Any] = {"idx": datasets.Value("int64")}
    values: dict[str, Any] = {"idx": _indices(table, columns, spec=spec, first=first_index)}
    if columns.id is not None and not spec.is_official:
        features["id"] = string
        values["id"] = [str(value) for value in table.columns[columns.id]]
    features["text"] = string
    values["text"] = _texts(table, columns.text, null_is_empty=False)
    if columns.text_pair is not None:
        features["text_pair"] = string
        values["text_pair"] = _texts(table, columns.text_pair, null_is_empty=True)
    features["label"] = _label_feature(spec, label_names)
    values["label"] = _labels(table, columns.label, spec=spec, names=label_names, required=needs_label)
    return datasets.Dataset.from_dict(values, features=datasets.Features(features))


def _label_feature(spec: TaskSpec, names: Sequence[str]) -> Any:
    import datasets

    if spec.kind == "regression":
        return datasets.Value("float64")
    classes = datasets.ClassLabel(names=list(names))
    return datasets.Sequence(classes) if spec.kind == "multi-label" else classes


def _labels(table: RawTable, column: str | None, *, spec: TaskSpec, names: Sequence[str], required: bool) -> list[Any]:
    if column is None:
        return [MISSING if spec.kind == "classification" else None] * table.num_rows
    return encode_labels(table, column, spec=spec, names=names, required=required)


def _indices(table: RawTable, columns: Columns, *, spec: TaskSpec, first: int) -> list[int]:
    if columns.id is None or not spec.is_official:
        return list(range(first, first + table.num_rows))
    indices = []
    for row, value in enumerate(table.columns[columns.id]):
        try:
            index = int(value)
        except (TypeError, ValueError):
            index = -1
        if not 0 <= index <= _LARGEST_INDEX:
            raise DataError(
                f"index {safe_line(str(value), limit=40)!r} is no whole number ({table.place(row)})",
                hint=f"column {safe_line(columns.id)} of the official files counts the rows",
            )
        indices.append(index)
    return indices


def _texts(table: RawTable, column: str, *, null_is_empty: bool) -> list[str]:
    texts: list[str] = []
    for row, value in enumerate(table.columns[column]):
        if isinstance(value, str):
            texts.append(value)
        elif value is None and null_is_empty:
            texts.append("")
        else:
            raise DataError(
                f"{'no text' if value is None else f'a text of mixed type: {type(value).__name__}'} "
                f"({table.place(row)}, column {safe_line(column)})",
                hint="every row needs text here; name the column of the text with data.columns.text",
            )
    return _encodable(texts)


def _encodable(texts: list[str]) -> list[str]:
    r"""JSON can write half of a surrogate pair (``"\ud800"``), which no encoding can; it becomes U+FFFD."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts]
    return texts
