"""Faults at counted places: the n-th change of a file, the n-th step, the n-th look at an evaluation.

A hook counts what passes and acts at one number. Changes of files are seen through Python's audit events and through
``os.fsync``, so every opening for writing, renaming, linking, removing and forcing to the disk is a place where a fault
can be.
"""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from albert_cli.training import evaluation, update

PLACES = ("file", "step", "evaluation")
_CHANGES = {"os.rename", "os.remove", "os.symlink", "os.mkdir", "os.rmdir", "os.truncate"}
_ADDS = {"os.symlink", "os.mkdir", "os.rename"}


class Counter:
    """Counts places, and acts at one of them.

    Args:
        act: called with the place and its number, before what is counted happens.
        below: folder whose files count.
    """

    def __init__(self, act: Callable[[str, int], None], *, below: Path) -> None:
        self.act = act
        self.below = str(below)
        self.counts = dict.fromkeys(PLACES, 0)
        self.busy = False

    def __call__(self) -> None:
        """Watch this process."""
        self.watch_files()
        self._wrap(update.Updates, "step", "step")
        self._wrap(evaluation, "_read", "evaluation")

    def watch_files(self) -> None:
        """Watch changes of files alone, whoever makes them."""
        sys.addaudithook(self._audit)
        self._wrap(os, "fsync", "file")

    def count(self, place: str) -> None:
        """One more."""
        if self.busy:
            return
        self.busy = True
        try:
            self.counts[place] += 1
            self.act(place, self.counts[place])
        finally:
            self.busy = False

    def _wrap(self, owner: Any, name: str, place: str) -> None:
        real = getattr(owner, name)

        def counted(*arguments: Any, **more: Any) -> Any:
            self.count(place)
            return real(*arguments, **more)

        setattr(owner, name, counted)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not writes or not isinstance(path, str | bytes | os.PathLike):
                return
        elif event in _CHANGES:
            path = arguments[0] if event != "os.symlink" else arguments[1]
        else:
            return
        if not isinstance(path, int) and os.path.abspath(os.fsdecode(path)).startswith(self.below):
            self.count("file")


def is_writer() -> bool:
    """Whether this is the process that writes files: the only one, or the first of several."""
    return os.environ.get("RANK", "0") == "0"


def kill_at(place: str, number: int, *, below: Path, rank: int = 0) -> Counter:
    """Kill this process (the one with ``rank``) with signal 9 at a place."""

    def act(here: str, count: int) -> None:
        if here == place and count == number and int(os.environ.get("RANK", "0")) == rank:
            os.kill(os.getpid(), signal.SIGKILL)

    return Counter(act, below=below)


def freeze_at(place: str, number: int, *, below: Path, rank: int) -> Counter:
    """Stop this process (the one with ``rank``) for good at a place, without ending it."""

    def act(here: str, count: int) -> None:
        if here == place and count == number and int(os.environ.get("RANK", "0")) == rank:
            os.kill(os.getpid(), signal.SIGSTOP)

    return Counter(act, below=below)


def fail_from(number: int, code: int, *, below: Path) -> Counter:
    """Let every change of a file fail from the n-th on, as on a full disk or one that became read-only."""

    def act(here: str, count: int) -> None:
        if here == "file" and count >= number and is_writer():
            raise OSError(code, os.strerror(code))

    return Counter(act, below=below)


def count_to(file: Path, *, below: Path) -> Callable[[], None]:
    """Count, and keep the counts in a file."""

    def act(_here: str, _count: int) -> None:
        if is_writer():
            file.write_text(json.dumps(counter.counts))

    counter = Counter(act, below=below)
    return counter


def jump_the_clock(seed: int) -> Callable[[], None]:
    """Let the time of day jump by years, forwards and backwards, whenever somebody asks for it."""

    def setup() -> None:
        draw, real = random.Random(seed), time.time
        time.time = lambda: max(0.0, real() + draw.uniform(-1.0, 1.0) * 3e8)
        time.time_ns = lambda: int(time.time() * 1e9)

    return setup


FULL, READ_ONLY = errno.ENOSPC, errno.EROFS
