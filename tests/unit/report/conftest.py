"""A terminal that remembers what it was sent."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest


class FakeTerminal(io.StringIO):
    """Says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def make_terminal(monkeypatch) -> Callable[[], FakeTerminal]:
    """Makes terminals of an ordinary kind, whatever the tests themselves run in."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return FakeTerminal


@pytest.fixture
def terminal(make_terminal) -> FakeTerminal:
    return make_terminal()
