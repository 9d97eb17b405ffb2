"""How are RACE's files read: a folder or an archive of passages, ``train|dev|test/{middle,high}/*.txt``?

A file holds one JSON object (``article``, ``questions``, ``options``, ``answers``, ``id``); ``all.txt`` holds many, one
after another. Archives are read as they are and never unpacked to disk.
"""

from __future__ import annotations

import json
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from albert_cli.data.questions import Question, kind_of, read_choices, read_label, read_text
from albert_cli.data.split_files import SPLIT_NAMES
from albert_cli.errors import DataError
from albert_cli.files.json_text import json_value_at
from albert_cli.files.text import safe_line

LEVELS = ("high", "middle")
_SPLITS = {name: split for split in ("train", "dev", "test") for name in SPLIT_NAMES[split]}
_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tar.xz")
_WHOLE = "all.txt"
_BLANKS = re.compile(r"\s*")
_MOST_BYTES = 2**30  # of one file; the largest official one has 40 MB
_HINT = 'a passage is {"article": "...", "questions": [...], "options": [[...], ...], "answers": ["A", ...]}'


@dataclass(frozen=True)
class RaceFile:
    """A file of passages.

    Attributes:
        place: where it is, for messages.
        path: its path inside the data set.
        content: bytes, or the file on disk to read them from.
    """

    place: str
    path: PurePosixPath
    content: bytes | Path

    @property
    def split(self) -> str | None:
        """``train``, ``dev`` or ``test``, as the nearest folder (or the file itself) is called; None: not said."""
        names = (self.path.stem, *(part for part in reversed(self.path.parts[:-1])))
        return next((split for split in map(race_split, names) if split is not None), None)

    @property
    def level(self) -> str:
        """``middle`` or ``high``; empty where no folder says it."""
        return next((part for part in reversed(self.path.parts[:-1]) if part in LEVELS), "")

    def read(self) -> bytes:
        """The bytes.

        Raises:
            DataError: the file cannot be read, or is too large to be one.
        """
        if isinstance(self.content, bytes):
            return self.content
        try:
            if self.content.stat().st_size > _MOST_BYTES:
                raise _too_large(self.place)
            return self.content.read_bytes()
        except OSError as error:
            raise DataError(f"cannot read {self.place}: {error.strerror}", hint="check the file") from error


def race_split(name: str) -> str | None:
    """``train``, ``dev`` or ``test`` of a folder's name, such as ``validation``; None for any other."""
    return _SPLITS.get(name.lower())


def is_race(path: Path) -> bool:
    """Whether a path is an archive, a ``.txt`` file, or a folder of such files in RACE's layout."""
    if path.is_dir():
        return any(found.parent.name in LEVELS or found.name == _WHOLE for found in _text_files(path))
    name = path.name.lower()
    return name.endswith(_ARCHIVES) or name.endswith(".txt")


def find_race_files(path: Path) -> list[RaceFile]:
    """Files of passages in the order of level and number, the same for a folder and for its archive.

    Where a folder has ``all.txt``, its other files are left out: they hold the same passages.

    Raises:
        DataError: a damaged archive, or none of RACE's files.
    """
    if path.is_dir():
        files = [RaceFile(str(found), _inner_path(found), found) for found in _text_files(path)]
    elif path.name.lower().endswith(_ARCHIVES):
        files = list(_archive_files(path))
    else:
        files = [RaceFile(str(path), _inner_path(path), path)]
    whole = {file.path.parent for file in files if file.path.name == _WHOLE}
    kept = [file for file in files if file.path.name == _WHOLE or file.path.parent not in whole]
    if not kept:
        raise DataError(
            f"no passages ({safe_line(str(path))})", hint="RACE is laid out as train|dev|test/{middle,high}/*.txt"
        )
    return sorted(kept, key=lambda file: (str(file.path.parent), _number(file.path.stem), file.path.name))


def read_race_file(file: RaceFile, *, needs_label: bool) -> list[Question]:
    """Questions of one file.

    Raises:
        DataError: located at ``file:line``, not UTF-8, not JSON, or no passage.
    """
    place = safe_line(file.place)
    raw = file.read()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"not UTF-8 ({place}:{line})", hint="convert the file to UTF-8") from error
    questions: list[Question] = []
    line = 0
    for line, value in _json_values(text, place):
        name = f"{file.level}{file.path.name}" if file.path.name != _WHOLE else f"{file.level}{line}"
        questions += questions_of_passage(
            value, place=f"{place}:{line}", subset=file.level, name=name, needs_label=needs_label
        )
    if not line:
        raise DataError(f"an empty file ({place})", hint="fetch it again: it was cut")
    return questions  # none for a passage without questions, of which RACE has some


