"""From what a recipe says about its data to the checked splits of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from albert_cli.data.columns import resolve_columns
from albert_cli.data.guesses import say_guessed
from albert_cli.data.hub import read_hub
from albert_cli.data.labels import find_label_names
from albert_cli.data.raw_table import RawTable
from albert_cli.data.readers_arrow import is_saved_dataset, read_parquet, read_saved
from albert_cli.data.readers_delimited import read_csv, read_tsv
from albert_cli.data.readers_json import read_json, read_jsonl
from albert_cli.data.sampler import epoch_permutation
from albert_cli.data.split_files import find_split_files, group_by_split, names_of_split, table_format, table_stem
from albert_cli.data.tables import build_dataset
from albert_cli.data.tasks.catalogue import find_task
from albert_cli.data.tasks.glue import DIAGNOSTIC_SPLIT, find_diagnostic
from albert_cli.data.tasks.python_docs import PYTHON_DOCS, read_python_docs
from albert_cli.data.tasks.spec import TaskSpec
from albert_cli.errors import DataError
from albert_cli.files.text import safe_line

# One row in ten is kept for scoring where a table has no dev split. The seed is fixed, so that every run and every
# later `albert eval` parts the same table the same way.
_DEV_SHARE = 10
_DEV_SEED = 1909_11942

_GLUE = "nyu-mll/glue"

Paths = str | Path | Sequence[str | Path]
RawSplits = dict[str, list[RawTable]]


@dataclass(frozen=True)
class TaskData:
    """The splits of a task.

    Attributes:
        spec: the task.
        splits: ``datasets.Dataset`` by split name, with the columns of `data.tables`.
        label_names: classes in the order of the head's outputs; empty for regression.
        columns: for each split, which columns of the source were taken ("text=review, label=stars").
        skipped_rows: malformed rows left out, by split.
        notes: what a user should hear: guesses, rows left out, a dev split taken from the training rows.
    """

    spec: TaskSpec
    splits: dict[str, Any]
    label_names: tuple[str, ...]
    columns: dict[str, str] = field(default_factory=dict)
    skipped_rows: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def num_labels(self) -> int:
        """C, outputs of the head: one per class, or 1 for a score."""
        return len(self.label_names) or 1

    def require(self, split: str) -> Any:
        """The data set of a split.

        Raises:
            DataError: the source has no such split.
        """
        if split not in self.splits:
            raise DataError(
                f"the data of {self.spec.name} has no split {split!r}, only {', '.join(self.splits)}",
                hint=f"add the file, or name the one to use with data.split.{split.partition('_')[0]}=NAME",
            )
        return self.splits[split]


def load_task(
    task_name: str,
    *,
    path: Paths | None = None,
    dataset: str | None = None,
    config: str | None = None,
    revision: str | None = None,
    split: Mapping[str, str] | None = None,
    columns: Mapping[str, str] | None = None,
    limit: int | None = None,
    label_names: Sequence[str] | None = None,
) -> TaskData:
    """Load every split of a task, from files or from the hub.

    Args:
        task_name: such as ``sst2``, ``STS-B``, ``text-classification``.
        path: a folder (official TSV layout, CSV/JSON/parquet files named by split, ``save_to_disk``), a file, or
            several.
        dataset: name on the hub, or ``python-docs``; GLUE tasks without a path default to ``nyu-mll/glue``.
        config: configuration on the hub.
        revision: commit, tag or branch on the hub.
        split: names of the splits ``train``, ``dev``, ``test`` in the source.
        columns: names of the columns ``text``, ``text_pair``, ``label``, ``id`` in the source.
        limit: keep only the first so many rows of each split.
        label_names: the classes of a model that is to be scored; None finds them in the training rows.

    Returns:
        The splits that are there; labels by the number of their name.

    Raises:
        DataError: anything wrong with the data, located.
        UsageError: no such task.
    """
    spec = find_task(task_name)
    chosen = {name: value for name, value in (split or {}).items() if value is not None}
    notes: list[str] = []
    if path is None and (dataset == PYTHON_DOCS.name or spec is PYTHON_DOCS):
        raw: RawSplits = {name: [table] for name, table in read_python_docs().items()}
    elif path is not None:
        raw = _from_paths(path, spec=spec, chosen=chosen, config=config, notes=notes)
    else:
        raw = _from_hub(spec, dataset=dataset, config=config, revision=revision, chosen=chosen)
    _check_chosen(raw, chosen, spec=spec)
    _add_diagnostic_rows(raw, spec=spec, path=path, dataset=dataset, revision=revision, notes=notes)
    _add_dev_split(raw, spec=spec, notes=notes)
    wanted = {name: value for name, value in (columns or {}).items() if value is not None}
    return _build(raw, spec=spec, wanted=wanted, label_names=label_names, limit=limit, notes=notes)


def load_rows(
    task_name: str,
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    label_names: Sequence[str] = (),
    limit: int | None = None,
) -> TaskData:
    """Load one file to predict, whatever its name; labels may be missing.

    Args:
        task_name: the task.
        path: a file of any format that `load_task` reads.
        columns: names of its columns.
        label_names: classes of the model; empty for regression.
        limit: keep only the first so many rows.

    Returns:
        The file as the split ``test``. If it has no label column, every row is unlabelled.
    """
    spec = find_task(task_name)
    names = label_names if spec.kind != "regression" else ()
    wanted = {name: value for name, value in (columns or {}).items() if value is not None}
    raw: RawSplits = {"test": [read_table(Path(path), spec=spec)]}
    return _build(raw, spec=spec, wanted=wanted, label_names=names, limit=limit, notes=[])


def load_records(
    task_name: str, records: Sequence[Mapping[str, Any]], *, label_names: Sequence[str] = (), source: str = "stdin"
) -> TaskData:
    """Take JSON objects to predict, as the lines of a stream hold them.

    Args:
        task_name: the task.
        records: each with ``text`` and, for a pair, ``text_pair``.
        label_names: classes of the model; empty for regression.
        source: where they came from, for messages.

    Returns:
        The objects as the split ``test``, unlabelled.

    Raises:
        DataError: one has no text.
    """
    spec = find_task(task_name)
    columns = {
        "text": [record.get("text") for record in records],
        "text_pair": [record.get("text_pair") or "" for record in records],
    }
    raw: RawSplits = {"test": [RawTable(source=source, columns=columns)]}
    wanted = {"text": "text", "text_pair": "text_pair"}
    return _build(raw, spec=spec, wanted=wanted, label_names=tuple(label_names), limit=None, notes=[])


def read_table(path: Path, *, spec: TaskSpec) -> RawTable:
    """Read one file by the format that its name says.

    Raises:
        DataError: no such file, an unknown format, or a malformed file, located.
    """
    kind = table_format(path)
    if not path.is_file():
        raise DataError(f"no file {safe_line(str(path))}", hint="check the path")
    if kind == ".tsv":
        return read_tsv(path, columns_without_header=_headerless(path, spec), skip_short_rows=spec.skip_short_rows)
    readers = {
        ".csv": read_csv,
        ".jsonl": read_jsonl,
        ".ndjson": read_jsonl,
        ".json": read_json,
        ".parquet": read_parquet,
    }
    if kind is None:
        raise DataError(
            f"not a table: {safe_line(str(path))}",
            hint=f"its name should end in .tsv, {', '.join(readers)}, or .gz after it",
        )
    return readers[kind](path)


def _headerless(path: Path, spec: TaskSpec) -> tuple[str, ...] | None:
    """Only CoLA's train and dev files lack a header."""
    return None if table_stem(path) == "test" else spec.columns_without_header


