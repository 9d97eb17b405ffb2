"""From what a recipe says about its data to the splits of a multiple-choice task (RACE, SWAG, HellaSwag, own files)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from albert_cli.data.choice_tables import questions_of_table
from albert_cli.data.hub import read_hub
from albert_cli.data.questions import Question, question_dataset
from albert_cli.data.race_files import find_race_files, is_race, race_split, read_race_file
from albert_cli.data.raw_table import RawTable
from albert_cli.data.readers_arrow import is_saved_dataset, read_parquet, read_saved
from albert_cli.data.readers_delimited import read_csv, read_tsv
from albert_cli.data.readers_json import read_json, read_jsonl
from albert_cli.data.sampler import epoch_permutation
from albert_cli.data.split_files import (
    FORMATS,
    find_split_files,
    group_by_split,
    names_of_split,
    table_format,
    table_stem,
)
from albert_cli.errors import DataError
from albert_cli.files.text import safe_line

SPLITS = ("train", "dev", "test")

# Where there is no dev split, a tenth of the questions becomes one, whole passages; drawn the same way for every run.
_DEV_SHARE = 10
_DEV_SEED = 1909_11942

Paths = str | Path | Sequence[str | Path]
_READERS: Mapping[str, Callable[[Path], RawTable]] = {
    ".tsv": read_tsv,
    ".csv": read_csv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    ".parquet": read_parquet,
}


@dataclass(frozen=True)
class ChoiceData:
    """The splits of a multiple-choice task.

    Attributes:
        splits: ``datasets.Dataset`` by split name, with the columns of `data.questions`.
        notes: what a user should hear: columns that were taken, a dev split drawn from the training rows.
    """

    splits: dict[str, Any]
    notes: tuple[str, ...] = ()


@dataclass
class _Reading:
    """What was read so far, and how to read."""

    chosen_columns: Mapping[str, str]
    chosen_splits: Mapping[str, str]
    splits: dict[str, list[Question]]
    notes: list[str]

    def add_table(self, split: str, table: RawTable) -> None:
        questions, columns = questions_of_table(table, chosen=self.chosen_columns, needs_label=split != "test")
        if not self.splits:
            self.notes.append(f"columns of {split}: {columns}")
        self.splits.setdefault(split, []).extend(questions)


def load_choices(
    *,
    path: Paths | None = None,
    dataset: str | None = None,
    config: str | None = None,
    revision: str | None = None,
    split: Mapping[str, str] | None = None,
    columns: Mapping[str, str] | None = None,
    subset: str | None = None,
    limit: int | None = None,
) -> ChoiceData:
    """Load every split, from files or from the hub.

    Args:
        path: a folder or archive in RACE's layout, a folder with a file per split, a ``save_to_disk`` folder, a file,
            or several.
        dataset: name on the hub.
        config: configuration on the hub.
        revision: commit, tag or branch on the hub.
        split: names of the splits ``train``, ``dev``, ``test`` in the source.
        columns: names of the columns ``context``, ``question``, ``choices``, ``label``, ``id`` in the source.
        subset: keep only the questions of this part, such as ``middle``.
        limit: keep only the first so many questions of each split.

    Raises:
        DataError: anything wrong with the data, located.
    """
    reading = _Reading(_given(columns), _given(split), {}, [])
    if path is not None:
        _read_paths(path, reading, config=config)
    elif dataset is not None:
        _add_named(read_hub(dataset, config=config, revision=revision), reading)
    else:
        raise DataError(
            "the task needs questions: neither data.path nor data.dataset is set", hint="--set data.path=DIR_OR_FILE"
        )
    _check_chosen(reading)
    _keep_subset(reading, subset)
    _add_dev_split(reading)
    return ChoiceData(
        {name: question_dataset(reading.splits[name][:limit]) for name in SPLITS if name in reading.splits},
        tuple(reading.notes),
    )


def load_choice_file(path: Path, *, columns: Mapping[str, str] | None = None, limit: int | None = None) -> ChoiceData:
    """Load one file, folder or archive to predict, as the split ``test``; labels may be missing.

    Raises:
        DataError: it cannot be read, or holds no questions.
    """
    reading = _Reading(_given(columns), {}, {}, [])
    if not path.exists():
        raise DataError(f"no file {safe_line(str(path))}", hint="check the path")
    if is_race(path):
        questions = [one for file in find_race_files(path) for one in read_race_file(file, needs_label=False)]
        reading.splits["test"] = questions
    else:
        reading.add_table("test", _read_table(path))
    return ChoiceData({"test": question_dataset(reading.splits["test"][:limit])}, tuple(reading.notes))


def load_choice_records(
    records: Sequence[Mapping[str, Any]], *, columns: Mapping[str, str] | None = None, source: str = "stdin"
) -> ChoiceData:
    """Take JSON objects to predict, one question each, as the split ``test``.

    Raises:
        DataError: one has no choices, or nothing that they follow.
    """
    reading = _Reading(_given(columns), {}, {}, [])
    for number, record in enumerate(records):  # each by itself: lines may name their parts differently
        if "questions" in record and "options" in record:
            raise DataError(
                f"a passage with several questions ({source}, row {number})", hint="one question a line, or give a file"
            )
        table = RawTable(source=source, columns={name: [value] for name, value in record.items()})
        reading.add_table("test", table)
    return ChoiceData({"test": question_dataset(reading.splits.get("test", []))})


def _given(values: Mapping[str, str | None] | None) -> dict[str, str]:
    return {name: value for name, value in (values or {}).items() if value is not None}


def _read_paths(path: Paths, reading: _Reading, *, config: str | None) -> None:
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(part) for part in path]
    missing = next((part for part in paths if not part.exists()), None)
    if missing is not None:
        raise DataError(f"no file or folder {safe_line(str(missing))}", hint="check data.path")
    tables = [part for part in paths if not is_race(part)]
    for part in paths:
        if part not in tables:
            _read_race(part, reading)
    if len(tables) == 1 and tables[0].is_dir():
        _read_folder(tables[0], reading, config=config)
        return
    folder = next((part for part in tables if part.is_dir()), None)
    if folder is not None:
        raise DataError(
            f"a folder among several paths ({safe_line(str(folder))})", hint="name files, or one folder alone"
        )
    _read_files(tables, reading)


def _read_race(path: Path, reading: _Reading) -> None:
    """Files of RACE; a file or folder that says no split holds training rows."""
    folders = {split: race_split(reading.chosen_splits.get(split, split)) for split in SPLITS}
    for file in find_race_files(path):
        splits = [split for split, folder in folders.items() if folder == (file.split or "train")]
        if splits:
            questions = read_race_file(file, needs_label=splits != ["test"])
            for split in splits:
                reading.splits.setdefault(split, []).extend(questions)
    if not any(reading.splits.values()):
        raise DataError(f"no questions ({safe_line(str(path))})", hint="check that the files are RACE's")


def _read_folder(folder: Path, reading: _Reading, *, config: str | None) -> None:
    inside = [config or "", "data"]
    for place in (folder, *(folder / name for name in inside if name)):
        if is_saved_dataset(place):
            _add_named(read_saved(place), reading)
            return
    _read_files([part for part in sorted(folder.iterdir()) if part.is_file() and table_format(part)], reading, folder)


def _read_files(paths: Sequence[Path], reading: _Reading, folder: Path | None = None) -> None:
    """Tables by the split that their names say: ``train.csv``, ``val.csv``, or else ``hellaswag_train.jsonl``."""
    found = group_by_split(paths, splits=SPLITS, chosen=reading.chosen_splits)
    if not found.files and not reading.chosen_splits:
        for path in paths:
            split = _split_in_name(path)
            if split is not None:
                found.files.setdefault(split, []).append(path)
    if not found.files and folder is not None:
        found = find_split_files(folder, splits=SPLITS, chosen=reading.chosen_splits, inside=["data"])
    if folder is None:
        others = [path for path in paths if all(path not in files for files in found.files.values())]
        found.files.setdefault("train", []).extend(others)  # named by the user, whatever they are called
    reading.notes.extend(found.notes)
    for split, files in found.files.items():
        for path in files:
            reading.add_table(split, _read_table(path))


def _split_in_name(path: Path) -> str | None:
    words = set(re.split(r"[-_. ]", table_stem(path)))
    return next((split for split in SPLITS if words & set(names_of_split(split, {}))), None)


def _read_table(path: Path) -> RawTable:
    kind = table_format(path)
    if kind is None or not path.is_file():
        raise DataError(
            f"not a file of questions: {safe_line(str(path))}",
            hint=f"its name should end in {', '.join(FORMATS)} (or .gz after it), or .txt or .tar.gz of RACE",
        )
    return _READERS[kind](path)


def _add_named(tables: Mapping[str, RawTable], reading: _Reading) -> None:
    """Tables under the source's split names; a lone one of another name is the training rows."""
    by_name = {name.lower(): table for name, table in tables.items()}
    for split in SPLITS:
        names = names_of_split(split, reading.chosen_splits)
        found = next((by_name[name] for name in names if name in by_name), None)
        if found is not None:
            reading.add_table(split, found)
    if not reading.splits and len(tables) == 1 and not reading.chosen_splits:
        reading.add_table("train", next(iter(tables.values())))
    if not reading.splits:
        raise DataError(
            f"no split train, dev or test among: {', '.join(safe_line(name) for name in tables)}",
            hint="say which is which: --set data.split.train=NAME --set data.split.dev=NAME",
        )


