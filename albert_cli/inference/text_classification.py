"""Which class does a text or a pair of texts belong to, or which number does the model give it?

Shapes: B queries, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from albert_cli.inference.device import Compute
from albert_cli.inference.queries import (
    NOT_FINITE,
    Answer,
    Cut,
    Encoded,
    Encoder,
    Query,
    answer_each,
    marked,
    pack,
)
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads_sequence import AlbertForSequenceClassification
from albert_cli.tokenization.tokenizer import AlbertTokenizer

ScoreFunction = Literal["sigmoid", "softmax", "none"]


class TextClassification:
    """Answers with the best classes: ``label``, ``score``, highest score first.

    Args:
        model: with a trained classifier.
        tokenizer: of the model.
        compute: where to compute.
        max_length: tokens that the model reads at most.
        top_k: how many classes; None gives all.
        function: what makes scores of logits; None follows the model's problem type.
        truncates: whether a text too long for the model is cut at its end (and the answer says so); else it is refused.
        cut: which part of a pair is cut.
    """

    def __init__(
        self,
        model: AlbertForSequenceClassification,
        tokenizer: AlbertTokenizer,
        *,
        compute: Compute,
        max_length: int,
        top_k: int | None = 1,
        function: ScoreFunction | None = None,
        truncates: bool = True,
        cut: Cut = "longest",
    ) -> None:
        self._model = model
        self._compute = compute
        self._encoder = Encoder(tokenizer, max_length, truncates=truncates, cut=cut)
        self._top_k = top_k
        self._function = function or score_function(model.config)
        names = model.config.id2label or {}
        self._labels = [names.get(number, f"LABEL_{number}") for number in range(model.config.num_labels)]

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        """Classify some texts or pairs."""
        encoded = self._encoder.encode(queries)
        return answer_each(encoded, self._classify, most_tokens=self._compute.batch_tokens)

    def _classify(self, rows: list[Encoded]) -> list[Answer]:
        packed = pack(rows, self._compute.device)
        with self._compute.inference():
            output = self._model(packed.input_ids, token_type_ids=packed.token_type_ids, layout=packed.layout)
        scores = apply_function(output.logits.float(), self._function).cpu()  # (B, C)
        is_finite = scores.isfinite().all(dim=-1).tolist()
        return [
            marked({"results": self._sorted(row_scores)}, row) if fine else NOT_FINITE
            for row, row_scores, fine in zip(rows, scores.tolist(), is_finite, strict=True)
        ]

    def _sorted(self, scores: list[float]) -> list[dict[str, object]]:
        results: list[dict[str, object]] = [
            {"label": self._labels[number], "score": scores[number]}
            for number in sorted(range(len(scores)), key=lambda number: -scores[number])
        ]
        return results[: self._top_k]


def score_function(config: AlbertConfig) -> ScoreFunction:
    """What turns logits into scores: nothing for regression, sigmoid for independent classes, else softmax."""
    if config.problem_type == "regression":
        return "none"
    if config.problem_type == "multi_label_classification" or config.num_labels == 1:
        return "sigmoid"
    return "softmax"


def apply_function(logits: Tensor, function: ScoreFunction) -> Tensor:
    """(B, C) float logits to (B, C) float scores."""
    if function == "sigmoid":
        return torch.sigmoid(logits)
    return logits.softmax(dim=-1) if function == "softmax" else logits
