"""Lines in, answers out: in order, one each, without waiting, whatever the lines hold."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from albert_cli.errors import ModelError
from albert_cli.inference.queries import Query, Refusal
from albert_cli.inference.records import LineReader, TextReader
from albert_cli.inference.stream import (
    PAUSE,
    JsonLines,
    Pause,
    answer_group,
    answer_stream,
    chunks_from_descriptor,
    chunks_from_file,
    group_queries,
    queries_from_lines,
    split_lines,
)


class Echo:
    """Answers with the text itself, refuses `bad`, and notes how many came together."""

    def __init__(self) -> None:
        self.groups: list[int] = []

    def answer(self, queries: Sequence[Query]) -> list[dict[str, Any]]:
        self.groups.append(len(queries))
        return [{"error": "bad"} if query.text == "bad" else {"results": [query.text]} for query in queries]


def lines_of(*chunks: bytes | Pause, **options: int) -> list[Any]:
    return list(split_lines(iter(chunks), **options))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_do_not_depend_on_how_the_data_is_cut(size):
    data = "one\ntwo \u2028 still\r\n\n\x00nul\ndrei ß 漢\nlast".encode()
    chunks = [data[place : place + size] for place in range(0, len(data), size)]
    assert lines_of(*chunks) == ["one", "two \u2028 still", "", "\x00nul", "drei ß 漢", "last"]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a\n", ["a"]),
        (b"a\n\n", ["a", ""]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb", ["a", "\ufeffb"]),
        (b"\xff\xfe\n\xe4", ["\ufffd\ufffd", "\ufffd"]),
        (b"a\x0bb\x0cc\x85d\x1ce\n", ["a\x0bb\x0cc\ufffdd\x1ce"]),
        (b"carriage\rreturn\r\n", ["carriage\rreturn"]),
    ],
)
def test_only_newlines_end_lines_and_bad_bytes_are_replaced(data, lines):
    assert lines_of(data) == lines


def test_a_line_beyond_the_cap_is_refused_and_the_rest_goes_on():
    found = lines_of(b"ok\nxxxx", b"xxxx", b"xxxx\nfine\n", b"y" * 30, max_line_bytes=10)
    assert [line if isinstance(line, str) else type(line) for line in found] == ["ok", Refusal, "fine", Refusal]
    assert "12 bytes" in found[1].reason


def test_an_overlong_line_is_not_held_in_memory():
    import tracemalloc

    def endless() -> Iterator[bytes]:
        for _ in range(500):
            yield b"x" * 65_536

    tracemalloc.start()
    assert len(list(split_lines(endless(), max_line_bytes=100_000))) == 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_groups_are_bounded_and_end_at_a_pause():
    short, long = Query("word"), Query("x" * 9000)  # three tokens, and some two thousand

    def sizes(*queries: Query | Refusal | Pause) -> list[int]:
        return [len(group) for group in group_queries(queries, batch_tokens=30)]

    assert sizes(*[short] * 23) == [10, 10, 3]
    assert sizes(short, PAUSE, PAUSE, short, short, PAUSE) == [1, 2]
    assert sizes(short, long, short, short) == [1, 1, 2], "a long line comes alone"
    assert sizes(*[Refusal("no")] * 31) == [15, 15, 1], "lines without a text are bounded, too"
    assert sizes() == []


def test_answers_come_in_order_with_the_number_of_their_line():
    out, task = io.BytesIO(), Echo()
    queries = [Query("a"), Refusal("no"), Query("bad"), Query("b")]
    assert answer_stream(queries, task, JsonLines(out)) == (4, 2)
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"index": 0, "results": ["a"]},
        {"index": 1, "error": "no"},
        {"index": 2, "error": "bad"},
        {"index": 3, "results": ["b"]},
    ]
    assert task.groups == [3]


@pytest.mark.parametrize("text", ["[bold]x[/x]", "\x1b]0;title\x07", "\u202e", "\x00", "ß \u2028 \x85", '"\\'])
def test_what_is_written_is_one_safe_line_per_answer(text):
    out = io.BytesIO()
    answer_stream([Query(text)], Echo(), JsonLines(out))
    assert out.getvalue().count(b"\n") == 1
    assert out.getvalue().decode().rstrip("\n").isprintable()
    assert json.loads(out.getvalue())["results"] == [text]


@pytest.mark.timeout(60)
def test_a_slow_writer_gets_each_answer_before_the_next_line():
    """A pipe whose writer sends a line only after it has read the answer to the one before: a wait would never end."""
    into, feed = os.pipe()
    fetch, out_descriptor = os.pipe()

    def work() -> None:
        with os.fdopen(out_descriptor, "wb") as out:
            lines = split_lines(chunks_from_descriptor(into))
            answer_stream(queries_from_lines(lines, TextReader()), Echo(), JsonLines(out))

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    with os.fdopen(fetch, "rb") as answers:
        for number in range(3):
            os.write(feed, f"line {number}\n".encode())
            assert json.loads(answers.readline()) == {"index": number, "results": [f"line {number}"]}
        os.close(feed)
        assert answers.read() == b""
    worker.join(timeout=30)
    os.close(into)
    assert not worker.is_alive()


def test_lines_that_are_there_together_are_answered_together():
    task, out = Echo(), io.BytesIO()
    data = io.BytesIO(b"".join(b"%d\n" % number for number in range(100)))
    queries = queries_from_lines(split_lines(chunks_from_file(data)), LineReader("infer", ("text",), None))
    assert answer_stream(queries, task, JsonLines(out), batch_tokens=80) == (100, 0)
    assert task.groups == [40, 40, 20]


class Narrow(Echo):
    """Has room for two texts at once, and for no long one."""

    def answer(self, queries: Sequence[Query]) -> list[dict[str, Any]]:
        if len(queries) > 2 or any(len(query.text) > 5 for query in queries):
            raise ModelError("out of memory")
        return super().answer(queries)


def test_what_has_no_room_together_is_answered_in_parts_and_one_line_that_has_none_alone_gets_an_error():
    texts = ["a", "b", "too long", "c", "d"]
    answers = answer_group([Query(text) for text in texts], Narrow())
    assert [answer.get("results", [answer.get("error")])[0] for answer in answers] == [
        "a",
        "b",
        "out of memory",
        "c",
        "d",
    ]


class Terminal(io.BytesIO):
    """Counts how often it was flushed."""

    flushes = 0

    def isatty(self) -> bool:
        return True

    def flush(self) -> None:
        self.flushes += 1


def test_at_a_terminal_each_line_is_flushed():
    out = Terminal()
    answer_stream([Query("a"), Query("b"), Query("c")], Echo(), JsonLines(out))
    assert out.flushes >= 3