def _check_chosen(reading: _Reading) -> None:
    for role, name in reading.chosen_splits.items():
        if not reading.splits.get(role):
            raise DataError(
                f"no split {safe_line(name)!r} for data.split.{role}; found: {', '.join(reading.splits) or 'none'}",
                hint="name a file without its ending, a folder of RACE, or a split of the data set",
            )


def _keep_subset(reading: _Reading, subset: str | None) -> None:
    if subset is None:
        return
    there = sorted({one.subset for questions in reading.splits.values() for one in questions})
    for name, questions in reading.splits.items():
        reading.splits[name] = [one for one in questions if one.subset == subset]
    if not any(reading.splits.values()):
        parts = ", ".join(repr(safe_line(part)) for part in there if part) or "no parts"
        raise DataError(
            f"no questions of the part {safe_line(subset)!r}", hint=f"multiple_choice.subset: the data has {parts}"
        )
    reading.splits = {name: questions for name, questions in reading.splits.items() if questions}


def _add_dev_split(reading: _Reading) -> None:
    """Take a tenth of the training questions for scoring if there is no dev split: whole passages, drawn at random."""
    if "train" not in reading.splits or "dev" in reading.splits:
        return
    questions = reading.splits["train"]
    if len(questions) < 2:
        raise DataError("one question only", hint="training needs questions to learn from and to score")
    numbers: dict[str, int] = {}
    passages = [numbers.setdefault(one.context or one.question, len(numbers)) for one in questions]
    if len(numbers) == 1:
        passages, count = list(range(len(questions))), len(questions)
    else:
        count = len(numbers)
    sizes = [0] * count
    for passage in passages:
        sizes[passage] += 1
    wanted, held = max(1, round(len(questions) / _DEV_SHARE)), set[int]()
    for passage in epoch_permutation(count, seed=_DEV_SEED, epoch=0).tolist()[: count - 1]:
        if wanted <= 0:
            break
        held.add(passage)
        wanted -= sizes[passage]
    reading.splits["train"] = [one for one, passage in zip(questions, passages, strict=True) if passage not in held]
    reading.splits["dev"] = [one for one, passage in zip(questions, passages, strict=True) if passage in held]
    reading.notes.append(
        f"no dev split found: {len(reading.splits['dev'])} of {len(questions)} training questions, "
        "whole passages drawn once with a fixed seed, are it"
    )
