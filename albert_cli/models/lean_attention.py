"""How does spelt-out attention learn without keeping its weights? They are made again in the backward pass.

The weights are S numbers for each token and head and depth: at 512 tokens more than everything else that a layer keeps.
Making them again costs one product and one softmax. The gradients are those of `attention.plain`, up to rounding.

Shapes: n sequences of a block, S their length there, A heads, D head width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_HALF = (torch.float16, torch.bfloat16)


def lean_plain(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    """Attention with the softmax spelt out and not kept.

    Args:
        query: (n, A, S, D) float; ``key`` and ``value`` alike.
        key: see ``query``.
        value: see ``query``.
        bias: (n, 1, 1, S), added to the scores, without a gradient; or None.

    Returns:
        (n, A, S, D) float.
    """
    with torch.autocast(query.device.type, enabled=False):
        context: Tensor = _LeanAttention.apply(query, key, value, bias)  # type: ignore[no-untyped-call]
    return context


def _weights(query: Tensor, key: Tensor, bias: Tensor | None) -> Tensor:
    """(n, A, S, S), in float32 where queries are in half precision, as autocast has the softmax."""
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)  # scaled where it is small
    if bias is not None:
        scores = scores + bias
    weights: Tensor = scores.softmax(dim=-1, dtype=torch.float32 if query.dtype in _HALF else query.dtype)
    return weights


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    return _weights(query, key, bias).to(value.dtype) @ value


class _LeanAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(query, key, value, bias)
        return _attend(query, key, value, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, bias = ctx.saved_tensors
        with torch.autocast(query.device.type, enabled=False):
            if torch.is_grad_enabled():  # a gradient of the gradient is wanted
                context = _attend(query, key, value, bias)
                found = torch.autograd.grad(context, (query, key, value), grad, create_graph=True)
                return (*found, None)
            weights = _weights(query, key, bias)
            grad_value = weights.to(value.dtype).transpose(-1, -2) @ grad
            slope = (grad @ value.transpose(-1, -2)).to(weights.dtype)
            slope = torch._softmax_backward_data(slope, weights, -1, weights.dtype)
            slope, scale = slope.to(query.dtype), query.shape[-1] ** -0.5
            return (slope @ key).mul_(scale), slope.transpose(-1, -2) @ (query * scale), grad_value, None