def _from_paths(
    path: Paths, *, spec: TaskSpec, chosen: Mapping[str, str], config: str | None, notes: list[str]
) -> RawSplits:
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(part) for part in path]
    missing = next((part for part in paths if not part.exists()), None)
    if missing is not None:
        raise DataError(f"no file or folder {safe_line(str(missing))}", hint="check data.path")
    if len(paths) == 1 and paths[0].is_dir():
        return _from_folder(paths[0], spec=spec, chosen=chosen, config=config, notes=notes)
    folder = next((part for part in paths if part.is_dir()), None)
    if folder is not None:
        raise DataError(
            f"a folder among several paths ({safe_line(str(folder))})", hint="name files, or one folder alone"
        )
    found = group_by_split(paths, splits=spec.splits, chosen=chosen, further=spec.file_names)
    others = [part for part in paths if all(part not in files for files in found.files.values())]
    if others:  # files whose names say no split are training rows (AX has test rows only)
        found.files[spec.splits[0]] = found.files.get(spec.splits[0], []) + others
    notes.extend(found.notes)
    return {name: [read_table(part, spec=spec) for part in files] for name, files in found.files.items()}


def _from_folder(
    folder: Path, *, spec: TaskSpec, chosen: Mapping[str, str], config: str | None, notes: list[str]
) -> RawSplits:
    inside = [spec.folder or "", spec.hub_config or "", config or "", *spec.file_names.get("test", ()), "data"]
    for place in (folder, *(folder / name for name in inside if name)):
        if is_saved_dataset(place):
            return _by_our_names(read_saved(place), spec=spec, chosen=chosen)
    found = find_split_files(folder, splits=spec.splits, chosen=chosen, inside=inside, further=spec.file_names)
    notes.extend(found.notes)
    return {name: [read_table(part, spec=spec) for part in files] for name, files in found.files.items()}


