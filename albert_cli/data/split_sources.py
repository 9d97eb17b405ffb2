"""Which tables of a source hold the training, dev and test rows?

Files say it in their names: exactly (``train.json``, ``validation-00000-of-00002.parquet``), or as one of several
words (``train-v2.0.json``, ``cmrc2018_dev.json``). Files that a user names one by one and that say nothing hold
training rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from albert_cli.data.hub import read_hub
from albert_cli.data.raw_table import RawTable
from albert_cli.data.readers_arrow import is_saved_dataset, read_parquet, read_saved
from albert_cli.data.readers_delimited import read_csv, read_tsv
from albert_cli.data.readers_json import read_json, read_jsonl
from albert_cli.data.split_files import FORMATS, names_of_split, table_format, table_stem
from albert_cli.errors import DataError
from albert_cli.files.text import safe_line

SPLITS = ("train", "dev", "test")

_READERS: Mapping[str, Callable[[Path], RawTable]] = {
    ".tsv": read_tsv,
    ".csv": read_csv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    ".parquet": read_parquet,
}
_VERSION = re.compile(r"(?<![a-z0-9])v(\d+)(?:\.\d+)*")

Paths = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class SourceTables:
    """Tables by split, and what should be said about the choice."""

    tables: dict[str, list[RawTable]]
    notes: list[str] = field(default_factory=list)


def read_source_table(path: Path) -> RawTable:
    """Read one file by the format that its name says.

    Raises:
        DataError: no such file, an unknown format, or a malformed file, located.
    """
    if not path.is_file():
        raise DataError(f"no file {safe_line(str(path))}", hint="check the path")
    kind = table_format(path)
    if kind is None:
        raise DataError(
            f"not a table: {safe_line(str(path))}", hint=f"its name should end in {', '.join(FORMATS)}, or .gz after it"
        )
    return _READERS[kind](path)


def read_paths(path: Paths, *, chosen: Mapping[str, str], inside: Sequence[str], version: str) -> SourceTables:
    """Read a folder, a file, or several files.

    Args:
        path: where they are.
        chosen: names of splits in the source, by ours, that the recipe gives.
        inside: folders to look into if the folder itself holds no table.
        version: first number of the version to take where a split has files of several (``train-v1.1.json`` and
            ``train-v2.0.json``).

    Raises:
        DataError: nothing to read, or a malformed file, located.
    """
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(part) for part in path]
    missing = next((part for part in paths if not part.exists()), None)
    if missing is not None:
        raise DataError(f"no file or folder {safe_line(str(missing))}", hint="check data.path")
    if len(paths) == 1 and paths[0].is_dir():
        return _read_folder(paths[0], chosen=chosen, inside=inside, version=version)
    folder = next((part for part in paths if part.is_dir()), None)
    if folder is not None:
        raise DataError(
            f"a folder among several paths ({safe_line(str(folder))})", hint="name files, or one folder alone"
        )
    files: dict[str, list[Path]] = {}
    for part in paths:
        split = next((name for name in SPLITS if _fit(part, name, chosen)), "train")
        files.setdefault(split, []).append(part)
    return SourceTables(
        {split: [read_source_table(part) for part in files[split]] for split in SPLITS if split in files}
    )


def read_named(tables: Mapping[str, RawTable], *, chosen: Mapping[str, str]) -> SourceTables:
    """Give the splits of a saved or a hub data set our names; a lone one of another name is the training rows.

    Raises:
        DataError: none of them is a split that we know.
    """
    by_name = {name.lower(): table for name, table in tables.items()}
    found: dict[str, list[RawTable]] = {}
    for split in SPLITS:
        name = next((name for name in names_of_split(split, chosen) if name in by_name), None)
        if name is not None:
            found[split] = [by_name[name]]
    if not found and len(tables) == 1 and not chosen:
        found["train"] = list(tables.values())
    if not found:
        raise DataError(
            f"no split train, dev or test among: {', '.join(safe_line(name) for name in tables)}",
            hint="say which is which: --set data.split.train=NAME --set data.split.dev=NAME",
        )
    return SourceTables(found)


def read_hub_splits(name: str, *, config: str | None, revision: str | None, chosen: Mapping[str, str]) -> SourceTables:
    """Load a data set of the hub.

    Raises:
        DataError: as `data.hub.read_hub`, or no split that we know.
    """
    return read_named(read_hub(name, config=config, revision=revision), chosen=chosen)


def _read_folder(folder: Path, *, chosen: Mapping[str, str], inside: Sequence[str], version: str) -> SourceTables:
    places = [folder, *(folder / name for name in inside if name)]
    for place in places:
        if is_saved_dataset(place):
            return read_named(read_saved(place), chosen=chosen)
    for place in places:
        if not place.is_dir():
            continue
        tables = sorted(path for path in place.iterdir() if path.is_file() and table_format(path))
        files, notes = _split_files(tables, chosen=chosen, version=version)
        if files:
            return SourceTables(
                {split: [read_source_table(part) for part in mine] for split, mine in files.items()}, notes
            )
    names = ", ".join(sorted(safe_line(path.name) for path in folder.iterdir())[:12]) or "nothing"
    raise DataError(
        f"no file of a split such as train-v1.1.json, dev.json or test.jsonl ({safe_line(str(folder))} holds {names})",
        hint="name the folder that holds them, name one file, or say which is which with data.split.train=NAME",
    )


def _split_files(
    paths: Sequence[Path], *, chosen: Mapping[str, str], version: str
) -> tuple[dict[str, list[Path]], list[str]]:
    """Files of each split: those that fit best, of one version and one format."""
    files: dict[str, list[Path]] = {}
    notes: list[str] = []
    for split in SPLITS:
        fits = {path: _fit(path, split, chosen) for path in paths}
        best = max(fits.values(), default=0)
        mine = [path for path in paths if fits[path] == best] if best else []
        for part in (_of_version(mine, version), _of_one_format(mine)):
            if part and len(part) < len(mine):
                left = ", ".join(safe_line(path.name) for path in mine if path not in part)
                notes.append(f"{split}: read {', '.join(safe_line(path.name) for path in part)}, not {left}")
                mine = [path for path in mine if path in part]
        if mine:
            files[split] = mine
    return files, notes


def _fit(path: Path, split: str, chosen: Mapping[str, str]) -> int:
    """How well a file's name says a split: 2 exactly, 1 with other words beside it, 0 not at all."""
    name = path.name.lower().removesuffix(".gz")
    bare = name.removesuffix(table_format(path) or "")
    wanted = names_of_split(split, chosen)
    if split in chosen:
        return 2 if {path.name.lower(), name, bare, table_stem(path)} & set(wanted) else 0
    if table_stem(path) in wanted:
        return 2
    return 1 if set(re.split(r"[-_. ]+", bare)) & set(wanted) else 0


def _of_version(paths: Sequence[Path], version: str) -> list[Path]:
    found = [(path, _VERSION.search(path.name.lower())) for path in paths]
    if len({match[1] if match else None for _, match in found}) < 2:
        return list(paths)
    return [path for path, match in found if match is not None and match[1] == version]


def _of_one_format(paths: Sequence[Path]) -> list[Path]:
    formats = sorted({table_format(path) or "" for path in paths}, key=FORMATS.index)
    return [path for path in paths if table_format(path) == formats[0]] if formats else []
