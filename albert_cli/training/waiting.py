"""How do processes wait for one of them that works for a long time, hours perhaps?

The links between GPUs give up after ten minutes without an answer, which is right in training and wrong while a text of
terabytes is turned into token ids. So those who wait do it on a link of their own, between processors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from accelerate import Accelerator

from albert_cli.errors import DataError, TrainingError

_PATIENCE = timedelta(days=7)


@contextmanager
def first_on_each_machine(accelerator: Accelerator) -> Iterator[None]:
    """Let the first process of each machine go through a block, then the others, and go on when all have.

    Call it on all processes.

    Args:
        accelerator: who the processes are.

    Raises:
        DataError: one of the others ended meanwhile.
    """
    if accelerator.num_processes == 1:
        yield
        return
    link = torch.distributed.new_group(backend="gloo", timeout=_PATIENCE)
    if not accelerator.is_local_main_process:
        _wait(link)
    yield
    if accelerator.is_local_main_process:
        _wait(link)
    torch.distributed.destroy_process_group(link)


@contextmanager
def losses_explained(accelerator: Accelerator) -> Iterator[None]:
    """Say in our words that another process is gone, or does not answer.

    Args:
        accelerator: who the processes are.

    Raises:
        TrainingError: one of the others ended, or was silent for longer than ``runtime.timeout``.
    """
    try:
        yield
    except RuntimeError as error:
        said = " ".join(str(error).split())
        if accelerator.num_processes == 1 or not _of_the_link(error, said):
            raise
        silent = "timed out" in said.lower() or "timeout" in said.lower()
        what = "did not answer within runtime.timeout" if silent else "has ended"
        raise TrainingError(
            f"process {accelerator.process_index} of {accelerator.num_processes} stops: another process {what}",
            hint="look at what that one said and at the machine's memory; --resume goes on from the last checkpoint",
        ) from error


def _of_the_link(error: RuntimeError, said: str) -> bool:
    return isinstance(error, torch.distributed.DistError) or any(
        word in said for word in ("gloo", "Connection closed by peer", "Connection reset by peer", "Timed out waiting")
    )


def _wait(link: Any) -> None:
    try:
        torch.distributed.barrier(group=link)
    except RuntimeError as error:
        raise DataError(
            "another process ended while this one waited for it to prepare the data",
            hint="look at what that one said: the first process of each machine prepares",
        ) from error