def _from_hub(
    spec: TaskSpec, *, dataset: str | None, config: str | None, revision: str | None, chosen: Mapping[str, str]
) -> RawSplits:
    if dataset is None and not spec.is_official:
        raise DataError(
            f"{spec.name} needs rows: neither data.path nor data.dataset is set", hint="--set data.path=DIR_OR_FILE"
        )
    name = dataset or _GLUE
    tables = read_hub(name, config=config or (spec.hub_config if dataset is None else None), revision=revision)
    return _by_our_names(tables, spec=spec, chosen=chosen)


def _by_our_names(tables: Mapping[str, RawTable], *, spec: TaskSpec, chosen: Mapping[str, str]) -> RawSplits:
    """Give the source's splits our names; a lone one of another name is the training rows."""
    raw: RawSplits = {}
    for split in spec.splits:
        names = names_of_split(split, chosen, spec.file_names)
        found = next((table for name, table in tables.items() if name.lower() in names), None)
        if found is not None:
            raw[split] = [found]
    if not raw and len(tables) == 1 and not chosen:
        raw[spec.splits[0]] = list(tables.values())
    if not raw:
        raise DataError(
            f"no split of {spec.name} among: {', '.join(safe_line(name) for name in tables)}",
            hint="say which is which: --set data.split.train=NAME --set data.split.dev=NAME",
        )
    return raw


def _check_chosen(raw: RawSplits, chosen: Mapping[str, str], *, spec: TaskSpec) -> None:
    for role, name in chosen.items():
        if not any(split == role or split.startswith(f"{role}_") for split in raw):
            raise DataError(
                f"no split {safe_line(name)!r} for data.split.{role}; found: {', '.join(raw)}",
                hint="name a file without its ending, or a split of the data set",
            )


def _add_diagnostic_rows(
    raw: RawSplits,
    *,
    spec: TaskSpec,
    path: Paths | None,
    dataset: str | None,
    revision: str | None,
    notes: list[str],
) -> None:
    """The diagnostic set is answered by MNLI's model: take its rows along where they are at hand."""
    if DIAGNOSTIC_SPLIT not in spec.splits or DIAGNOSTIC_SPLIT in raw:
        return
    if path is not None:
        file = find_diagnostic(path)
        tables = [] if file is None else [read_table(file, spec=spec)]
    elif dataset in (None, _GLUE):
        try:
            tables = list(read_hub(_GLUE, config="ax", revision=revision).values())
        except DataError as error:
            notes.append(f"without the diagnostic set: {error.message}")
            return
    else:
        return
    if tables:
        raw[DIAGNOSTIC_SPLIT] = tables
        notes.append(f"{DIAGNOSTIC_SPLIT}: the diagnostic set, {safe_line(tables[0].source)}")


