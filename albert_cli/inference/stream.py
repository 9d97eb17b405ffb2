"""How do lines come in and answers go out, in order, at once, and in constant memory?

A line that is there is answered without waiting for the next. Lines that are there together are answered together,
which is several times faster.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from albert_cli.files.limits import MAX_LINE_BYTES
from albert_cli.files.text import json_line
from albert_cli.inference.queries import Answer, Query, Refusal, Task
from albert_cli.inference.records import Reader

BATCH_LINES = 32
BATCH_CHARACTERS = 16_384  # about 4,000 tokens: more gains no speed on a processor and delays the first answer
_CHUNK_BYTES = 65_536


class Pause:
    """Nothing more has come yet: answer what there is before waiting."""


PAUSE = Pause()


def chunks_from_descriptor(descriptor: int) -> Iterator[bytes | Pause]:
    """Read a pipe or terminal as data comes; a `Pause` before each wait."""
    while True:
        if not select.select([descriptor], [], [], 0)[0]:
            yield PAUSE
        chunk = os.read(descriptor, _CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


def chunks_from_file(file: BinaryIO) -> Iterator[bytes]:
    """Read a file, of which everything is there."""
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


def split_lines(
    chunks: Iterable[bytes | Pause], *, max_line_bytes: int = MAX_LINE_BYTES
) -> Iterator[str | Refusal | Pause]:
    r"""Cut data into lines at ``\n`` alone; other separators belong to the text.

    Args:
        chunks: data in any pieces; pauses are passed on.
        max_line_bytes: a longer line is refused and skipped, without holding it in memory.

    Yields:
        Lines without their end, invalid UTF-8 replaced; a byte order mark at the start is left out.
    """
    held = _HeldLine(max_line_bytes)
    is_first = True
    for chunk in chunks:
        if isinstance(chunk, Pause):
            yield chunk
            continue
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            held.add(end)
            yield held.take(is_first=is_first)
            is_first = False
        held.add(rest)
    if held.num_bytes:
        yield held.take(is_first=is_first)


class _HeldLine:
    """The part of a line that has come so far; of one beyond the cap only its size is kept."""

    def __init__(self, max_bytes: int) -> None:
        self.num_bytes = 0
        self._parts: list[bytes] = []
        self._max_bytes = max_bytes

    def add(self, part: bytes) -> None:
        self.num_bytes += len(part)
        self._parts.append(part)
        if self.num_bytes > self._max_bytes:
            self._parts.clear()

    def take(self, *, is_first: bool) -> str | Refusal:
        whole, num_bytes = b"".join(self._parts), self.num_bytes
        self.num_bytes = 0
        self._parts.clear()
        if num_bytes > self._max_bytes:
            return Refusal(f"a line of {num_bytes:,} bytes; at most {self._max_bytes:,} are read")
        text = whole.removesuffix(b"\r").decode("utf-8", "replace")
        return text.removeprefix("\ufeff") if is_first else text


def queries_from_lines(lines: Iterable[str | Refusal | Pause], reader: Reader) -> Iterator[Query | Refusal | Pause]:
    """Read lines into queries; pauses and refusals are passed on."""
    for line in lines:
        query = reader.feed(line) if isinstance(line, str) else line
        if query is not None:
            yield query
    last = reader.finish()
    if last is not None:
        yield last


def group_queries(queries: Iterable[Query | Refusal | Pause]) -> Iterator[list[Query | Refusal]]:
    """Gather neighbours into groups to answer at once; a pause ends a group, so that nobody waits for the next line."""
    group: list[Query | Refusal] = []
    characters = 0
    for query in queries:
        if not isinstance(query, Pause):
            group.append(query)
            characters += query.num_characters if isinstance(query, Query) else 0
        is_full = len(group) >= BATCH_LINES or characters >= BATCH_CHARACTERS
        if group and (is_full or isinstance(query, Pause)):
            yield group
            group, characters = [], 0
    if group:
        yield group


def answer_group(group: Sequence[Query | Refusal], task: Task) -> list[Answer]:
    """Answer what can be answered, in order; a refusal becomes an ``error``."""
    answers = iter(task.answer([query for query in group if isinstance(query, Query)]))
    return [next(answers) if isinstance(query, Query) else {"error": query.reason} for query in group]


def answer_stream(queries: Iterable[Query | Refusal | Pause], task: Task, out: BinaryIO) -> tuple[int, int]:
    """Write one JSON object per query, in order, numbered by ``index``.

    Args:
        queries: what is asked.
        task: who answers.
        out: takes UTF-8; flushed after each group, and at a terminal after each line.

    Returns:
        How many queries there were, and how many of them got an ``error``.

    Raises:
        BrokenPipeError: nobody reads the answers any more.
    """
    is_terminal = out.isatty()
    index = num_errors = 0
    for group in group_queries(queries):
        for answer in answer_group(group, task):
            out.write(json_line({"index": index, **answer}).encode() + b"\n")
            if is_terminal:
                out.flush()
            index += 1
            num_errors += "error" in answer
        out.flush()
    return index, num_errors
