"""What happens when memory runs out? A micro-batch on a GPU can be made smaller; everything else gets a clear end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from albert_cli.errors import TrainingError

_CPU_WORDS = ("can't allocate memory", "not enough memory", "Cannot allocate memory")


class MicroBatchTooLarge(Exception):  # noqa: N818 - the loop deals with it
    """A micro-batch did not fit into the device's memory; no weight has changed."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out, on a device or on the processor."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _CPU_WORDS)


@contextmanager
def memory_explained(doing: str, *, hint: str) -> Iterator[None]:
    """Say in our words that memory ran out.

    Args:
        doing: what was being done ("in the forward and backward pass of 32 sequences").
        hint: what takes less.

    Raises:
        TrainingError: it did.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(f"out of memory {doing}", hint=hint) from error


def smaller_cut(batch_size: int) -> int | None:
    """Into how many equal parts to cut a micro-batch that is too large: 2 where that goes; None for a single example.

    Args:
        batch_size: its examples.
    """
    return next((parts for parts in range(2, batch_size + 1) if batch_size % parts == 0), None)
