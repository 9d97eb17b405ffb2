"""Encoded splits kept on disk: made once for each content, tokenizer and setting, mapped into memory ever after.

An entry is a folder: a ``.npy`` file for each array of a frozen dataclass, ``fields.json`` for its plain values, and a
manifest of checksums. It is written under another name and renamed when complete. Nothing is ever looked up by a name
that a user chose, so other rows, another length or another vocabulary can never meet stale features.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, Protocol, TypeVar

import numpy as np

import albert_cli
from albert_cli import tokenization
from albert_cli.files.atomic import new_directory
from albert_cli.files.checksum import verify_manifest, write_manifest
from albert_cli.files.json_text import parse_json

_FORMAT = 1
_FIELDS = "fields.json"
_FEWEST_ROWS = 500
_KEY_LETTERS = 40
_MOST_BYTES = 16 * 2**30  # of all entries; the longest unused go first
_PLAIN = (str, int, float, bool, type(None))

Features = TypeVar("Features")


class Fingerprinted(Protocol):
    """What is asked of a tokenizer."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the ids of a text may."""


@dataclasses.dataclass(frozen=True)
class FeatureCache:
    """A folder of encoded splits.

    Attributes:
        folder: where the entries are; made when the first one is written.
        warn: told of damaged entries and of a folder that cannot be written; the work goes on.
    """

    folder: Path
    warn: Callable[[str], None]

    def get(self, kind: type[Features], key: str, build: Callable[[], Features]) -> Features:
        """Features by key: mapped from the disk if they are there and whole, else built and kept.

        Args:
            kind: a dataclass of numpy arrays, plain values and tuples or lists of plain values.
            key: of `content_key`; everything that the features depend on.
            build: makes them.

        Returns:
            The features; arrays from the disk are read-only.
        """
        entry = self.folder / f"{kind.__name__}-{key[:_KEY_LETTERS]}"
        if entry.is_dir():
            problem = verify_manifest(entry)
            if problem is None:
                with contextlib.suppress(OSError):  # of others' folders
                    entry.touch()  # used now: `_make_room` takes the longest unused first
                return _read(kind, entry)
            self.warn(f"cached features are damaged ({entry.name}: {problem}); making them anew")
        made = build()
        try:
            with new_directory(entry) as work:
                _write(made, work)
                write_manifest(work)
            _make_room(self.folder, keep=entry)
        except OSError as error:
            # Another process may have put the same entry there in between; then there is nothing to say.
            if not entry.is_dir() or verify_manifest(entry) is not None:
                self.warn(f"features are not kept for the next run ({self.folder}: {error.strerror or error})")
        return made


def kept_features(
    cache: FeatureCache | None,
    kind: type[Features],
    rows: Any,
    *,
    tokenizer: Fingerprinted,
    settings: Mapping[str, Any],
    code: ModuleType | Sequence[ModuleType],
    build: Callable[[], Features],
) -> Features:
    """Encode a split, or take what an earlier run made of the same rows.

    Args:
        cache: where; None builds.
        kind: of the features.
        rows: ``datasets.Dataset`` of the split. Few rows are encoded in no time and not kept.
        tokenizer: of the ids.
        settings: what else the encoder is told, JSON values.
        code: module of the encoder, or several; that of the tokenizers is looked at too.
        build: encodes.
    """
    if cache is None or len(rows) < _FEWEST_ROWS:
        return build()
    key = content_key(
        rows=table_key(rows),
        tokenizer=tokenizer.fingerprint,
        settings=settings,
        code=code_version(*([code] if isinstance(code, ModuleType) else code), tokenization),
    )
    return cache.get(kind, key, build)


