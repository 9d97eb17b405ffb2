"""How are checks shown one by one: a mark, a name, seconds, a few words?

The marks are ✓ and ✗ where the output can write them, else words, so that nothing hangs on a colour or a letter.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Literal, TextIO

from albert_cli.report.console import result_text

State = Literal["ok", "failed", "note", "skipped"]
_MARKS: dict[State, tuple[str, str]] = {
    "ok": ("✓", "ok  "),
    "failed": ("✗", "FAIL"),
    "note": ("!", "note"),
    "skipped": ("-", "skip"),
}
_NAME_WIDTH = 16


@dataclass(frozen=True)
class Check:
    """One thing looked at or tried.

    Attributes:
        name: what.
        state: ``ok``; ``failed``; ``note`` for what works but is slow or missing; ``skipped``.
        said: what came of it.
        seconds: that it took; None for what takes none worth saying.
    """

    name: str
    state: State
    said: str
    seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        found: dict[str, Any] = {"name": self.name, "state": self.state, "said": self.said}
        return found if self.seconds is None else {**found, "seconds": round(self.seconds, 2)}


class Checklist:
    """Shows checks on stdout as they come, and keeps them.

    Args:
        stream: where to; None is stdout as it is at that moment.
        silent: only keep them.

    Attributes:
        checks: so far.
    """

    def __init__(self, *, stream: TextIO | None = None, silent: bool = False) -> None:
        self.checks: list[Check] = []
        self._stream = stream
        self._silent = silent

    def add(self, check: Check) -> None:
        """Take a check and show it."""
        self.checks.append(check)
        if not self._silent:
            result_text(check_line(check, plain=not can_write_marks(self._to())), stream=self._to())

    def close(self, text: str) -> None:
        """Show the sum of it all."""
        mark = _MARKS["failed" if self.failed else "ok"]
        result_text(f"{mark[not can_write_marks(self._to())]} {text}", stream=self._to())

    @property
    def failed(self) -> list[str]:
        """Names of what failed."""
        return [check.name for check in self.checks if check.state == "failed"]

    @property
    def done(self) -> set[str]:
        """Names of what went well."""
        return {check.name for check in self.checks if check.state == "ok"}

    def _to(self) -> TextIO:
        return sys.stdout if self._stream is None else self._stream


def can_write_marks(stream: TextIO) -> bool:
    """Whether a stream's encoding has the marks."""
    try:
        "".join(mark for mark, _ in _MARKS.values()).encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def check_line(check: Check, *, plain: bool = False) -> str:
    """Write a check on one line."""
    seconds = "       " if check.seconds is None else f"{check.seconds:5.1f} s"
    return f"{_MARKS[check.state][plain]} {check.name:<{_NAME_WIDTH}} {seconds}  {check.said}"
