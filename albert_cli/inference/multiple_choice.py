"""Which of some choices goes with a question, or how does a text go on?

Shapes: B questions, S choices of all questions, T packed tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np
import torch

from albert_cli.data.choice_features import encode_questions
from albert_cli.inference.device import Compute
from albert_cli.inference.queries import NOT_FINITE, Answer, Query, Refusal
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads_sequence import AlbertForMultipleChoice
from albert_cli.models.layout import PackedLayout
from albert_cli.tokenization.tokenizer import AlbertTokenizer

_MAX_QA_LENGTH = 128  # of the original, for models that do not say


class MultipleChoice:
    """Answers with all choices, the best first: ``choice``, ``label`` (its number as given, from 0) and ``score``.

    Questions become tokens as in the training of the model, which its config tells.

    Args:
        model: with a trained head.
        tokenizer: of the model.
        compute: where to compute.
        max_length: tokens that the model reads at most; longer texts are cut, and their answers say so.
    """

    def __init__(
        self, model: AlbertForMultipleChoice, tokenizer: AlbertTokenizer, *, compute: Compute, max_length: int
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._compute = compute
        self._max_length = max_length
        self._max_qa_length, self._fills_blanks = _habits(model.config)

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        """Choose for some questions."""
        asked: list[Query | Refusal] = [
            query if len(query.choices) > 1 else Refusal("no choices; multiple-choice takes two or more")
            for query in queries
        ]
        good = [query for query in asked if isinstance(query, Query)]
        answers = iter(self._choose(good) if good else [])
        return [next(answers) if isinstance(query, Query) else {"error": query.reason} for query in asked]

    def _choose(self, queries: list[Query]) -> list[Answer]:
        rows = [{"context": query.text, "question": query.pair or "", "choices": query.choices} for query in queries]
        examples = encode_questions(
            rows,
            np.full(len(rows), -1, np.int64),
            self._tokenizer,
            max_length=self._max_length,
            max_qa_length=self._max_qa_length,
            fills_blanks=self._fills_blanks,
        )
        batch = examples.pack(np.arange(len(rows)), with_labels=False)
        scores = iter(self._scores(batch.input_ids, batch.token_type_ids, batch.lengths).tolist())
        answers: list[Answer] = []
        for query, is_cut in zip(queries, examples.truncated.tolist(), strict=True):
            logits = torch.tensor([next(scores) for _ in query.choices], dtype=torch.float64)
            shares = logits.softmax(-1)
            if not shares.isfinite().all():
                answers.append(NOT_FINITE)
                continue
            results = [
                {"choice": query.choices[number], "label": number, "score": float(shares[number])}
                for number in shares.argsort(descending=True, stable=True).tolist()
            ]
            answers.append({"results": results, "truncated": True} if is_cut else {"results": results})
        return answers

    def _scores(self, ids: torch.Tensor, types: torch.Tensor, lengths: tuple[int, ...]) -> torch.Tensor:
        """(S,) float32 scores of all sequences, computed some at a time."""
        starts = [0, *accumulate(lengths)]
        found = []
        with self._compute.inference():
            for first, last in _parts(lengths, self._compute.batch_tokens):
                tokens = slice(starts[first], starts[last])
                layout = PackedLayout.from_lengths(lengths[first:last], device=self._compute.device)
                output = self._model(
                    ids[tokens].to(self._compute.device),
                    token_type_ids=types[tokens].to(self._compute.device),
                    layout=layout,
                    num_choices=1,
                )
                found.append(output.logits.float().view(-1).cpu())
        return torch.cat(found)


def _parts(lengths: Sequence[int], most_tokens: int) -> Iterator[tuple[int, int]]:
    """Neighbouring sequences of at most ``most_tokens`` tokens together, as first and end."""
    first, tokens = 0, 0
    for number, length in enumerate(lengths):
        if tokens and tokens + length > most_tokens:
            yield first, number
            first, tokens = number, 0
        tokens += length
    yield first, len(lengths)


def _habits(config: AlbertConfig) -> tuple[int, bool]:
    """How long a question with a choice may be, and whether "_" stands for the choice, as the model was trained."""
    known = config.extra.get("multiple_choice")
    habits = known if isinstance(known, dict) else {}
    length, fills = habits.get("max_qa_length"), habits.get("fills_blanks")
    is_number = isinstance(length, int) and not isinstance(length, bool) and length > 0
    return (int(length) if is_number and length is not None else _MAX_QA_LENGTH), fills is not False
