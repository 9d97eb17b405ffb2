"""What does training minimise, and what does it count on the way?

An objective gives *sums*, never means: the loop adds them over micro-batches and processes and divides once, so a batch
cut in two gives the same gradient as a whole one, however its masked tokens are spread.

Shapes: B examples, T packed tokens, M positions to predict, V vocabulary, C classes. Sums are 0-d tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from albert_cli.data.batching import PackedBatch
from albert_cli.models.heads_language import AlbertForMaskedLM, AlbertForPreTraining
from albert_cli.models.layout import PackedLayout
from albert_cli.models.word_scores import MaskedScores, WordScores

ProblemType = Literal["single_label_classification", "regression", "multi_label_classification"]
PROBLEM_TYPES: tuple[ProblemType, ...] = (
    "single_label_classification",
    "regression",
    "multi_label_classification",
)


@dataclass(frozen=True)
class Sums:
    """What one micro-batch adds.

    Attributes:
        losses: by name, 0-d float32 with a gradient; each is divided by the count of the same name.
        metrics: by name, 0-d without a gradient; numbers of hits, sums of losses, and their own denominators.
    """

    losses: dict[str, Tensor]
    metrics: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Predictions:
    """What a model says of one evaluation batch.

    Attributes:
        sums: losses and metrics; None where the batch has no labels.
        rows: by name, one entry for each example: a (B, ...) tensor, or a list of B tensors of different lengths.
    """

    sums: Sums | None
    rows: dict[str, Tensor | list[Tensor]] = field(default_factory=dict)


class Objective(Protocol):
    """What the loop needs of a task."""

    def counts(self, batch: PackedBatch) -> dict[str, float]:
        """Denominator of each loss, from the batch alone; always the same names."""
        ...

    def sums(self, model: nn.Module, batch: PackedBatch) -> Sums:
        """Run the model on one micro-batch; always the same names."""
        ...

    def predictions(self, model: nn.Module, batch: PackedBatch) -> Predictions:
        """Run the model on one evaluation batch."""
        ...


def run_packed(model: nn.Module, batch: PackedBatch, **inputs: Any) -> Any:
    """Call a model on a packed batch.

    Args:
        model: any of our models, wrapped for several processes or not.
        batch: on the model's device.
        **inputs: more arguments of the model's forward.

    Returns:
        The model's output object.
    """
    layout = PackedLayout.from_lengths(batch.lengths, device=batch.input_ids.device)
    return model(input_ids=batch.input_ids, token_type_ids=batch.token_type_ids, layout=layout, **inputs)


def _masked_scores(model: nn.Module, batch: PackedBatch) -> MaskedScores:
    """What a model for masked words says of a batch; one that only gives logits is compared here."""
    places, labels = batch.targets["masked_positions"], batch.targets["masked_labels"]
    if isinstance(model, AlbertForPreTraining | AlbertForMaskedLM):
        layout = PackedLayout.from_lengths(batch.lengths, device=batch.input_ids.device)
        return model.score_masked(
            batch.input_ids, batch.token_type_ids, layout=layout, masked_positions=places, masked_labels=labels
        )
    output = run_packed(model, batch, masked_positions=places)
    logits = output.prediction_logits if hasattr(output, "prediction_logits") else output.logits  # (M, V)
    losses = F.cross_entropy(logits.float(), labels, reduction="none")  # (M,)
    words = WordScores(losses.sum(), losses.detach(), logits.argmax(-1) == labels)
    return MaskedScores(words, getattr(output, "sop_logits", None))


class ClassificationObjective:
    """One class, several classes, or numbers for each text; the denominator is the examples.

    Args:
        problem_type: ``single_label_classification`` (cross-entropy; labels (B,) int64), ``regression`` (squared error;
            labels (B,) or (B, C) float, mean over C) or ``multi_label_classification`` (binary cross-entropy; labels
            (B, C) float, mean over C).
        class_weights: C numbers, how much an example of each class counts; a single label only. The loss is then the
            weighted mean, its denominator the sum of the examples' weights.
    """

    def __init__(
        self,
        problem_type: ProblemType = "single_label_classification",
        *,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        if problem_type not in PROBLEM_TYPES:
            raise ValueError(f"unknown problem type {problem_type!r}")
        if class_weights is not None and problem_type != "single_label_classification":
            raise ValueError("class weights belong to single labels")
        self.problem_type = problem_type
        self.class_weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)

    def counts(self, batch: PackedBatch) -> dict[str, float]:
        """Examples, or the sum of their weights, under ``classification``."""
        if self.class_weights is not None:
            return {"classification": float(self.class_weights[batch.targets["labels"]].sum())}
        return {"classification": float(len(batch.lengths))}

    def sums(self, model: nn.Module, batch: PackedBatch) -> Sums:
        """Loss summed over examples; for a single label also ``correct``, and with class weights ``examples``."""
        return self._sums(run_packed(model, batch).logits, batch.targets["labels"])

    def predictions(self, model: nn.Module, batch: PackedBatch) -> Predictions:
        """``logits`` (B, C) float32, and the sums where the batch has labels."""
        logits = run_packed(model, batch).logits
        labels = batch.targets.get("labels")
        sums = None if labels is None else self._sums(logits, labels)
        return Predictions(sums, {"logits": logits.float()})

    def _sums(self, logits: Tensor, labels: Tensor) -> Sums:
        logits = logits.float()
        if self.problem_type == "single_label_classification":
            weights = None if self.class_weights is None else self.class_weights.to(logits.device)
            loss = F.cross_entropy(logits, labels, weight=weights, reduction="sum")
            metrics = {"correct": (logits.argmax(-1) == labels).sum()}
            if weights is not None:
                metrics["examples"] = torch.tensor(len(labels), device=logits.device)
            return Sums({"classification": loss}, metrics)
        targets = labels.float().view(logits.shape)  # (B,) to (B, 1) for one number
        compare = F.mse_loss if self.problem_type == "regression" else F.binary_cross_entropy_with_logits
        return Sums({"classification": compare(logits, targets, reduction="none").mean(-1).sum()})


class PretrainingObjective:
    """Masked words and, where the batch and the model have it, sentence order; weight 1 : 1 (paper 3.1).

    Args:
        sentence_order: False for masked words alone (`AlbertForMaskedLM`, or the sentence head left untrained).
        unigram_log_probs: (V,) float32, log-probability of each piece in the training text. With it the metrics also
            hold what a model that knows nothing else would lose and hit on the same targets.
    """

    def __init__(self, *, sentence_order: bool = True, unigram_log_probs: Tensor | None = None) -> None:
        self.sentence_order = sentence_order
        self.unigram_log_probs = unigram_log_probs

    def counts(self, batch: PackedBatch) -> dict[str, float]:
        """``mlm``: masked tokens; ``sop``: sentence pairs."""
        counts = {"mlm": float(len(batch.targets["masked_labels"]))}
        if self.sentence_order:
            counts["sop"] = float(len(batch.lengths))
        return counts

    def sums(self, model: nn.Module, batch: PackedBatch) -> Sums:
        """Cross-entropies summed over masked tokens and over pairs.

        Metrics: ``mlm_correct``; on positions shown as [MASK] alone (not those kept or replaced)
        ``mlm_masked_loss``, ``mlm_masked_correct`` and their number ``mlm_masked``, and for the unigram distribution,
        if it is known, ``mlm_masked_unigram_loss`` and ``mlm_masked_unigram_correct``; ``sop_correct``.
        """
        labels, shown = batch.targets["masked_labels"], batch.targets["shown_as_mask"]
        scores = _masked_scores(model, batch)
        loss, losses, hits = scores.words.loss, scores.words.losses, scores.words.hits
        with torch.no_grad():
            metrics = {
                "mlm_correct": hits.sum(),
                "mlm_masked_loss": (losses * shown).sum(),
                "mlm_masked_correct": (hits & shown).sum(),
                "mlm_masked": shown.sum(),
                **self._unigram_metrics(labels, shown),
            }
        sums = {"mlm": loss}
        if self.sentence_order and scores.sop_logits is not None:
            order = batch.targets["sentence_order_label"]
            sums["sop"] = F.cross_entropy(scores.sop_logits.float(), order, reduction="sum")
            metrics["sop_correct"] = (scores.sop_logits.argmax(-1) == order).sum()
        return Sums(sums, metrics)

    def _unigram_metrics(self, labels: Tensor, shown: Tensor) -> dict[str, Tensor]:
        """What always answering from the unigram distribution gives on the targets shown as [MASK]."""
        if self.unigram_log_probs is None:
            return {}
        if self.unigram_log_probs.device != labels.device:
            self.unigram_log_probs = self.unigram_log_probs.to(labels.device)
        return {
            "mlm_masked_unigram_loss": -(self.unigram_log_probs[labels] * shown).sum(),
            "mlm_masked_unigram_correct": ((labels == self.unigram_log_probs.argmax()) & shown).sum(),
        }

    def predictions(self, model: nn.Module, batch: PackedBatch) -> Predictions:
        """Sums alone; nothing is kept of single examples."""
        return Predictions(self.sums(model, batch))
