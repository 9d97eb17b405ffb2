"""Which function stands between the two matrices of the feed-forward part?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from albert_cli.errors import ModelError

Activation = Callable[[Tensor], Tensor]


def _identity(values: Tensor) -> Tensor:
    return values


# The original's "gelu" is the tanh form, which everybody else calls gelu_new.
_BY_NAME: dict[str, Activation] = {
    "gelu_new": partial(F.gelu, approximate="tanh"),
    "gelu": F.gelu,
    "relu": F.relu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "linear": _identity,
}


def activation(name: str | Activation) -> Activation:
    """The function behind a config's ``hidden_act``.

    Args:
        name: gelu_new, gelu, relu, silu, tanh or linear; a callable is passed through.

    Returns:
        A function of one tensor that keeps its shape.

    Raises:
        ModelError: no such name.
    """
    if callable(name):
        return name
    if name not in _BY_NAME:
        raise ModelError(f"hidden_act is {name!r}", hint=f"one of: {', '.join(_BY_NAME)}, or a callable")
    return _BY_NAME[name]