def _add_dev_split(raw: RawSplits, *, spec: TaskSpec, notes: list[str]) -> None:
    """Take a tenth of the training rows for scoring if the source has no dev split."""
    if "train" not in raw or not spec.dev_splits or any(split in raw for split in spec.dev_splits):
        return
    total = sum(table.num_rows for table in raw["train"])
    if total < 2:
        raise DataError(
            f"one row only ({safe_line(raw['train'][0].source)})", hint="training needs rows to learn from and to score"
        )
    held = np.zeros(total, dtype=bool)
    held[epoch_permutation(total, seed=_DEV_SEED, epoch=0)[: max(1, round(total / _DEV_SHARE))]] = True
    train, dev, start = [], [], 0
    for table in raw["train"]:
        mine = held[start : start + table.num_rows]
        start += table.num_rows
        train.append(table.take(np.flatnonzero(~mine).tolist()))
        dev.append(table.take(np.flatnonzero(mine).tolist()))
    raw["train"] = [table for table in train if table.num_rows]
    raw[spec.dev_splits[0]] = [table for table in dev if table.num_rows]
    notes.append(
        f"no dev split found: {int(held.sum())} of {total} training rows, drawn once with a fixed seed, are it"
    )


def _build(
    raw: RawSplits,
    *,
    spec: TaskSpec,
    wanted: Mapping[str, str],
    label_names: Sequence[str] | None,
    limit: int | None,
    notes: list[str],
) -> TaskData:
    import datasets

    wanted = _with_guesses(raw, spec, wanted, notes)
    names = _label_names(raw, spec=spec, wanted=wanted, given=label_names)
    splits: dict[str, Any] = {}
    taken: dict[str, str] = {}
    skipped: dict[str, int] = {}
    for split, tables in raw.items():
        needs_label = not split.startswith("test")
        parts: list[Any] = []
        for table in tables:
            columns = _columns(table, spec, wanted, needs_label=needs_label)
            first = sum(len(part) for part in parts)
            parts.append(
                build_dataset(table, columns, spec=spec, label_names=names, needs_label=needs_label, first_index=first)
            )
            taken[split] = columns.described()
        whole = parts[0] if len(parts) == 1 else datasets.concatenate_datasets(parts)
        splits[split] = whole if limit is None else whole.select(range(min(limit, len(whole))))
        if count := sum(table.skipped for table in tables):
            skipped[split] = count
            notes.append(f"{split}: {count} rows with too few columns left out")
    return TaskData(spec, splits, names, columns=taken, skipped_rows=skipped, notes=tuple(notes))


def _with_guesses(raw: RawSplits, spec: TaskSpec, wanted: Mapping[str, str], notes: list[str]) -> dict[str, str]:
    """What the recipe names, and what the values of the first table told: all splits have the same columns."""
    split = "train" if "train" in raw else next(iter(raw))
    guessed = _columns(raw[split][0], spec, wanted, needs_label=not split.startswith("test")).guesses
    notes += [say_guessed(guessed)] if guessed else []
    return {**guessed, **wanted}


def _columns(table: RawTable, spec: TaskSpec, wanted: Mapping[str, str], *, needs_label: bool) -> Any:
    """Columns of one table; a test table may lack the label and identifier that the recipe names."""
    chosen = {role: name for role, name in wanted.items() if needs_label or role[:4] == "text" or name in table.columns}
    kind = None if spec.is_official else spec.kind
    return resolve_columns(table, spec.columns, chosen=chosen, needs_label=needs_label, guess=kind)


def _label_names(
    raw: RawSplits, *, spec: TaskSpec, wanted: Mapping[str, str], given: Sequence[str] | None
) -> tuple[str, ...]:
    """Classes: the model's, else the task's, else those of the training rows (or the first split there is)."""
    if given is not None:
        return tuple(given)
    if spec.label_names is not None:
        return spec.label_names
    if spec.kind == "regression":
        return ()
    tables = raw.get("train") or next(iter(raw.values()))
    column = _columns(tables[0], spec, wanted, needs_label=True).label
    return find_label_names(tables, column, kind=spec.kind)
