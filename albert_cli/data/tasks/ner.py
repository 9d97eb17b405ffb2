"""From what a recipe says about its data to the splits of a tagging task: CoNLL files, tables, the hub."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from albert_cli.data.conll_files import read_conll
from albert_cli.data.hub import read_hub
from albert_cli.data.raw_table import RawTable
from albert_cli.data.readers_arrow import is_saved_dataset, read_parquet, read_saved
from albert_cli.data.readers_delimited import read_csv, read_tsv
from albert_cli.data.readers_json import read_json, read_jsonl
from albert_cli.data.sampler import epoch_permutation
from albert_cli.data.split_files import names_of_split, table_format
from albert_cli.data.tag_schemes import Scheme, all_tags, convert, detect_scheme, fits, scheme_of_names
from albert_cli.data.tag_tables import TaggedRows, has_tag_header, rows_of_conll, rows_of_table, tag_dataset
from albert_cli.errors import DataError
from albert_cli.files.text import open_text, safe_line
from albert_cli.metrics.tag_spans import OUTSIDE, TagTable

SPLITS = ("train", "dev", "test")
Paths = str | Path | Sequence[str | Path]

# Where there is no dev split, a tenth of the training rows becomes one, drawn the same way for every run.
_DEV_SHARE = 10
_DEV_SEED = 1909_11942

_COLUMN_FILES = (
    ".conll", ".bio", ".iob", ".iob1", ".iob2", ".bioes", ".tsv", ".txt", ".conllu", ".data", ".annotated",
)  # fmt: skip
_READERS: Mapping[str, Callable[[Path], RawTable]] = {
    ".tsv": read_tsv,
    ".csv": read_csv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    ".parquet": read_parquet,
}
# CoNLL-2003 calls its files eng.testa and eng.testb.
_FURTHER_NAMES: Mapping[str, tuple[str, ...]] = {"train": (), "dev": ("testa",), "test": ("testb",)}


@dataclass(frozen=True)
class TagSource:
    """How rows are to be read.

    Attributes:
        columns: names of the columns ``tokens``, ``tags``, ``id`` of tables.
        scheme: of the tags; ``auto`` finds it.
        learn_as: scheme that the tags are converted to; None leaves them.
        word_column: of column files, see `read_conll`.
        tag_column: likewise.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    scheme: str = "auto"
    learn_as: Scheme | None = None
    word_column: int | None = None
    tag_column: int | None = None


@dataclass(frozen=True)
class TagData:
    """The splits of a tagging task.

    Attributes:
        splits: ``datasets.Dataset`` by split, with the columns of `data.tag_tables`.
        table: the tags in the order of the head's outputs, and what they mean.
        scheme: of the tags.
        notes: what a user should hear.
    """

    splits: dict[str, Any]
    table: TagTable
    scheme: Scheme
    notes: tuple[str, ...] = ()


def load_tags(
    source: TagSource,
    *,
    path: Paths | None = None,
    dataset: str | None = None,
    config: str | None = None,
    revision: str | None = None,
    split: Mapping[str, str] | None = None,
    limit: int | None = None,
    tag_names: Sequence[str] | None = None,
) -> TagData:
    """Load every split, from files or from the hub.

    Args:
        source: how to read.
        path: a folder with a file per split, a ``save_to_disk`` folder, a file, or several.
        dataset: name on the hub.
        config: configuration on the hub.
        revision: commit, tag or branch on the hub.
        split: names of the splits ``train``, ``dev``, ``test`` in the source.
        limit: keep only the first so many sentences of each split.
        tag_names: the tags of a model that is to be scored; None finds them in the training rows.

    Raises:
        DataError: anything wrong with the data, located.
    """
    chosen = dict(split or {})
    notes: list[str] = []
    if path is not None:
        found = _from_paths(path, source, chosen=chosen, config=config, notes=notes)
    elif dataset is not None:
        found = _from_tables(read_hub(dataset, config=config, revision=revision), source, chosen=chosen)
    else:
        raise DataError(
            "the task needs tagged sentences: neither data.path nor data.dataset is set",
            hint="--set data.path=DIR_OR_FILE",
        )
    for role, name in chosen.items():
        if role not in found:
            raise DataError(
                f"no split {safe_line(name)!r} for data.split.{role}; found: {', '.join(found) or 'none'}",
                hint="name a file, or a split of the data set",
            )
    return _build(found, source, tag_names=tag_names, limit=limit, notes=notes)


