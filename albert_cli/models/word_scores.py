"""How well are masked words predicted? The loss over a large vocabulary, a few positions at a time.

Logits of all positions would be written several times over (themselves, their softmax, its gradient): 30,000 numbers a
position each time. Here they exist for some positions at a time, in one buffer that stays in the cache, and the
gradient is computed on the way forward, when they are there.

Shapes: M positions to predict, m of them at a time, E embedding, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from albert_cli.models.linear import linear

# Bytes of the buffer: what a processor's cache holds; on a GPU, what keeps it busy.
_BUFFER = {"cpu": 2**24}
_GPU_BUFFER = 2**28
_FEWEST = 16


@dataclass(frozen=True)
class WordScores:
    """What the predictions are worth.

    Attributes:
        loss: 0-d float32, cross-entropies summed over positions; carries the gradient.
        losses: (M,) float32, without a gradient.
        hits: (M,) bool, the most likely word is the right one.
    """

    loss: Tensor
    losses: Tensor
    hits: Tensor


@dataclass(frozen=True)
class MaskedScores:
    """What a model for masked words says of a batch whose words are known.

    Attributes:
        words: of the masked ones.
        sop_logits: (B, 2) float, sentence order; None without that head.
    """

    words: WordScores
    sop_logits: Tensor | None


def score_words(
    vectors: Tensor, table: Tensor, bias: Tensor, labels: Tensor, *, backend: str = "auto", at_once: int | None = None
) -> WordScores:
    """Compare words with predictions.

    Args:
        vectors: (M, E) float.
        table: (V, E) float, a row for each word.
        bias: (V,) float.
        labels: (M,) int64, the right words.
        backend: see `linear.linear`.
        at_once: m; None takes what the buffer holds.
    """
    kind = vectors.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else vectors.dtype
    rows = at_once or max(_FEWEST, _BUFFER.get(kind, _GPU_BUFFER) // (4 * table.shape[0]))
    how = (dtype, backend, rows, torch.is_grad_enabled())
    with torch.autocast(kind, enabled=False):
        loss, losses, hits = _WordLoss.apply(vectors, table, bias, labels, how)  # type: ignore[no-untyped-call]
    return WordScores(loss, losses, hits)


class _WordLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        vectors: Tensor,
        table: Tensor,
        bias: Tensor,
        labels: Tensor,
        how: tuple[torch.dtype, str, int, bool],
    ) -> tuple[Tensor, Tensor, Tensor]:
        dtype, backend, rows, training = how
        words, added = table.to(dtype), bias.to(dtype)
        grads = _gradients_for(ctx.needs_input_grad, vectors, table, bias) if training else None
        losses = vectors.new_empty(len(labels), dtype=torch.float32)
        hits = torch.empty(len(labels), dtype=torch.bool, device=labels.device)
        for begin in range(0, len(labels), rows):
            part = slice(begin, begin + rows)
            some = vectors[part].to(dtype)  # (m, E)
            logits = linear(some, words, added, backend=backend).float()  # (m, V)
            right = labels[part, None]  # (m, 1)
            losses[part], hits[part], slope = _compare(logits, right)
            if grads is not None:
                grads.add(slope, some, words, part, backend=backend)
        ctx.grads = grads
        ctx.mark_non_differentiable(losses, hits)
        return losses.sum(), losses, hits

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        found = ctx.grads
        if found is None:
            return (None,) * 5
        scaled = [None if part is None else part.mul_(grad) for part in (found.vectors, found.table, found.bias)]
        ctx.grads = None
        return (*scaled, None, None)


def _compare(logits: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Losses (m,), hits (m,), and of the losses by the logits (m, V), which are written over."""
    top, place = logits.max(-1)
    picked = logits.gather(1, right)[:, 0]
    total = logits.sub_(top[:, None]).exp_().sum(-1)
    # The slope is the softmax, less 1 at the right word.
    slope = logits.div_(total[:, None]).scatter_add_(1, right, logits.new_full(right.shape, -1.0))
    return total.log() + top - picked, place == right[:, 0], slope


@dataclass
class _Gradients:
    """Gradients as far as the loss of the positions so far goes; None where none is wanted."""

    vectors: Tensor | None
    table: Tensor | None
    bias: Tensor | None

    def add(self, slope: Tensor, some: Tensor, words: Tensor, part: slice, *, backend: str) -> None:
        low = slope.to(words.dtype)
        if self.bias is not None:
            self.bias += slope.sum(0)
        if self.vectors is not None:
            self.vectors[part] = linear(low, words.t(), backend=backend)
        if self.table is not None and low.dtype == torch.float32:
            self.table.addmm_(low.t(), some)
        elif self.table is not None:
            self.table += low.t() @ some


def _gradients_for(wanted: tuple[bool, ...], vectors: Tensor, table: Tensor, bias: Tensor) -> _Gradients | None:
    if not any(wanted):
        return None
    parts = zip((vectors, table, bias), wanted, strict=False)
    return _Gradients(*(torch.zeros_like(part) if asked else None for part, asked in parts))
