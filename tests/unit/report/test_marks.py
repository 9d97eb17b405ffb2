"""Marked text: colours for a terminal, brackets for the rest."""

from __future__ import annotations

import io

import pytest

from albert_cli.report.marks import Marked, bracketed, show_marked

PARTS = [
    Marked("[CLS]", "special"),
    Marked("a"),
    Marked("[MASK] b", "masked", "red car"),
    Marked("Rome", "answer"),
    Marked("swapped", "label"),
]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_brackets_hold_what_is_shown_and_what_is_said_about_it() -> None:
    assert bracketed(PARTS) == "[CLS] a {[MASK] b = red car} {Rome} [swapped]"


def test_a_pipe_gets_brackets_and_no_escape() -> None:
    stream = io.StringIO()
    show_marked(PARTS, stream=stream)
    assert stream.getvalue() == bracketed(PARTS) + "\n"


def test_a_terminal_gets_colours_and_no_brackets() -> None:
    stream = _Terminal()
    show_marked(PARTS, stream=stream)
    assert "\x1b[" in stream.getvalue()
    assert "{" not in stream.getvalue()
    for part in PARTS:
        assert part.text in stream.getvalue()
        assert part.note in stream.getvalue()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_without_colours_gets_brackets(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    stream = _Terminal()
    show_marked(PARTS, stream=stream)
    assert stream.getvalue() == bracketed(PARTS) + "\n"


def test_text_of_others_brings_no_escapes_to_the_terminal() -> None:
    for stream in (_Terminal(), io.StringIO()):
        show_marked([Marked("\x1b]0;title\x07", "answer", "\x9b31m")], stream=stream)
        assert "\x1b]0" not in stream.getvalue()
        assert "\x9b" not in stream.getvalue()
