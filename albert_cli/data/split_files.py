"""Which files of a folder are which split of a task?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from albert_cli.errors import DataError
from albert_cli.files.text import safe_line

# Where a folder has a split in two formats, the first of these is read (and a note says so).
FORMATS = (".tsv", ".csv", ".jsonl", ".ndjson", ".json", ".parquet")

# Other names of the splits, in files and on the hub.
SPLIT_NAMES: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "dev": ("dev", "validation", "valid", "val", "eval", "development"),
    "test": ("test",),
    "dev_matched": ("dev_matched", "validation_matched"),
    "dev_mismatched": ("dev_mismatched", "validation_mismatched"),
    "test_matched": ("test_matched",),
    "test_mismatched": ("test_mismatched",),
}

Further = Mapping[str, Sequence[str]]
_NONE: Further = MappingProxyType({})

_SHARD = re.compile(r"-\d+-of-\d+(-[0-9a-f]+)?$|[-_.]\d{1,3}$")  # train-00000-of-00002.parquet, train-0.parquet


@dataclass(frozen=True)
class SplitFiles:
    """Files by split, and what should be said about the choice."""

    files: dict[str, list[Path]]
    notes: list[str] = field(default_factory=list)


def table_format(path: Path) -> str | None:
    """``.tsv``, ``.csv``, ...: the format that a file's name says, ``.gz`` aside; None for any other file."""
    name = path.name.lower().removesuffix(".gz")
    return next((suffix for suffix in FORMATS if name.endswith(suffix)), None)


def table_stem(path: Path) -> str:
    """Name without format and shard number: ``train`` for ``train-00000-of-00002.parquet``."""
    suffix = table_format(path) or ""
    return _SHARD.sub("", path.name.lower().removesuffix(".gz").removesuffix(suffix))


def names_of_split(split: str, chosen: Mapping[str, str], further: Further = _NONE) -> tuple[str, ...]:
    """Names that mean a split, the task's own ones after the usual; a name that the recipe gives is the only one."""
    given = chosen.get(split) or chosen.get(split.partition("_")[0])
    if given is not None and "_" in split and chosen.get(split) is None:
        # `dev: validation` of MNLI means validation_matched and validation_mismatched
        return (given.lower(), f"{given}_{split.partition('_')[2]}".lower())
    return (given.lower(),) if given is not None else (*SPLIT_NAMES.get(split, (split,)), *further.get(split, ()))


def find_split_files(
    folder: Path,
    *,
    splits: Sequence[str],
    chosen: Mapping[str, str],
    inside: Sequence[str],
    further: Further = _NONE,
) -> SplitFiles:
    """Find the files of each split in a folder, or in a folder inside it.

    Args:
        folder: where to look.
        splits: names of the task's splits.
        chosen: file names (without format) that the recipe gives for splits.
        further: names that files of a split may have besides the usual ones.
        inside: names of folders to look into if the folder itself has none of the files ("SST-2", "sst2", "data").

    Raises:
        DataError: no file of any split.
    """
    places = [folder, *(folder / name for name in inside if name), *(folder / name / "data" for name in inside if name)]
    for place in places:
        if place.is_dir():
            tables = sorted(path for path in place.iterdir() if path.is_file() and table_format(path))
            found = group_by_split(tables, splits=splits, chosen=chosen, further=further)
            if found.files:
                return found
    names = ", ".join(sorted(safe_line(path.name) for path in folder.iterdir())[:12]) or "nothing"
    raise DataError(
        f"no file of a split such as train.tsv, dev.csv or test.jsonl ({safe_line(str(folder))} holds {names})",
        hint="name the folder that holds them, name one file, or say which is which with data.split.train=NAME",
    )


def group_by_split(
    paths: Sequence[Path], *, splits: Sequence[str], chosen: Mapping[str, str], further: Further = _NONE
) -> SplitFiles:
    """Sort files into splits by their names; files with other names are left out."""
    files: dict[str, list[Path]] = {}
    notes: list[str] = []
    for split in splits:
        names = names_of_split(split, chosen, further)
        mine = [path for path in paths if table_stem(path) in names and path not in _taken(files)]
        formats = sorted({table_format(path) or "" for path in mine}, key=FORMATS.index)
        if len(formats) > 1:
            others = [path.name for path in mine if table_format(path) != formats[0]]
            mine = [path for path in mine if table_format(path) == formats[0]]
            notes.append(f"{split}: read {mine[0].name}, not {', '.join(others)}")
        if mine:
            files[split] = mine
    return SplitFiles(files, notes)


def _taken(files: Mapping[str, list[Path]]) -> set[Path]:
    return {path for paths in files.values() for path in paths}