def load_tag_file(source: TagSource, path: Path, *, tag_names: Sequence[str], limit: int | None = None) -> TagData:
    """Load one file to predict, as the split ``test``; tags may be missing.

    A last column that holds none of the model's tags is taken for something else, and the words alone are read.

    Raises:
        DataError: it cannot be read, or holds no words.
    """
    if not path.is_file():
        raise DataError(f"no file {safe_line(str(path))}", hint="check the path")
    rows = read_rows(path, source, needs_tags=False)
    known = set(tag_names)
    if any(tags is not None and not known.issuperset(tags) for tags in rows.tags):
        rows = TaggedRows(rows.source, rows.words, [None] * len(rows), ids=rows.ids, lines=rows.lines)
        rows.notes.append("the file's tags are not the model's: only its words are read")
    return _build({"test": [rows]}, source, tag_names=tag_names, limit=limit, notes=[])


def load_tag_records(source: TagSource, records: Sequence[Mapping[str, Any]], *, tag_names: Sequence[str]) -> TagData:
    """Take JSON objects to predict as the split ``test``: ``tokens`` (or ``words``), a list or a text with spaces.

    Raises:
        DataError: one has no words.
    """
    parts: list[TaggedRows] = []
    for record in records:  # each by itself: lines may name their parts differently
        table = RawTable(source="stdin", columns={name: [value] for name, value in record.items()})
        rows = rows_of_table(table, chosen=source.columns, needs_tags=False, numbers_are_names=False)
        parts.append(TaggedRows(rows.source, rows.words, [None], ids=None))
    return _build({"test": parts}, source, tag_names=tag_names, limit=None, notes=[])


def read_rows(path: Path, source: TagSource, *, needs_tags: bool) -> TaggedRows:
    """Read one file by what its name says: a table, or else a column file.

    Raises:
        DataError: located: a malformed file.
    """
    kind = table_format(path)
    if kind is None or (kind == ".tsv" and not has_tag_header(_first_line(path), source.columns)):
        found = read_conll(path, word_column=source.word_column, tag_column=source.tag_column)
        return rows_of_conll(found)
    return _table_rows(_READERS[kind](path), source, needs_tags=needs_tags)


def _table_rows(table: RawTable, source: TagSource, *, needs_tags: bool) -> TaggedRows:
    bare = source.scheme == "none"
    return rows_of_table(table, chosen=source.columns, needs_tags=needs_tags, numbers_are_names=bare)


def _first_line(path: Path) -> str:
    with open_text(path) as lines:
        return next(iter(lines), "")


def _from_paths(
    path: Paths, source: TagSource, *, chosen: Mapping[str, str], config: str | None, notes: list[str]
) -> dict[str, list[TaggedRows]]:
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(part) for part in path]
    missing = next((part for part in paths if not part.exists()), None)
    if missing is not None:
        raise DataError(f"no file or folder {safe_line(str(missing))}", hint="check data.path")
    if len(paths) == 1 and paths[0].is_dir():
        places = [paths[0], *(paths[0] / name for name in (config or "", "data") if name)]
        saved = next((place for place in places if is_saved_dataset(place)), None)
        if saved is not None:
            return _from_tables(read_saved(saved), source, chosen=chosen)
        files = _files_of_folder(places, chosen=chosen, notes=notes)
    else:
        folder = next((part for part in paths if part.is_dir()), None)
        if folder is not None:
            raise DataError(
                f"a folder among several paths ({safe_line(str(folder))})", hint="name files, or one folder alone"
            )
        files = {}
        for part in paths:  # files whose names say no split are training rows
            for split in splits_of_name(part, chosen) or ("train",):
                files.setdefault(split, []).append(part)
    return {
        name: [read_rows(part, source, needs_tags=name != "test") for part in files[name]]
        for name in SPLITS
        if name in files
    }