def questions_of_passage(
    passage: Any, *, place: str, subset: str = "", name: str = "", needs_label: bool
) -> list[Question]:
    """Questions of one JSON object in RACE's form.

    Args:
        passage: the object.
        place: where it stands, for messages.
        subset: its level; where that is empty, the beginning of its ``id`` may say it.
        name: its identifier if it has no ``id``.
        needs_label: whether answers must be there.

    Raises:
        DataError: located: keys that lack, lists of different lengths, an answer that is none.
    """
    if not isinstance(passage, Mapping):
        raise DataError(f"a passage is {kind_of(passage)}, not an object ({place})", hint=_HINT)
    article, asked, options = (passage.get(key) for key in ("article", "questions", "options"))
    if not isinstance(article, str):
        raise DataError(f"no article ({place})", hint=_HINT)
    answers = passage.get("answers")
    if answers is None and not needs_label and isinstance(asked, list):
        answers = [None] * len(asked)
    for what, found in (("questions", asked), ("options", options), ("answers", answers)):
        if not isinstance(found, list):
            raise DataError(f"the {what} of a passage are {kind_of(found)}, not a list ({place})", hint=_HINT)
    assert isinstance(asked, list)
    assert isinstance(options, list)
    assert isinstance(answers, list)
    if not len(asked) == len(options) == len(answers):
        raise DataError(
            f"{len(asked)} questions, {len(options)} options and {len(answers)} answers ({place})",
            hint="each question has its list of options and its answer",
        )
    identifier = passage.get("id") or name
    context = read_text(article, what="article", place=place)
    made = []
    for number, (question, choices, answer) in enumerate(zip(asked, options, answers, strict=True)):
        here = f"{place}, question {number}"
        offered = read_choices(choices, place=here)
        label = read_label(answer, offered, place=here)
        if label < 0 and needs_label:
            raise DataError(f"no answer ({here})", hint="remove the question, or give its answer")
        made.append(
            Question(
                context=context,
                question=read_text(question, what="question", place=here),
                choices=offered,
                label=label,
                id=f"{identifier}#{number}",
                subset=subset or level_of(str(identifier)),
            )
        )
    return made


def level_of(identifier: str) -> str:
    """``middle`` or ``high``, as the identifiers of RACE begin; else nothing."""
    return next((level for level in LEVELS if identifier.startswith(level)), "")


def _text_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*.txt") if path.is_file() and not path.name.startswith("."))


def _inner_path(path: Path) -> PurePosixPath:
    """The last parts of a path, ``dev/high/1.txt``: what a split and level are read from."""
    return PurePosixPath(*path.absolute().parts[-3:])


def _archive_files(path: Path) -> Iterator[RaceFile]:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                inner = PurePosixPath(member.name)
                is_text = inner.suffix == ".txt" and not inner.name.startswith(".")
                if not member.isfile() or not is_text or (inner.name != _WHOLE and inner.parent.name not in LEVELS):
                    continue
                place = f"{path}:{member.name}"
                if member.size > _MOST_BYTES:
                    raise _too_large(place)
                stream = archive.extractfile(member)
                assert stream is not None
                yield RaceFile(place, inner, stream.read())
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(
            f"damaged or cut archive: {safe_line(str(error))} ({safe_line(str(path))})",
            hint="fetch it again, and compare its checksum",
        ) from error


def _json_values(text: str, place: str) -> Iterator[tuple[int, Any]]:
    """JSON values one after another, each with the line it begins in."""
    at, line, counted = 0, 1, 0
    while True:
        at = _after_blanks(text, at)
        if at >= len(text):
            return
        line, counted = line + text.count("\n", counted, at), at
        try:
            value, at = json_value_at(text, at)
        except json.JSONDecodeError as error:
            raise DataError(
                f"not JSON: {error.msg}, column {error.colno} ({place}:{error.lineno})", hint=_HINT
            ) from error
        yield line, value


def _after_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    assert found is not None
    return found.end()


def _number(stem: str) -> int:
    return int(stem) if stem.isascii() and stem.isdigit() else -1


def _too_large(place: str) -> DataError:
    return DataError(f"a file of more than {_MOST_BYTES:,} bytes ({safe_line(place)})", hint="check that it is RACE's")
