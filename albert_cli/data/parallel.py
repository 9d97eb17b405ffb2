"""How is a large split encoded by several processes?

The result is the same as without them, in the same order. Fresh processes are started, not forked ones: those would
inherit locks of the threads that torch and SentencePiece run.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from albert_cli.errors import DataError

Part = TypeVar("Part")
Result = TypeVar("Result")

_MOST_PROCESSES = 8


def map_parts(function: Callable[[Part], Result], parts: Sequence[Part], *, processes: int) -> list[Result]:
    """Apply a function to each part, in several processes where that is more than one.

    Args:
        function: must pickle, such as a ``functools.partial`` of a module's function.
        parts: its arguments, which must pickle too.
        processes: how many; 1 works in this process.

    Returns:
        A result for each part, in order.

    Raises:
        DataError: a process died, for want of memory as a rule.
    """
    processes = min(processes, len(parts))
    if processes <= 1:
        return [function(part) for part in parts]
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            return list(pool.map(function, parts))
    except BrokenProcessPool as error:
        raise DataError(
            f"a process that encoded data died ({processes} were at work)",
            hint="there may be too little memory: --threads 1 encodes in one process",
        ) from error


def encoding_processes(size: int, *, enough: int, threads: int | None) -> int:
    """How many processes are worth starting.

    Args:
        size: of the work.
        enough: work that one process should have at least; less than twice as much is done here.
        threads: what the user allows each process of a run, or None: every core that this process may use.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(size // enough, threads or cores, cores, _MOST_PROCESSES))
