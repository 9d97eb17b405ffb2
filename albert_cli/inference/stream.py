"""How do lines come in and answers go out, in order, at once, and in constant memory?

A line that is there is answered without waiting for the next. Lines that are there together are answered together,
which is several times faster.
"""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Protocol

from albert_cli.errors import ModelError
from albert_cli.files.limits import MAX_LINE_BYTES
from albert_cli.files.text import json_line
from albert_cli.inference.device import BATCH_TOKENS
from albert_cli.inference.queries import Answer, Query, Refusal, Task
from albert_cli.inference.records import Reader

_CHUNK_BYTES = 65_536
# What lines are gathered by before anybody has encoded them; what is computed together is counted exactly later.
_CHARACTERS_OF_A_TOKEN = 4
_SPECIAL_TOKENS = 2


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


def chunks_from_stdin() -> Iterator[bytes | Pause]:
    """Read what is piped or typed, as it comes."""
    if sys.stdin is None:  # closed by who started us
        return
    try:
        descriptor = sys.stdin.fileno()
    except (OSError, ValueError):  # replaced by an object that is no file
        yield from chunks_from_file(sys.stdin.buffer)
        return
    yield from chunks_from_descriptor(descriptor)


def whole_stdin() -> Iterator[bytes]:
    """Read what is piped or typed to its end."""
    return (chunk for chunk in chunks_from_stdin() if isinstance(chunk, bytes))


def stdin_is_terminal() -> bool:
    """Whether somebody types."""
    return sys.stdin is not None and sys.stdin.isatty()


def chunks_from_file(file: BinaryIO) -> Iterator[bytes]:
    """Read a file, of which everything is there."""
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


def is_regular(file: BinaryIO) -> bool:
    """Whether everything of an open file is there: it is no pipe, terminal or socket."""
    return stat.S_ISREG(os.fstat(file.fileno()).st_mode)


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


def group_queries(
    queries: Iterable[Query | Refusal | Pause], *, batch_tokens: int = BATCH_TOKENS
) -> Iterator[list[Query | Refusal]]:
    """Gather neighbours into groups to answer at once.

    A pause ends a group, so that nobody waits for the next line; so does a group of about ``batch_tokens`` tokens, and
    a longer line comes alone.

    Args:
        queries: what is asked, and pauses.
        batch_tokens: most tokens of a group, by the length of its texts.
    """
    group: list[Query | Refusal] = []
    tokens = 0
    for query in queries:
        if isinstance(query, Pause):
            if group:
                yield group
            group, tokens = [], 0
            continue
        size = _likely_tokens(query)
        if group and tokens + size > batch_tokens:
            yield group
            group, tokens = [], 0
        group.append(query)
        tokens += size
    if group:
        yield group


def _likely_tokens(query: Query | Refusal) -> int:
    characters = query.num_characters if isinstance(query, Query) else 0
    return _SPECIAL_TOKENS + characters // _CHARACTERS_OF_A_TOKEN


def answer_group(group: Sequence[Query | Refusal], task: Task) -> list[Answer]:
    """Answer what can be answered, in order; a refusal becomes an ``error``."""
    answers = iter(_answer([query for query in group if isinstance(query, Query)], task))
    return [next(answers) if isinstance(query, Query) else {"error": query.reason} for query in group]


def _answer(queries: Sequence[Query], task: Task) -> list[Answer]:
    """Answer some queries; what has no room together is tried in halves, and alone it gets an ``error``."""
    try:
        return task.answer(queries) if queries else []
    except (ModelError, MemoryError) as error:
        if len(queries) == 1:
            return [{"error": str(error) or "out of memory"}]
    middle = len(queries) // 2
    return _answer(queries[:middle], task) + _answer(queries[middle:], task)


class Sink(Protocol):
    """Where answers go, one after another."""

    def take(self, index: int, query: Query | Refusal, answer: Answer) -> None:
        """Show or write one answer."""
        ...

    def flush(self) -> None:
        """Let everything taken be seen."""
        ...


class JsonLines:
    """Writes one JSON object per answer.

    Args:
        out: takes UTF-8; at a terminal it is flushed after each line.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._is_terminal = out.isatty()

    def take(self, index: int, query: Query | Refusal, answer: Answer) -> None:
        """Write one object."""
        self._out.write(json_line({"index": index, **answer}).encode() + b"\n")
        if self._is_terminal:
            self._out.flush()

    def flush(self) -> None:
        """Hand on what is held."""
        self._out.flush()


def answer_stream(
    queries: Iterable[Query | Refusal | Pause], task: Task, sink: Sink, *, batch_tokens: int = BATCH_TOKENS
) -> tuple[int, int]:
    """Answer every query, in order, numbered from 0.

    Args:
        queries: what is asked.
        task: who answers.
        sink: takes the answers; flushed after each group.
        batch_tokens: about so many tokens are answered together.

    Returns:
        How many queries there were, and how many of them got an ``error``.

    Raises:
        BrokenPipeError: nobody reads the answers any more.
    """
    index = num_errors = 0
    for group in group_queries(queries, batch_tokens=batch_tokens):
        for query, answer in zip(group, answer_group(group, task), strict=True):
            sink.take(index, query, answer)
            index += 1
            num_errors += "error" in answer
        sink.flush()
    return index, num_errors
