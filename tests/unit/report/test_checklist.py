"""Checks one by one, with marks or with words."""

from __future__ import annotations

import io

from albert_cli.report.checklist import Check, Checklist, can_write_marks, check_line


def _stream(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


def _written(stream: io.TextIOWrapper) -> list[str]:
    stream.flush()
    return stream.buffer.getvalue().decode(stream.encoding).splitlines()  # type: ignore[attr-defined]


def test_marks_where_the_encoding_has_them() -> None:
    assert can_write_marks(_stream("utf-8"))
    assert not can_write_marks(_stream("ascii"))
    assert not can_write_marks(_stream("latin-1"))


def test_each_check_is_shown_when_it_is_known_and_the_sum_at_the_end() -> None:
    stream = _stream("utf-8")
    shown = Checklist(stream=stream)
    shown.add(Check("one", "ok", "3 things", seconds=1.25))
    assert _written(stream) == ["✓ one                1.2 s  3 things"]
    shown.add(Check("two", "failed", "error: no such thing", seconds=0))
    shown.add(Check("three", "skipped", "not tried without two", seconds=0))
    shown.close("1 failed: two")
    marks = [line[0] for line in _written(stream)]
    assert marks == ["✓", "✗", "-", "✗"]
    assert shown.failed == ["two"]
    assert shown.done == {"one"}


def test_words_stand_for_marks_that_cannot_be_written() -> None:
    stream = _stream("ascii")
    shown = Checklist(stream=stream)
    shown.add(Check("one", "ok", "fine"))
    shown.add(Check("two", "note", "slow"))
    shown.close("all well")
    assert [line.split()[0] for line in _written(stream)] == ["ok", "note", "ok"]


def test_a_silent_list_keeps_what_it_is_given() -> None:
    stream = _stream("utf-8")
    shown = Checklist(stream=stream, silent=True)
    shown.add(Check("one", "ok", "fine", seconds=2.5))
    assert _written(stream) == []
    assert shown.checks[0].as_json() == {"name": "one", "state": "ok", "said": "fine", "seconds": 2.5}


def test_checks_that_take_no_time_say_none() -> None:
    assert "seconds" not in Check("one", "ok", "fine").as_json()
    assert " s " not in check_line(Check("one", "ok", "fine"))
