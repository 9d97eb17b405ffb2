"""What does training minimise where one of several choices is right?

Each choice is a sequence with one score; the softmax runs over the choices of a question, however many it has. Sums,
never means; the denominator is the questions.

Shapes: B questions, C choices of the one with the most, S choices of all.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from albert_cli.data.batching import PackedBatch
from albert_cli.training.objectives import Predictions, Sums, run_packed


class ChoiceObjective:
    """Cross-entropy over the choices of each question (batches of `data.choice_features.ChoiceExamples`)."""

    def counts(self, batch: PackedBatch) -> dict[str, float]:
        """Questions, under ``choice``."""
        return {"choice": float(len(batch.indices))}

    def sums(self, model: nn.Module, batch: PackedBatch) -> Sums:
        """Loss summed over questions, and ``correct``."""
        return _sums(choice_logits(model, batch), batch.targets["labels"])

    def predictions(self, model: nn.Module, batch: PackedBatch) -> Predictions:
        """``logits`` (B, C) float32, -inf beyond a question's choices; and the sums where there are labels."""
        logits = choice_logits(model, batch)
        labels = batch.targets.get("labels")
        return Predictions(None if labels is None else _sums(logits, labels), {"logits": logits})


def choice_logits(model: nn.Module, batch: PackedBatch) -> Tensor:
    """(B, C) float32: the score of each choice, -inf where a question has fewer than C."""
    scores: Tensor = run_packed(model, batch, num_choices=1).logits.float().squeeze(-1)  # (S,)
    places = batch.targets["choices"]  # (B, C)
    return scores[places.clamp(min=0)].masked_fill(places < 0, float("-inf"))


def _sums(logits: Tensor, labels: Tensor) -> Sums:
    loss = F.cross_entropy(logits, labels, reduction="sum")
    return Sums({"choice": loss}, {"correct": (logits.argmax(-1) == labels).sum()})