def _files_of_folder(places: Sequence[Path], *, chosen: Mapping[str, str], notes: list[str]) -> dict[str, list[Path]]:
    """Files by split, of the first place that has any; a split in several formats is read from one of them."""
    for place in places:
        files: dict[str, list[Path]] = {}
        for part in sorted(place.iterdir()) if place.is_dir() else ():
            for split in splits_of_name(part, chosen) if part.is_file() and _kind(part) is not None else ():
                files.setdefault(split, []).append(part)
        for split, parts in files.items():
            first = min(parts, key=lambda part: _order(_kind(part) or ""))
            files[split] = [part for part in parts if _kind(part) == _kind(first)]
            if len(parts) > 1:
                notes.append(f"{split}: read {', '.join(part.name for part in files[split])}")
        if files:
            return files
    names = ", ".join(sorted(safe_line(part.name) for part in places[0].iterdir())[:12]) or "nothing"
    raise DataError(
        f"no file of a split such as train.conll, dev.txt or test.jsonl ({safe_line(str(places[0]))} holds {names})",
        hint="name the folder that holds them, name one file, or say which is which with data.split.train=NAME",
    )


def _kind(path: Path) -> str | None:
    """Ending of a file that may hold tagged sentences, "" for none at all; None for any other file."""
    kind = table_format(path)
    if kind is not None:
        return kind
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    names = {name for split in SPLITS for name in (*names_of_split(split, {}), *_FURTHER_NAMES[split])}
    if ending.removeprefix(".") in names:  # eng.train
        return ""
    return ending if ending in ("", *_COLUMN_FILES) else None


def _order(kind: str) -> int:
    order = (*_COLUMN_FILES, "", *_READERS)
    return order.index(kind) if kind in order else len(order)


def splits_of_name(path: Path, chosen: Mapping[str, str]) -> tuple[str, ...]:
    """Splits that a file's name says: ``train.txt``, ``eng.testa``, ``NER-de-dev.tsv``, ``wnut17train.conll``.

    A name that the recipe gives to several splits is all of them; any other is one, or none.
    """
    whole = path.name.lower().removesuffix(".gz")
    stem = whole.rpartition(".")[0] or whole
    given = tuple(split for split in SPLITS if chosen.get(split, "").lower() in (whole, stem))
    if given:
        return given
    words = set(re.split(r"[^a-z0-9]+", whole))
    open_splits = [split for split in SPLITS if split not in chosen]
    for split in open_splits:
        if words & {*names_of_split(split, {}), *_FURTHER_NAMES[split]}:
            return (split,)
    found = next((split for split in open_splits if any(word.endswith(split) for word in words)), None)
    return () if found is None else (found,)


def _from_tables(
    tables: Mapping[str, RawTable], source: TagSource, *, chosen: Mapping[str, str]
) -> dict[str, list[TaggedRows]]:
    """Tables under the source's split names; a lone one of another name is the training rows."""
    by_name = {name.lower(): table for name, table in tables.items()}
    found: dict[str, list[TaggedRows]] = {}
    for split in SPLITS:
        name = next((name for name in names_of_split(split, chosen) if name in by_name), None)
        if name is not None:
            found[split] = [_table_rows(by_name[name], source, needs_tags=split != "test")]
    if not found and len(tables) == 1 and not chosen:
        found["train"] = [_table_rows(next(iter(tables.values())), source, needs_tags=True)]
    if not found:
        raise DataError(
            f"no split train, dev or test among: {', '.join(safe_line(name) for name in tables)}",
            hint="say which is which: --set data.split.train=NAME --set data.split.dev=NAME",
        )
    return found


