"""How does a run end when someone asks it to? Politely at the first signal, at once at the second.

The handler only sets a flag: saving inside a handler would write whatever state the interrupted line left. The loop
reads the flag between steps, on all processes together.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopFlag:
    """Whether someone asked the run to stop.

    Attributes:
        signal_number: the signal that asked, or None.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def request(self, signal_number: int = signal.SIGTERM) -> None:
        """Ask to stop after the current step; the first reason stays."""
        if self.signal_number is None:
            self.signal_number = int(signal_number)

    @property
    def requested(self) -> bool:
        """Whether anyone asked."""
        return self.signal_number is not None


@contextmanager
def stop_on_signals(on_request: Callable[[int], None] | None = None) -> Iterator[StopFlag]:
    """Turn the first SIGINT or SIGTERM into a flag; a second one ends the process at once.

    After the first signal the system's own handling is restored, so that a second one works even while the process
    waits inside a library.

    Args:
        on_request: called with the signal's number when the first arrives, to tell the user; it must not fail.

    Yields:
        The flag.
    """
    flag = StopFlag()

    def handle(number: int, _frame: FrameType | None) -> None:
        flag.request(number)
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        if on_request is not None:
            on_request(number)

    before = {each: signal.signal(each, handle) for each in SIGNALS}
    try:
        yield flag
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def ignore_signals(_worker: int = 0) -> None:
    """For data-loading processes: a Ctrl-C reaches them, too, but they must serve until the step is done."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
