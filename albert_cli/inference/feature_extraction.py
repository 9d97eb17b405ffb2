"""Which vectors does the encoder make of a text, or of a pair of texts?

Shapes: L tokens of a query with its special ones, T packed tokens, H hidden.
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
from albert_cli.models.albert import AlbertModel
from albert_cli.tokenization.tokenizer import AlbertTokenizer

Pooling = Literal["none", "cls", "mean"]


class FeatureExtraction:
    """Answers with one ``vector`` per text, or with its ``vectors``, one per token.

    Args:
        model: the encoder.
        tokenizer: of the model.
        compute: where to compute.
        max_length: tokens that the model reads at most.
        pooling: cls takes the last hidden state of [CLS], mean the mean over all tokens, special ones included;
            none keeps every token's.
        truncates: whether a text too long for the model is cut at its end (and the answer says so); else it is refused.
        cut: which part of a pair is cut.
    """

    def __init__(
        self,
        model: AlbertModel,
        tokenizer: AlbertTokenizer,
        *,
        compute: Compute,
        max_length: int,
        pooling: Pooling = "none",
        truncates: bool = True,
        cut: Cut = "longest",
    ) -> None:
        self._model = model
        self._compute = compute
        self._encoder = Encoder(tokenizer, max_length, truncates=truncates, cut=cut)
        self._pooling = pooling

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        """Encode some texts or pairs."""
        encoded = self._encoder.encode(queries)
        return answer_each(encoded, self._vectors, most_tokens=self._compute.batch_tokens)

    def _vectors(self, rows: list[Encoded]) -> list[Answer]:
        name = "vectors" if self._pooling == "none" else "vector"
        answers: list[Answer] = []
        for row, hidden in zip(rows, self._hidden(rows), strict=True):
            vector = _pool(hidden, self._pooling)
            is_finite = bool(vector.isfinite().all())
            answers.append(marked({name: vector.tolist()}, row) if is_finite else NOT_FINITE)
        return answers

    def _hidden(self, rows: list[Encoded]) -> tuple[Tensor, ...]:
        """Last hidden state of each query, (L, H) float32 on the processor."""
        packed = pack(rows, self._compute.device)
        with self._compute.inference():
            output = self._model(
                packed.input_ids, token_type_ids=packed.token_type_ids, layout=packed.layout, return_dict=True
            )
        hidden: Tensor = output.last_hidden_state.float().cpu()  # (T, H)
        return torch.split(hidden, [len(row.ids) for row in rows])


def _pool(hidden: Tensor, pooling: Pooling) -> Tensor:
    """(L, H) to (H,), or unchanged."""
    if pooling == "none":
        return hidden
    return hidden[0] if pooling == "cls" else hidden.mean(dim=0)
