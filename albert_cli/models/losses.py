"""How far are the outputs from the labels? The losses of the heads, for both layouts.

Shapes: B sequences, L tokens, T packed tokens, V vocabulary, C classes, M predicted positions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from albert_cli.models.config import AlbertConfig
from albert_cli.models.layout import PackedLayout

IGNORED = -100


def token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy over the labels that are not -100; NaN if there is none.

    Args:
        logits: (..., C) float.
        labels: (...) int64.
    """
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), ignore_index=IGNORED)


def problem_type(config: AlbertConfig, labels: Tensor) -> str:
    """The config's problem type, settled by the first labels where it is None, and kept there.

    One class means regression; whole-number labels one class of several; else any number of classes at once.
    """
    if config.problem_type is None:
        if config.num_labels == 1:
            config.problem_type = "regression"
        elif labels.is_floating_point() or labels.dtype == torch.bool:
            config.problem_type = "multi_label_classification"
        else:
            config.problem_type = "single_label_classification"
    return config.problem_type


def sequence_loss(logits: Tensor, labels: Tensor, *, problem: str) -> Tensor:
    """Mean loss of a sequence classifier.

    Args:
        logits: (B, C) float.
        labels: (B,) int64; (B,) or (B, C) float for regression; (B, C) for several classes at once.
        problem: regression (squared error), single_label_classification or multi_label_classification.
    """
    if problem == "regression":
        flat = logits.shape[-1] == 1
        wanted = labels.to(logits.dtype)
        return F.mse_loss(logits.reshape(-1), wanted.reshape(-1)) if flat else F.mse_loss(logits, wanted)
    if problem == "multi_label_classification":
        return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
    return F.cross_entropy(logits, labels.reshape(-1))


def span_loss(
    start_logits: Tensor,
    end_logits: Tensor,
    start_positions: Tensor,
    end_positions: Tensor,
    *,
    layout: PackedLayout | None,
) -> Tensor:
    """Mean of the cross entropies of first and last token of the answer.

    Positions after the end of the sequence are ignored (NaN if all are); negative ones count as 0.

    Args:
        start_logits: (B, L), softmax over all L, padding included; or (T,), softmax over each sequence's tokens.
        end_logits: likewise.
        start_positions: (B,) or (B, 1) int64, counted from the beginning of each sequence.
        end_positions: likewise.
        layout: of a packed batch.
    """
    starts = _position_loss(start_logits, start_positions, layout)
    return (starts + _position_loss(end_logits, end_positions, layout)) / 2


def _position_loss(logits: Tensor, positions: Tensor, layout: PackedLayout | None) -> Tensor:
    positions = positions.reshape(-1).clamp(min=0)
    if layout is None:
        ends: Tensor | int = logits.shape[1]
    else:
        ends = layout.cu_seqlens.diff()
        logits = layout.pad(logits, fill=float("-inf"))  # (B, L)
    return F.cross_entropy(logits, positions.masked_fill(positions >= ends, IGNORED), ignore_index=IGNORED)