def content_key(*, rows: str, tokenizer: str, settings: Mapping[str, Any], code: str) -> str:
    """Hash of everything that encoded features depend on.

    Args:
        rows: of `table_key`.
        tokenizer: its fingerprint.
        settings: what else the encoder is told, JSON values.
        code: of `code_version`.
    """
    parts = {"format": _FORMAT, "rows": rows, "tokenizer": tokenizer, "settings": dict(settings), "code": code}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def table_key(dataset: Any) -> str:
    """Hash of a ``datasets.Dataset``: its columns, their types and every value; not how it is cut into chunks."""
    import pyarrow

    table = dataset.with_format("arrow")[:].combine_chunks()
    digest = _Digest()
    with pyarrow.ipc.new_stream(digest, table.schema.remove_metadata()) as stream:
        stream.write_table(table.replace_schema_metadata(None))
    labels = {name: getattr(feature, "names", None) for name, feature in dataset.features.items()}
    return hashlib.sha256(f"{json.dumps(labels, sort_keys=True)}{digest.hexdigest()}".encode()).hexdigest()


def code_version(*modules: ModuleType) -> str:
    """Changes with the source of modules, packages, and what they take from our other modules.

    So features of older code are made anew.
    """
    digest = hashlib.sha256(albert_cli.__version__.encode())
    for file in sorted({file for module in modules for file in _sources(module, set())}):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _sources(module: ModuleType, seen: set[str]) -> set[Path]:
    """Source files of a module (of a package: all in it), and of our modules that its names come from."""
    seen.add(module.__name__)
    place = Path(module.__file__ or "")
    files = set(place.parent.glob("*.py")) if place.name == "__init__.py" else {place}
    for value in list(vars(module).values()):
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(name, str) and name.startswith("albert_cli.") and name in sys.modules and name not in seen:
            files |= _sources(sys.modules[name], seen)
    return {file for file in files if file.is_file()}


class _Digest:
    """A hash that takes writes as a file does."""

    closed = False

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def write(self, data: Any) -> int:
        self._digest.update(data)
        return len(data)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""


def _write(features: Any, folder: Path) -> None:
    plain: dict[str, Any] = {}
    for name, value in _fields(features).items():
        if isinstance(value, np.ndarray) and value.dtype != object:
            with (folder / f"{name}.npy").open("wb") as file:
                _save(file, value)
        elif isinstance(value, _PLAIN) or (
            isinstance(value, list | tuple) and all(isinstance(item, _PLAIN) for item in value)
        ):
            plain[name] = {"tuple": list(value)} if isinstance(value, tuple) else {"value": value}
        else:
            raise TypeError(f"{type(features).__name__}.{name} is a {type(value).__name__}, which is not kept on disk")
    (folder / _FIELDS).write_text(json.dumps(plain), encoding="utf-8")


def _save(file: BinaryIO, array: np.ndarray) -> None:
    np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def _read(kind: type[Features], folder: Path) -> Features:
    plain = parse_json((folder / _FIELDS).read_text(encoding="utf-8"))
    values: dict[str, Any] = {
        name: tuple(entry["tuple"]) if "tuple" in entry else entry["value"] for name, entry in plain.items()
    }
    for path in folder.glob("*.npy"):
        values[path.stem] = _map(path)
    return kind(**values)


def _map(path: Path) -> np.ndarray:
    """A read-only view of the file; an array without values cannot be mapped and is read."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return np.asarray(array)


def _fields(features: Any) -> dict[str, Any]:
    return {field.name: getattr(features, field.name) for field in dataclasses.fields(features) if field.init}


def _make_room(folder: Path, *, keep: Path) -> None:
    """Remove the longest unused entries until all of them together are small enough; mapped ones live on."""
    # Only what is ours by name and content: users may name any folder.
    ours = [path for path in folder.iterdir() if len(path.name.rpartition("-")[2]) == _KEY_LETTERS]
    entries = sorted((path for path in ours if (path / _FIELDS).is_file()), key=lambda path: path.stat().st_mtime)
    sizes = {path: sum(file.stat().st_size for file in path.iterdir() if file.is_file()) for path in entries}
    total = sum(sizes.values())
    for path in entries:
        if total <= _MOST_BYTES:
            return
        if path != keep:
            shutil.rmtree(path, ignore_errors=True)
            total -= sizes[path]
