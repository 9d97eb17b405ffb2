"""How is memory saved for a little work? What is cheap to make again is not kept for the backward pass.

Both ways give the same gradients bit for bit: the same operation is done again on the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


@contextmanager
def made_again(values: Tensor, again: Callable[[], Tensor]) -> Iterator[None]:
    """Operations inside do not keep ``values`` for the backward pass; it is made again there.

    Args:
        values: what they take, contiguous; anything else that they keep is kept.
        again: makes it, without a gradient.
    """
    address, size, kind = values.data_ptr(), values.numel(), values.dtype

    def pack(kept: Tensor) -> Any:
        same = kept.data_ptr() == address and kept.numel() == size and kept.dtype == kind and kept.is_contiguous()
        return kept.shape if same else kept

    def unpack(kept: Any) -> Tensor:
        if isinstance(kept, Tensor):
            return kept
        with torch.no_grad():
            return again().reshape(kept)

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield


def may_forget(values: Tensor) -> bool:
    """Whether a backward pass is to come that would keep ``values``. A compiler decides by itself what to keep."""
    return torch.is_grad_enabled() and values.requires_grad and not torch.compiler.is_compiling()
