"""What is asked of a model, what comes back, and how do texts become one packed batch?

Shapes: B queries, T packed tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from albert_cli.models.layout import PackedLayout
from albert_cli.tokenization.tokenizer import AlbertTokenizer

Answer = dict[str, Any]
"""One answer, ready for JSON: ``results`` (or ``vector``, ``vectors``; or ``sequence``, ``labels``, ``scores``), or
``error`` and nothing else."""

Cut = Literal["longest", "first", "second"]
"""Which part of a pair too long loses tokens: always the longer one, only the first, or only the second."""

MOST_TOKENS = 16_384
"""Tokens computed at once at most: more gains no speed and takes memory."""


@dataclass(frozen=True)
class Query:
    """A text, or a pair of texts, or a question with its choices.

    Attributes:
        text: the text; of a question its context.
        pair: the second text; of a question what is asked.
        choices: what to choose from: answers (multiple-choice), or labels (zero-shot-classification; without any, those
            of the task).
        words: the text's words in their order, where they are known and white space does not tell them
            (token-classification; the text is then these words joined).
    """

    text: str
    pair: str | None = None
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def num_characters(self) -> int:
        """Characters that a model reads for it: with choices the text is read for each."""
        once = len(self.text) + len(self.pair or "")
        return max(1, len(self.choices)) * once + sum(map(len, self.choices))


@dataclass(frozen=True)
class Refusal:
    """Why a query has no answer, in words for its author."""

    reason: str


@dataclass(frozen=True)
class Encoded:
    """A query as the model reads it.

    Attributes:
        ids: [CLS] text [SEP], or [CLS] text [SEP] pair [SEP].
        first_length: how many of them belong to the first segment (segment number 0); the rest is segment 1.
        is_truncated: whether tokens were left out to fit the model.
    """

    ids: list[int]
    first_length: int
    is_truncated: bool = False


class Task(Protocol):
    """One kind of question that a model answers."""

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        """Answer some queries at once, in their order; one that cannot be answered gets an ``error``."""


@dataclass(frozen=True)
class Packed:
    """Queries one after another, without padding.

    Attributes:
        input_ids: (T,) int64.
        token_type_ids: (T,) int64.
        layout: where each of the B queries begins and ends.
    """

    input_ids: Tensor
    token_type_ids: Tensor
    layout: PackedLayout


@dataclass(frozen=True)
class Encoder:
    """Turns queries into ids.

    Attributes:
        tokenizer: the model's.
        max_length: tokens that the model reads at most, special ones included.
        truncates: whether longer texts are cut at their end; else they are refused.
        reads_specials: whether ``[MASK]`` and the like in a text mean the tokens; else they are ordinary text.
        cut: which part of a pair is cut.
    """

    tokenizer: AlbertTokenizer
    max_length: int
    truncates: bool = True
    reads_specials: bool = False
    cut: Cut = "longest"

    def encode(self, queries: Sequence[Query]) -> list[Encoded | Refusal]:
        """Encode queries in their order."""
        texts = [query.text for query in queries] + [query.pair for query in queries if query.pair is not None]
        rows = self.tokenizer.encode_batch(texts, split_special_tokens=not self.reads_specials)
        pairs = iter(rows[len(queries) :])
        return [
            self.join(ids, next(pairs) if query.pair is not None else None)
            for query, ids in zip(queries, rows, strict=False)
        ]

    def join(self, first: list[int], second: list[int] | None) -> Encoded | Refusal:
        """Put special tokens around and between the ids of a text or pair, cut to what the model reads."""
        room = self.max_length - (2 if second is None else 3)
        length = len(first) + len(second or ())
        is_truncated = length > room
        if is_truncated:
            if not self.truncates:
                return Refusal(
                    f"the text has {length + self.max_length - room} tokens, the model reads at most {self.max_length}"
                )
            shortened = shorten(first, second, room, cut=self.cut)
            if shortened is None:
                kept = "second" if self.cut == "first" else "first"
                return Refusal(
                    f"the {kept} text alone has {len((second if kept == 'second' else first) or ())} tokens, which "
                    f"leaves no room for the other (the model reads at most {self.max_length})"
                )
            first, second = shortened
        cls, sep = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        ids = [cls, *first, sep]
        first_length = len(ids)
        if second is not None:
            ids += [*second, sep]
        return Encoded(ids, first_length, is_truncated)


def shorten(
    first: list[int], second: list[int] | None, room: int, *, cut: Cut = "longest"
) -> tuple[list[int], list[int] | None] | None:
    """Cut a text or pair to ``room`` tokens, at the end of the parts that may be cut.

    Where the longer part loses, it loses one token after the other; of two parts of the same length the second is
    first, as in the documented tokenizer ("longest first").

    Returns:
        Both parts; None where the part that may be cut would have no token left.
    """
    if second is None:
        return first[:room], None
    excess = len(first) + len(second) - room
    if cut != "longest":
        kept = len(first if cut == "first" else second) - excess
        if kept < 1:
            return None
        return (first[:kept], second) if cut == "first" else (first, second[:kept])
    only_longer = min(excess, abs(len(first) - len(second)))
    longer_loss, both_loss = only_longer, excess - only_longer
    first_loss = both_loss // 2 + (longer_loss if len(first) > len(second) else 0)
    second_loss = excess - first_loss
    return first[: len(first) - first_loss], second[: len(second) - second_loss]


def in_parts(rows: Sequence[Encoded], *, most_tokens: int = MOST_TOKENS) -> Iterator[list[Encoded]]:
    """Neighbouring rows of at most ``most_tokens`` tokens together, or a single longer one."""
    part: list[Encoded] = []
    tokens = 0
    for row in rows:
        if part and tokens + len(row.ids) > most_tokens:
            yield part
            part, tokens = [], 0
        part.append(row)
        tokens += len(row.ids)
    if part:
        yield part


def pack(encoded: Sequence[Encoded], device: torch.device) -> Packed:
    """Lay encoded queries one after another."""
    ids = [token for row in encoded for token in row.ids]
    segments = [
        segment for row in encoded for segment in [0] * row.first_length + [1] * (len(row.ids) - row.first_length)
    ]
    return Packed(
        input_ids=torch.tensor(ids, device=device),
        token_type_ids=torch.tensor(segments, device=device),
        layout=PackedLayout.from_lengths([len(row.ids) for row in encoded], device=device),
    )


def answer_each(
    encoded: Sequence[Encoded | Refusal],
    compute: Callable[[list[Encoded]], list[Answer]],
    *,
    most_tokens: int = MOST_TOKENS,
) -> list[Answer]:
    """Compute the answers of what can be computed, and put the refusals between them where they belong.

    Args:
        encoded: queries, or why they have no answer.
        compute: answers some at once.
        most_tokens: computed at once; a longer query is computed alone.
    """
    good = [row for row in encoded if isinstance(row, Encoded)]
    answers = iter([one for part in in_parts(good, most_tokens=most_tokens) for one in compute(part)])
    return [next(answers) if isinstance(row, Encoded) else {"error": row.reason} for row in encoded]


def marked(answer: Answer, row: Encoded) -> Answer:
    """Say in an answer that not the whole text was read, where that is so."""
    return {**answer, "truncated": True} if row.is_truncated else answer


NOT_FINITE: Answer = {"error": "the model computed values that are not finite; are its weights damaged?"}
