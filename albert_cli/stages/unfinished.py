"""Which predictions of a file are there already? They wait beside it, a line each, until all of them are.

``FILE.partial`` begins with a line that says what they were made with. Whatever kills the process, the lines that are
whole are good, and the rest is made again.
"""

from __future__ import annotations

import fcntl
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from albert_cli.errors import DataError
from albert_cli.files.json_text import parse_json
from albert_cli.files.text import json_line, safe_line

ENDING = ".partial"


class Unfinished:
    """Predictions so far.

    Args:
        file: open for reading and writing; holds a first line and records.
        path: of the file; None where it has no name.
    """

    def __init__(self, file: BinaryIO, path: Path | None) -> None:
        self._file = file
        self._path = path

    def __enter__(self) -> Unfinished:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Add records at the end."""
        self._file.seek(0, 2)
        self._file.write("".join(f"{json_line(record)}\n" for record in records).encode())
        self._file.flush()

    def records(self) -> Iterator[dict[str, Any]]:
        """All records from the first."""
        for line in self._lines():
            yield json.loads(line)

    def count(self) -> int:
        """How many records are whole; what a kill cut off is none."""
        return sum(1 for _ in self._whole())

    def keep(self, number: int) -> None:
        """Drop all records behind the first ``number``."""
        self._file.seek(0)
        self._file.readline()
        for _ in range(number):
            self._file.readline()
        self._file.truncate(self._file.tell())

    def discard(self) -> None:
        """Remove the file: the predictions are where they belong."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _lines(self) -> Iterator[bytes]:
        place = 0
        self._file.seek(0)
        self._file.readline()
        while True:
            line = self._file.readline()
            if not line:
                return
            place = self._file.tell()
            yield line
            self._file.seek(place)  # whoever got the line may have read elsewhere

    def _whole(self) -> Iterator[bytes]:
        for line in self._lines():
            if not line.endswith(b"\n") or _object(line) is None:
                return
            yield line


def open_unfinished(out: Path | None, made_with: Mapping[str, str], *, resume: bool) -> Unfinished:
    """Open what is there of a file of predictions, or begin it.

    Args:
        out: the file that they will become; None keeps them in a file without a name.
        made_with: digests by what they are of ("model", "input").
        resume: go on with what is there; else it is dropped.

    Raises:
        DataError: what is there was made with something else, another process writes it, or it cannot be written.
    """
    if out is None:
        file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - closed with what is returned
        return _begun(Unfinished(file, None), file, made_with)
    path = out.with_name(out.name + ENDING)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        file = path.open("r+b")
    except OSError as error:
        raise DataError(
            f"cannot write {safe_line(str(path))}: {error.strerror or error}", hint="choose another --out"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise DataError(
            f"another process is writing {safe_line(str(path))}", hint="wait for it, or choose another --out"
        ) from error
    known = _object(file.readline())
    if not resume or known is None:
        return _begun(Unfinished(file, path), file, made_with)
    changed = [name for name, digest in made_with.items() if known.get(name) != digest]
    if changed:
        file.close()
        raise DataError(
            f"another {' and another '.join(changed)} than {safe_line(str(path))} was begun with",
            hint="give what it was begun with, or begin again without --resume",
        )
    return Unfinished(file, path)


def _begun(unfinished: Unfinished, file: BinaryIO, made_with: Mapping[str, str]) -> Unfinished:
    file.seek(0)
    file.truncate()
    unfinished.append([made_with])
    return unfinished


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = parse_json(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
