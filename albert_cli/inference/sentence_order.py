"""Do two pieces of text follow each other as given, or were they swapped? The question of pretraining (paper 3.1).

Shapes: B pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

from albert_cli.inference.device import Compute
from albert_cli.inference.queries import (
    NOT_FINITE,
    Answer,
    Encoded,
    Encoder,
    Query,
    Refusal,
    answer_each,
    marked,
    pack,
)
from albert_cli.models.heads_language import AlbertForPreTraining
from albert_cli.tokenization.tokenizer import AlbertTokenizer

LABELS = ("in_order", "swapped")


class SentenceOrder:
    """Answers a pair with the more likely ``label`` and its ``score``.

    Args:
        model: with a trained sentence-order head.
        tokenizer: of the model.
        compute: where to compute.
        max_length: tokens that the model reads at most; longer pairs are cut, and their answers say so.
    """

    def __init__(
        self, model: AlbertForPreTraining, tokenizer: AlbertTokenizer, *, compute: Compute, max_length: int
    ) -> None:
        self._model = model
        self._compute = compute
        self._encoder = Encoder(tokenizer, max_length)

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        """Judge some pairs."""
        encoded = [
            row if query.pair is not None else Refusal("one text; sentence-order compares two (TEXT<TAB>TEXT)")
            for query, row in zip(queries, self._encoder.encode(queries), strict=True)
        ]
        return answer_each(encoded, self._judge, most_tokens=self._compute.batch_tokens)

    def _judge(self, rows: list[Encoded]) -> list[Answer]:
        packed = pack(rows, self._compute.device)
        with self._compute.inference():
            logits = self._model(
                packed.input_ids,
                token_type_ids=packed.token_type_ids,
                layout=packed.layout,
                masked_positions=packed.input_ids[:0],  # or the other head would make words of every token
                return_dict=True,
            ).sop_logits  # (B, 2)
        answers: list[Answer] = []
        for row, scores in zip(rows, logits.float().softmax(dim=-1).tolist(), strict=True):
            best = max(range(2), key=lambda number: scores[number])
            is_finite = scores[0] == scores[0]
            result = {"label": LABELS[best], "score": scores[best]}
            answers.append(marked({"results": [result]}, row) if is_finite else NOT_FINITE)
        return answers
