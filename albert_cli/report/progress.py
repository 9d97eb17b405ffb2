"""How far is the work, how fast, and how long will it take?

A terminal gets a bar that moves. Anything else gets a line per log interval and at least one a minute, so that a job
log shows life without growing by a line per step. Both show the same fields.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from albert_cli.report import numbers
from albert_cli.report.console import Talk

if TYPE_CHECKING:
    import rich.progress

SILENCE_SECONDS = 60.0


class Progress:
    """The progress of a known number of steps.

    Args:
        talk: the command's voice.
        total: steps in all; None when nobody knows (a stream).
        start: steps done before, by an earlier part of the same run.
        unit: what is counted ("step", "document").
        clock: seconds that only go up; tests bring their own.
    """

    def __init__(
        self,
        talk: Talk,
        *,
        total: int | None,
        start: int = 0,
        unit: str = "step",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._talk = talk
        self._total = total
        self._start = self._done = start
        self._unit = unit
        self._clock = clock
        self._began = self._last_line = clock()
        self._fields: dict[str, float] = {}
        self._bar: rich.progress.Progress | None = None

    def __enter__(self) -> Progress:
        self._began = self._last_line = self._clock()
        if self._talk.is_main and not self._talk.quiet and self._talk.is_terminal:
            self._bar = _make_bar(self._talk, self._unit, self._total, self._start)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def update(self, done: int, fields: Mapping[str, float] | None = None) -> None:
        """Move on.

        Args:
            done: steps done in all, earlier parts of the run included.
            fields: what to show from now on (losses, ``learning_rate``, ``tokens_per_second``); None keeps what was
                shown. Giving them says that a log interval is over, and writes a line where there is no bar.
        """
        self._done = done
        if fields is not None:
            self._fields = dict(fields)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, fields_text=fields_text(self._fields))
            if fields is not None:
                self._talk.note(self.line())
        elif fields is not None or self._clock() - self._last_line >= SILENCE_SECONDS:
            self._last_line = self._clock()
            self._talk.say(self.line())

    def line(self) -> str:
        """The present state on one line."""
        position = numbers.count(self._done) + (f"/{numbers.count(self._total)}" if self._total is not None else "")
        parts = [f"{self._unit} {position}", fields_text(self._fields)]
        left = self.seconds_left()
        if left is not None:
            parts.append(f"{numbers.duration(left)} left")
        return "  ".join(part for part in parts if part)

    def seconds_left(self) -> float | None:
        """Seconds to the end at the mean speed of this part of the run; None before the first step."""
        done_here = self._done - self._start
        if self._total is None or done_here <= 0:
            return None
        return (self._clock() - self._began) / done_here * max(0, self._total - self._done)


def fields_text(fields: Mapping[str, float]) -> str:
    """Write logged numbers in one line, with their names and units."""
    parts = []
    for name, number in fields.items():
        if name.endswith("_per_second"):
            parts.append(f"{numbers.value(name, number)} {name.removesuffix('_per_second')}/s")
        else:
            parts.append(f"{name} {numbers.value(name, number)}")
    return "  ".join(parts)


def _make_bar(talk: Talk, unit: str, total: int | None, start: int) -> rich.progress.Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    bar = RichProgress(
        TextColumn("{task.description}", markup=False),
        MofNCompleteColumn(),
        BarColumn(bar_width=24),
        TimeRemainingColumn(),
        TextColumn("{task.fields[fields_text]}", markup=False),
        console=talk.console(),
        refresh_per_second=4,
    )
    bar.add_task(unit, total=total, completed=start, fields_text="")
    return bar
