"""How does a run end when someone asks it to? Politely at the first signal, at once at the second.

The handler only sets a flag: saving inside a handler would write whatever state the interrupted line left. The loop
reads the flag between steps, on all processes together. Before the first step there is nothing to save; what is under
way then is left where it is, and files are whole or absent anyway.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from albert_cli.errors import Interrupted
from albert_cli.training.launch import MARKER

# SIGUSR1 is what schedulers are told to send some time before the end (`#SBATCH --signal=USR1@300`), SIGHUP what a
# terminal leaves behind; both count as SIGTERM.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
# A scheduler may signal every process of a job, and the one that started us passes the same signal on.
_ONE_REQUEST_SECONDS = 1.0


class StopFlag:
    """Whether someone asked the run to stop.

    Attributes:
        signal_number: SIGINT or SIGTERM, which asked; or None.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def request(self, signal_number: int = signal.SIGTERM) -> None:
        """Ask to stop after the current step; the first reason stays."""
        if self.signal_number is None:
            self.signal_number = counts_as(signal_number)

    @property
    def requested(self) -> bool:
        """Whether anyone asked."""
        return self.signal_number is not None


def counts_as(number: int) -> int:
    """SIGINT or SIGTERM: what the exit code is made of."""
    return int(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)


@contextmanager
def stop_on_signals(on_request: Callable[[int], None] | None = None) -> Iterator[StopFlag]:
    """Turn the first signal of `SIGNALS` into a flag; a second one ends the process at once.

    After the first signal the system's own handling is restored, so that a second one works even while the process
    waits inside a library. (One of several processes that we started ourselves listens a little longer: the same
    request may reach it twice; the one that started it ends it at the second.)

    Args:
        on_request: called with the signal's number when the first arrives, to tell the user.

    Yields:
        The flag.
    """
    flag = StopFlag()
    first = 0.0

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal first
        flag.request(number)
        first = time.monotonic()
        _set(again if MARKER in os.environ else signal.SIG_DFL)
        if on_request is not None:
            with suppress(RuntimeError):  # it may have come in the middle of another line
                on_request(number)

    def again(number: int, _frame: FrameType | None) -> None:
        if time.monotonic() - first > _ONE_REQUEST_SECONDS:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    with _answered_by(handle):
        yield flag


@contextmanager
def stop_between_runs() -> Iterator[None]:
    """Let a signal of `SIGNALS` end what is under way while nothing is trained: reading, encoding, checking.

    Raises:
        Interrupted: one came.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        _set(signal.SIG_DFL)
        raise _Asked(counts_as(number))

    try:
        with _answered_by(handle):
            yield
    except _Asked as asked:
        raise Interrupted(
            asked.number,
            "stopped by a signal; no step was under way",
            hint="give the same command again; what was prepared is kept, and a run that had begun needs --resume",
        ) from None


class _Asked(KeyboardInterrupt):
    """A signal that ends what is under way; no library takes it for an error of its own."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def _answered_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Answer signals so within the block; elsewhere than in the main thread Python allows no answer."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.getsignal(each) for each in SIGNALS}
    _set(handler)
    try:
        yield
    finally:
        for each, handling in before.items():
            signal.signal(each, handling)


def _set(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    for each in SIGNALS:
        # nohup and its like ignore SIGHUP, and mean it
        if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN:
            signal.signal(each, handler)


def ignore_signals(_worker: int = 0) -> None:
    """For data-loading processes: a Ctrl-C reaches them, too, but they must serve until the step is done."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
