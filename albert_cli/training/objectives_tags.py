"""A tag for each word: what training minimises, what evaluation keeps.

Shapes: B windows, T packed tokens, M words of a batch, C tags.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from albert_cli.data.batching import PackedBatch
from albert_cli.training.objectives import Predictions, Sums, run_packed


class TaggingObjective:
    """Cross-entropy of each word's tag, read at its first piece; the denominator is the labelled words."""

    def counts(self, batch: PackedBatch) -> dict[str, float]:
        """Words, under ``tags``."""
        return {"tags": float(len(batch.targets["word_positions"]))}

    def sums(self, model: nn.Module, batch: PackedBatch) -> Sums:
        """Loss summed over words, and ``correct`` tags."""
        return _sums(_word_logits(model, batch), batch.targets["labels"])

    def predictions(self, model: nn.Module, batch: PackedBatch) -> Predictions:
        """``logits`` (words, C) float32 of each window, and the sums where the batch has labels."""
        logits = _word_logits(model, batch)
        labels = batch.targets.get("labels")
        rows = list(torch.split(logits, batch.targets["word_counts"].tolist()))
        return Predictions(None if labels is None else _sums(logits, labels), {"logits": rows})


def _word_logits(model: nn.Module, batch: PackedBatch) -> Tensor:
    """(M, C) float32."""
    logits: Tensor = run_packed(model, batch).logits  # (T, C)
    return logits[batch.targets["word_positions"]].float()


def _sums(logits: Tensor, labels: Tensor) -> Sums:
    loss = F.cross_entropy(logits, labels, reduction="sum")
    return Sums({"tags": loss}, {"correct": (logits.argmax(-1) == labels).sum()})
