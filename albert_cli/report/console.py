"""What do we say while we work, where, and how does a result leave the program?

Talk goes to stderr, results go to stdout, and neither ever goes to the other. On a terminal the talk is styled; in a
pipe or a log it is plain text. Text that users, data or checkpoints brought is shown literally: no markup, no emoji
codes, no escape sequences.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from albert_cli.errors import AlbertError
from albert_cli.files.text import json_line, safe_text

if TYPE_CHECKING:
    import rich.console

    from albert_cli.report.tables import Table

SCHEMA_VERSION = 1


class Talk:
    """The voice of one command.

    Only the main process talks: on other ranks of a distributed run every method does nothing, errors excepted.

    Args:
        quiet: leave out everything but warnings and errors.
        stream: where to talk; None takes stderr as it is at that moment.
        is_main: whether this process talks; None asks the environment variable RANK.

    Attributes:
        quiet: as given.
        is_main: as decided.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None, is_main: bool | None = None) -> None:
        self.quiet = quiet
        self.is_main = is_main_process() if is_main is None else is_main
        self._stream = stream
        self._log: TextIO | None = None
        self._warned: set[str] = set()
        self._console: rich.console.Console | None = None
        self._lock = threading.RLock()  # a progress speaks from a thread of its own

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def stream(self) -> TextIO:
        """Where the talk goes."""
        return sys.stderr if self._stream is None else self._stream

    @property
    def is_terminal(self) -> bool:
        """Whether a person watches: a terminal that can move its cursor."""
        return self.stream.isatty() and os.environ.get("TERM") != "dumb"

    def console(self) -> rich.console.Console:
        """The rich console of a terminal; progress bars must share it, so that lines appear above them."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(file=self.stream, markup=False, emoji=False, highlight=False, soft_wrap=True)
        return self._console

    def copy_to(self, log: Path) -> None:
        """Append a plain copy of everything said from now on to a file (``log.txt`` of a run), quiet or not."""
        if self.is_main:
            self.close()
            self._log = log.open("a", encoding="utf-8", errors="backslashreplace")

    def close(self) -> None:
        """Stop copying."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def say(self, text: str = "") -> None:
        """Say a line or several."""
        if self.is_main:
            self._emit(text, shown=not self.quiet)

    def warn(self, text: str) -> None:
        """Warn, once per run for the same text: what follows from it and what to do about it."""
        if self.is_main and text not in self._warned:
            self._warned.add(text)
            self._emit(f"warning: {text}", style="yellow")

    def error(self, error: AlbertError) -> None:
        """Show an error in the form that every command uses. Every rank may: the others' stderr is not lost."""
        what, *rest = error_lines(error)
        self._emit(what, style="bold red")
        for line in rest:
            self._emit(line)

    def table(self, table: Table) -> None:
        """Show a table among the talk."""
        if not self.is_main:
            return
        if self._log is not None:
            self._write_log(table.text())
        if self.quiet:
            return
        if self.is_terminal:
            self.console().print(table.rich())
        else:
            self._write(table.text())

    def note(self, text: str) -> None:
        """Write a line to the copy only: what the terminal shows by other means (a progress bar)."""
        if self.is_main and self._log is not None:
            self._write_log(safe_text(text))

    def _emit(self, text: str, *, style: str | None = None, shown: bool = True) -> None:
        text = safe_text(text)
        with self._lock:
            if self._log is not None:
                self._write_log(text)
            if not shown:
                return
            if self.is_terminal:
                from rich.text import Text

                self.console().print(Text(text, style=style or ""))
            else:
                self._write(text)

    def _write(self, text: str) -> None:
        encoding = self.stream.encoding or "utf-8"
        self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        self.stream.flush()

    def _write_log(self, text: str) -> None:
        assert self._log is not None
        self._log.write(text + "\n")
        self._log.flush()


def is_main_process() -> bool:
    """Whether this process speaks and writes for the whole run: rank 0, or not a distributed run at all."""
    return os.environ.get("RANK", "0") in ("", "0")


def error_lines(error: AlbertError) -> list[str]:
    """Write an error as users see it: ``error: what is wrong`` (one line each), then ``try: what to do next``."""
    problems = getattr(error, "problems", None) or [error.message]
    lines = [f"error: {_one_line(problem)}" for problem in problems]
    return [*lines, f"try: {_one_line(error.hint)}"] if error.hint else lines


def result_json(result: Mapping[str, Any], *, stream: TextIO | None = None) -> None:
    """Write a command's result as one JSON object with ``schema_version`` on one line of stdout."""
    result_text(json_line({"schema_version": SCHEMA_VERSION, **result}), stream=stream)


def result_json_list(results: list[Mapping[str, Any]], *, stream: TextIO | None = None) -> None:
    """Write a result that is a list (``recipe ls --json``) as one JSON array on one line of stdout."""
    result_text(json_line(results), stream=stream)


def result_text(text: str, *, stream: TextIO | None = None) -> None:
    """Write a result for people on stdout, made safe for a terminal."""
    stream = sys.stdout if stream is None else stream
    encoding = stream.encoding or "utf-8"
    stream.write(safe_text(text).encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()


def result_table(table: Table, *, stream: TextIO | None = None) -> None:
    """Write a table of results on stdout: plain and aligned, so that it can be piped."""
    result_text(table.text(), stream=stream)


def _one_line(text: str) -> str:
    return safe_text(" ".join(text.splitlines()))
