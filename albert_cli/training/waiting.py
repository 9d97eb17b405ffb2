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

from albert_cli.errors import DataError

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


def _wait(link: Any) -> None:
    try:
        torch.distributed.barrier(group=link)
    except RuntimeError as error:
        raise DataError(
            "another process ended while this one waited for it to prepare the data",
            hint="look at what that one said: the first process of each machine prepares",
        ) from error
