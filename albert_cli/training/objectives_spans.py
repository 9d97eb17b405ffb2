"""What does training on questions about texts minimise?

Sums over windows; the denominator is the windows. See `training.objectives`.

Shapes: B windows, T packed tokens, L tokens of the longest window, S starts and E ends that a beam keeps.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from albert_cli.data.batching import PackedBatch
from albert_cli.models.layout import PackedLayout
from albert_cli.models.losses import IGNORED
from albert_cli.training.objectives import Predictions, Sums

_BEAM_ROWS = ("start_top_log_probs", "start_top_index", "end_top_log_probs", "end_top_index", "cls_logits")


class SpanObjective:
    """First and last token of the answer; the mean of the two cross-entropies over each window's tokens.

    A window without the answer has both at its first token.
    """

    def counts(self, batch: PackedBatch) -> dict[str, float]:
        """Windows, under ``span``."""
        return {"span": float(len(batch.lengths))}

    def sums(self, model: nn.Module, batch: PackedBatch) -> Sums:
        """Loss summed over windows; ``correct``: windows with both ends right."""
        output, layout = _run(model, batch)
        return self._sums(output, layout, batch)

    def predictions(self, model: nn.Module, batch: PackedBatch) -> Predictions:
        """``start_logits`` and ``end_logits``: for each window (L,) float32, L its own length."""
        output, layout = _run(model, batch)
        sums = self._sums(output, layout, batch) if "start_positions" in batch.targets else None
        rows = {name: list(output[name].float().split(batch.lengths)) for name in ("start_logits", "end_logits")}
        return Predictions(sums, {name: list(parts) for name, parts in rows.items()})

    def _sums(self, output: Any, layout: PackedLayout, batch: PackedBatch) -> Sums:
        starts, ends = (
            layout.pad(output[name].float(), fill=float("-inf")).log_softmax(-1)  # (T,) to (B, L)
            for name in ("start_logits", "end_logits")
        )
        return Sums({"span": _span_loss(starts, ends, batch)}, {"correct": _right(starts, ends, batch)})


class BeamObjective:
    """First and last token with one half, answerability with the other, as the original weighs them.

    Args:
        start_n_top: S; None takes the model's.
        end_n_top: E; None takes the model's.
    """

    def __init__(self, *, start_n_top: int | None = None, end_n_top: int | None = None) -> None:
        self._n_top = {"start_n_top": start_n_top, "end_n_top": end_n_top}

    def counts(self, batch: PackedBatch) -> dict[str, float]:
        """Windows, under ``span`` and ``answerability``."""
        windows = float(len(batch.lengths))
        return {"span": windows, "answerability": windows}

    def sums(self, model: nn.Module, batch: PackedBatch) -> Sums:
        """Both losses summed over windows; ``correct``: windows with both ends right, given the right start."""
        output, _ = _run(model, batch, p_mask=batch.targets["p_mask"], **_labels(batch))
        return _beam_sums(output, batch)

    def predictions(self, model: nn.Module, batch: PackedBatch) -> Predictions:
        """The beam of each window: (S,) and (S*E,) log-probabilities and places, and ``cls_logits`` ()."""
        labels = _labels(batch)
        output, _ = _run(model, batch, p_mask=batch.targets["p_mask"], **labels, **self._n_top)
        rows: dict[str, Tensor | list[Tensor]] = {name: output[name] for name in _BEAM_ROWS}
        return Predictions(_beam_sums(output, batch) if labels else None, rows)


def _run(model: nn.Module, batch: PackedBatch, **inputs: Any) -> tuple[Any, PackedLayout]:
    layout = PackedLayout.from_lengths(batch.lengths, device=batch.input_ids.device)
    output = model(input_ids=batch.input_ids, token_type_ids=batch.token_type_ids, layout=layout, **inputs)
    return output, layout


def _labels(batch: PackedBatch) -> dict[str, Tensor]:
    names = ("start_positions", "end_positions", "is_impossible")
    return {name: batch.targets[name] for name in names if name in batch.targets}


def _beam_sums(output: Any, batch: PackedBatch) -> Sums:
    starts, ends = output.start_log_probs, output.end_log_probs  # (B, L)
    wanted = batch.targets["is_impossible"].to(output.cls_logits.dtype)
    answerability = F.binary_cross_entropy_with_logits(output.cls_logits, wanted, reduction="sum") / 2
    losses = {"span": _span_loss(starts, ends, batch), "answerability": answerability}
    return Sums(losses, {"correct": _right(starts, ends, batch)})


def _span_loss(starts: Tensor, ends: Tensor, batch: PackedBatch) -> Tensor:
    """Sum over windows of the mean of both cross-entropies; (B, L) log-probabilities."""
    sums = [
        F.nll_loss(log_probs, batch.targets[name], reduction="sum", ignore_index=IGNORED)
        for log_probs, name in ((starts, "start_positions"), (ends, "end_positions"))
    ]
    return torch.stack(sums).sum() / 2


def _right(starts: Tensor, ends: Tensor, batch: PackedBatch) -> Tensor:
    """Windows whose likeliest start and end are the right ones; ()."""
    right = starts.argmax(-1) == batch.targets["start_positions"]
    return (right & (ends.argmax(-1) == batch.targets["end_positions"])).sum()