def _add_dev_split(found: dict[str, list[TaggedRows]], notes: list[str]) -> None:
    """Take a tenth of the training rows for scoring if the source has no dev split."""
    if "train" not in found or "dev" in found:
        return
    total = sum(len(part) for part in found["train"])
    if total < 2:
        raise DataError(
            f"one sentence only ({safe_line(found['train'][0].source)})",
            hint="training needs sentences to learn from and to score",
        )
    held = set(epoch_permutation(total, seed=_DEV_SEED, epoch=0)[: max(1, round(total / _DEV_SHARE))].tolist())
    train, dev, start = [], [], 0
    for part in found["train"]:
        rows = range(start, start + len(part))
        train.append(part.take([row - start for row in rows if row not in held]))
        dev.append(part.take([row - start for row in rows if row in held]))
        start += len(part)
    found["train"], found["dev"] = [part for part in train if len(part)], [part for part in dev if len(part)]
    notes.append(f"no dev split found: {len(held)} of {total} training sentences, drawn once with a fixed seed, are it")


def _build(
    found: dict[str, list[TaggedRows]],
    source: TagSource,
    *,
    tag_names: Sequence[str] | None,
    limit: int | None,
    notes: list[str],
) -> TagData:
    scheme, said = _scheme(found, source, tag_names)
    if source.learn_as is not None and tag_names is None and scheme == "none":
        raise DataError("tags without prefixes mark no spans", hint="leave tagging.learn_as out")
    if source.learn_as is not None and scheme != "none":
        found = {name: [_converted(part, scheme, source.learn_as) for part in parts] for name, parts in found.items()}
        said = f"{said}, learnt as {source.learn_as}"
        scheme = source.learn_as
    names = tuple(tag_names) if tag_names is not None else _tag_names(found, scheme)
    _add_dev_split(found, notes)  # of rows that the tags are known of
    heard = [note for parts in found.values() for part in parts[:1] for note in part.notes]
    splits = {
        name: tag_dataset(found[name], names, required=name != "test", limit=limit) for name in SPLITS if name in found
    }
    return TagData(splits, TagTable.of(names, scheme=scheme), scheme, (*notes, *dict.fromkeys(heard), said))


def _scheme(
    found: Mapping[str, list[TaggedRows]], source: TagSource, tag_names: Sequence[str] | None
) -> tuple[Scheme, str]:
    """The scheme of the tags, and a line that says so."""
    parts = found.get("train") or next(iter(found.values()))
    tagged = [tags for part in parts for tags in part.tagged()]
    if source.scheme != "auto":
        scheme: Scheme = source.scheme  # type: ignore[assignment]  # the recipe's schema lets nothing else through
        for some in found.values():
            for part in some:
                _check_scheme(part, scheme)
        return scheme, f"scheme of the tags: {scheme}"
    if tagged:
        scheme = detect_scheme(tagged)
        return scheme, f"scheme of the tags: {scheme} (found; tagging.scheme names another)"
    scheme = scheme_of_names(tag_names or ())
    return scheme, f"scheme of the tags: {scheme} (the model's)"


def _check_scheme(part: TaggedRows, scheme: Scheme) -> None:
    for row, tags in enumerate(part.tags):
        for word, tag in enumerate(tags or ()):
            if not fits(tag, scheme):
                raise DataError(
                    f"tag {safe_line(tag, limit=60)!r} is none of the scheme {scheme} ({part.place(row, word)})",
                    hint="leave tagging.scheme at auto, or name another (bio, iob1, bioes, io, none)",
                )


def _converted(part: TaggedRows, scheme: Scheme, target: Scheme) -> TaggedRows:
    tags = [None if tags is None else convert(tags, source=scheme, target=target) for tags in part.tags]
    return TaggedRows(part.source, part.words, tags, part.ids, part.lines, None, part.notes)


def _tag_names(found: Mapping[str, list[TaggedRows]], scheme: Scheme) -> tuple[str, ...]:
    """Tags in the order that the source declares, else those of the training rows and their scheme."""
    parts = found.get("train") or next(iter(found.values()))
    seen = {tag for part in parts for tags in part.tagged() for tag in tags}
    if parts[0].declared is not None and seen <= set(parts[0].declared):
        return parts[0].declared
    if not seen - {OUTSIDE} or (scheme == "none" and len(seen) < 2):
        only = f"the only tag is {safe_line(next(iter(seen)))!r}" if seen else "no sentence has tags"
        raise DataError(
            f"{only} ({safe_line(parts[0].source)})",
            hint="training needs tagged words; name their column (tagging.tag_column, data.columns.tags)",
        )
    return all_tags(seen, scheme)
