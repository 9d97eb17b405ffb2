"""How far is the work, how fast, and how long will it take?

A terminal gets a bar that moves, with what was measured below it. Anything else gets a line per log interval and at
least one a minute, also while a step or an evaluation takes longer, so that a job log shows life without growing by a
line per step. Both show the same fields.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from albert_cli.files.text import safe_text
from albert_cli.report import numbers
from albert_cli.report.console import Talk

if TYPE_CHECKING:
    import rich.console
    import rich.progress

SILENCE_SECONDS = 60.0
_HEARTBEAT_SECONDS = 5.0


class Progress:
    """The progress of a known number of steps.

    Args:
        talk: the command's voice.
        total: steps in all; None when nobody knows (a stream).
        start: steps done before, by an earlier part of the same run.
        unit: what is counted ("step", "document").
        clock: seconds that only go up; tests bring their own.
        heartbeat: seconds between looks at whether a line is due though no step has ended.
    """

    def __init__(
        self,
        talk: Talk,
        *,
        total: int | None,
        start: int = 0,
        unit: str = "step",
        clock: Callable[[], float] = time.monotonic,
        heartbeat: float = _HEARTBEAT_SECONDS,
    ) -> None:
        self._talk = talk
        self._total = total
        self._start = self._done = start
        self._unit = unit
        self._clock = clock
        self._began = self._last_line = clock()
        self._fields: dict[str, float] = {}
        self._doing = self._last_evaluation = self._best = ""
        self._bar: rich.progress.Progress | None = None
        self._heartbeat = heartbeat
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._watch: threading.Thread | None = None

    def __enter__(self) -> Progress:
        self._began = self._last_line = self._clock()
        if self._talk.is_main and not self._talk.quiet and self._talk.is_terminal:
            self._bar = _make_bar(self._talk, self._unit, self._total, self._start, below=self._below)
            self._bar.start()
        elif self._talk.is_main:
            self._over.clear()
            self._watch = threading.Thread(target=self._break_silence, daemon=True)
            self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.live.transient = self._done == self._start  # a bar of nothing done is no news
            self._bar.stop()
            self._bar = None
        if self._watch is not None:
            self._over.set()
            self._watch.join()
            self._watch = None

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
            self._bar.update(self._bar.task_ids[0], completed=done)
            if fields is not None:
                self._talk.note(self.line())
        else:
            self._say(even_if_soon=fields is not None)

    def evaluated(self, last: str, best: str) -> None:
        """Show from now on what the last evaluation said, and the best one so far."""
        self._last_evaluation, self._best = last, best

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Say what goes on inside, for as long as it takes; no step is made."""
        self._doing = what
        try:
            yield
        finally:
            self._doing = ""

    def _say(self, *, even_if_soon: bool) -> None:
        with self._lock:
            if even_if_soon or self._clock() - self._last_line >= SILENCE_SECONDS:
                self._last_line = self._clock()
                self._talk.say(self.line())

    def _break_silence(self) -> None:
        while not self._over.wait(self._heartbeat):
            self._say(even_if_soon=False)

    def _below(self) -> list[str]:
        """Lines below the bar."""
        last = f"last evaluation: {self._last_evaluation}" if self._last_evaluation else ""
        state = "  ".join(part for part in (fields_text(self._fields), self._doing) if part)
        return [line for line in (state, last, f"best so far: {self._best}" if self._best else "") if line]

    def line(self) -> str:
        """The present state on one line."""
        position = numbers.count(self._done) + (f"/{numbers.count(self._total)}" if self._total is not None else "")
        parts = [f"{self._unit} {position}", self._doing, fields_text(self._fields)]
        if self._best:
            parts.append(f"best {self._best}")
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
        if name == "limit_share":
            parts.append(f"{numbers.score(number)} % of the limit")
        elif name.endswith("_per_second"):
            parts.append(f"{numbers.value(name, number)} {name.removesuffix('_per_second')}/s")
        else:
            parts.append(f"{name} {numbers.value(name, number)}")
    return "  ".join(parts)


def _make_bar(
    talk: Talk, unit: str, total: int | None, start: int, *, below: Callable[[], list[str]]
) -> rich.progress.Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    class Bar(RichProgress):
        """A bar with lines below it, made anew whenever it is drawn."""

        def get_renderables(self) -> Iterable[rich.console.RenderableType]:
            yield self.make_tasks_table(self.tasks)
            for line in below():
                yield Text(safe_text(line), style="dim", overflow="ellipsis", no_wrap=True)

    bar = Bar(
        TextColumn("{task.description}", markup=False),
        MofNCompleteColumn(),
        BarColumn(bar_width=32),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=talk.console(),
        refresh_per_second=4,
    )
    bar.add_task(unit, total=total, completed=start)
    return bar
