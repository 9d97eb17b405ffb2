"""How much memory does a piece of work take at its peak? Each side in a process of its own, which has loaded first."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

import torch

from albert_cli.report.process_memory import peak_bytes, resident_bytes


def peak_growth(prepare: Callable[..., Callable[[], Any]], *arguments: Any) -> int:
    """Bytes that the peak of a process lies above what it held before the work.

    Args:
        prepare: a function at the top of a module; loads what the work needs and returns the work.
        *arguments: of ``prepare``; they must pickle.

    Returns:
        Growth of the resident memory; on a GPU, that of its allocated memory.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(theirs, torch.get_num_threads(), prepare, arguments))
    process.start()
    theirs.close()
    try:
        return int(ours.recv())
    except EOFError:
        raise RuntimeError(f"the measured process ended with {process.exitcode}") from None
    finally:
        process.join()


def _child(answer: Any, threads: int, prepare: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(threads)
    work = prepare(*arguments)
    on_gpu = torch.cuda.is_available() and torch.cuda.memory_allocated() > 0
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() if on_gpu else resident_bytes(reset_peak=True)
    work()
    after = torch.cuda.max_memory_allocated() if on_gpu else peak_bytes()
    answer.send(after - before)
