"""From questions with choices to token ids, as the original laid out RACE.

A choice becomes ``[CLS] context [SEP] question and choice [SEP]``. A "_" in the question stands for the choice; without
one the choice follows the question. Of question and choice the *last* ``max_qa_length`` tokens are kept, then the
context is cut from its end to the room that is left. A passage with several questions is kept once.

Shapes: N questions, K passages, S choices of all questions together, T tokens; of a batch B questions with at most C
choices each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from albert_cli.data.batching import PackedBatch

BLANK = "_"

# Texts that are tokenised at a time; bounds the memory that Python lists of ids take.
_TEXTS_AT_ONCE = 8192

Integers = npt.NDArray[np.int64]
TokenIds = npt.NDArray[np.int32]


class ChoiceTokenizer(Protocol):
    """What is needed of a tokenizer."""

    cls_token_id: int
    sep_token_id: int

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, without special tokens."""
        ...


@dataclass(frozen=True)
class ChoiceExamples:
    """A split as token ids (a `data.examples.Examples`); an example is a question with all its choices.

    Attributes:
        context_ids: int32, the passages one after another, uncut.
        context_offsets: (K + 1,) int64, where each begins.
        choice_ids: int32, question and choice of every sequence one after another, already cut.
        choice_offsets: (S + 1,) int64, where each begins.
        question_offsets: (N + 1,) int64, question i has the choices ``question_offsets[i]`` to ``[i + 1]``.
        contexts: (N,) int64, passage of each question.
        labels: (N,) int64, number of the right choice, -1 unlabelled.
        cut_choices: (N,) bool, questions of which a choice was cut.
        max_length: most tokens of a sequence.
        cls_token_id: id of [CLS].
        sep_token_id: id of [SEP].
    """

    context_ids: TokenIds
    context_offsets: Integers
    choice_ids: TokenIds
    choice_offsets: Integers
    question_offsets: Integers
    contexts: Integers
    labels: Integers
    cut_choices: npt.NDArray[np.bool_]
    max_length: int
    cls_token_id: int
    sep_token_id: int

    def __len__(self) -> int:
        return len(self.contexts)

    @property
    def choice_counts(self) -> Integers:
        """(N,) choices of each question."""
        return np.diff(self.question_offsets)

    @cached_property
    def _kept(self) -> tuple[Integers, Integers, Integers]:
        """Of each sequence (S,): tokens of its passage, those of them that are kept, tokens of question and choice."""
        whole = np.diff(self.context_offsets)[np.repeat(self.contexts, self.choice_counts)]
        second = np.diff(self.choice_offsets)
        return whole, np.minimum(whole, np.maximum(self.max_length - 3 - second, 0)), second

    @cached_property
    def sequence_lengths(self) -> Integers:
        """(S,) tokens of each sequence."""
        whole, kept, second = self._kept
        return np.where(whole > 0, kept + second + 3, second + 2)

    @property
    def lengths(self) -> Integers:
        """(N,) tokens of each question, all its choices together."""
        sums = np.concatenate([[0], np.cumsum(self.sequence_lengths)])
        return np.diff(sums[self.question_offsets])

    @property
    def is_labelled(self) -> bool:
        """Whether every question has a label."""
        return bool((self.labels >= 0).all())

    @property
    def truncated(self) -> npt.NDArray[np.bool_]:
        """(N,) questions that lost tokens, of the passage or of a choice."""
        whole, kept, _ = self._kept
        return _any(kept < whole, self.question_offsets) | self.cut_choices

    @property
    def truncated_fraction(self) -> float:
        """Share of the questions that lost tokens."""
        return float(np.mean(self.truncated)) if len(self) else 0.0

    def pack(self, chosen: np.ndarray, *, with_labels: bool) -> PackedBatch:
        """Lay questions one after another, each with its choices in their order.

        Args:
            chosen: (B,) int64, which questions.
            with_labels: whether ``targets`` holds ``labels`` (B,).

        Returns:
            The batch; its ``lengths`` are those of the sequences. ``targets`` always holds ``choices`` (B, C) int64:
            the number in the batch of each choice's sequence, and -1 where a question has fewer than C.
        """
        chosen = np.asarray(chosen, dtype=np.int64)
        counts = self.choice_counts[chosen]  # (B,)
        firsts = np.cumsum(counts) - counts
        rows = np.repeat(self.question_offsets[chosen] - firsts, counts) + np.arange(int(counts.sum()))  # of S
        places = np.arange(int(counts.max(initial=1)))
        choices = np.where(places < counts[:, None], firsts[:, None] + places, -1)  # (B, C)
        ids, types = self._sequences(rows, np.repeat(self.contexts[chosen], counts))
        targets = {"choices": torch.from_numpy(choices)}
        if with_labels:
            targets["labels"] = torch.from_numpy(self.labels[chosen])
        return PackedBatch(
            input_ids=torch.from_numpy(ids),
            token_type_ids=torch.from_numpy(types),
            lengths=tuple(self.sequence_lengths[rows].tolist()),
            indices=torch.from_numpy(chosen),
            targets=targets,
        )

    def _sequences(self, rows: Integers, contexts: Integers) -> tuple[Integers, Integers]:
        """Ids and types (T,) of some sequences; ``contexts`` is the passage of each."""
        lengths = self.sequence_lengths[rows]
        whole, kept, second = (part[rows] for part in self._kept)
        starts = np.cumsum(lengths) - lengths
        ids = np.empty(int(lengths.sum()), np.int64)
        ids[starts] = self.cls_token_id
        ids[starts + lengths - 1] = self.sep_token_id
        has_context = whole > 0
        border = starts + kept + 1  # [SEP] between the parts
        ids[border[has_context]] = self.sep_token_id
        _copy(self.context_ids, self.context_offsets[contexts], ids, starts + 1, counts=kept)
        _copy(self.choice_ids, self.choice_offsets[rows], ids, starts + lengths - 1 - second, counts=second)
        # A choice without any passage is a single text, all of type 0.
        types = np.arange(len(ids)) > np.repeat(np.where(has_context, border, starts + lengths), lengths)
        return ids, types.astype(np.int64)

    def fingerprint(self) -> str:
        """Changes when any id or label does."""
        digest = hashlib.sha256(str(self.max_length).encode())
        for array in (
            self.context_ids,
            self.context_offsets,
            self.choice_ids,
            self.choice_offsets,
            self.question_offsets,
            self.contexts,
            self.labels,
        ):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def encode_choices(
    dataset: Any, tokenizer: ChoiceTokenizer, *, max_length: int, max_qa_length: int = 128, fills_blanks: bool = True
) -> ChoiceExamples:
    """Tokenise a split.

    Args:
        dataset: a ``datasets.Dataset`` with the columns of `data.questions`.
        tokenizer: gives ids without special tokens; ``[MASK]`` and the like in texts are text.
        max_length: most tokens of a sequence, special ones included; 5 at least.
        max_qa_length: most tokens of a question with a choice; its beginning is cut.
        fills_blanks: whether a "_" in a question stands for the choice.

    Raises:
        ValueError: ``max_length`` has no room for a passage and a choice.
    """
    rows = dataset.select_columns(["context", "question", "choices"])
    labels = np.asarray(dataset.select_columns(["label"])[:]["label"], np.int64).reshape(len(dataset))
    return encode_questions(
        rows, labels, tokenizer, max_length=max_length, max_qa_length=max_qa_length, fills_blanks=fills_blanks
    )


def encode_questions(
    rows: Iterable[Mapping[str, Any]],
    labels: Integers,
    tokenizer: ChoiceTokenizer,
    *,
    max_length: int,
    max_qa_length: int,
    fills_blanks: bool,
) -> ChoiceExamples:
    """As `encode_choices`, for rows that are in no data set: each has ``context``, ``question`` and ``choices``."""
    if max_length < 5:
        raise ValueError(f"max_length {max_length} has no room for [CLS] A [SEP] B [SEP]")
    numbers: dict[str, int] = {}
    contexts, seconds, counts = [], [], []
    for row in rows:
        first, texts = question_texts(row["context"], row["question"], row["choices"], fills_blanks=fills_blanks)
        contexts.append(numbers.setdefault(first, len(numbers)))
        seconds.extend(texts)
        counts.append(len(texts))
    most = min(max_qa_length, max_length - 3)
    context_ids, context_offsets, _ = _encode(list(numbers), tokenizer, last=None)
    choice_ids, choice_offsets, is_cut = _encode(seconds, tokenizer, last=most)
    offsets = np.concatenate([[0], np.cumsum(np.asarray(counts, np.int64))]).astype(np.int64)
    return ChoiceExamples(
        context_ids=context_ids,
        context_offsets=context_offsets,
        choice_ids=choice_ids,
        choice_offsets=choice_offsets,
        question_offsets=offsets,
        contexts=np.asarray(contexts, np.int64),
        labels=labels,
        cut_choices=_any(is_cut, offsets),
        max_length=max_length,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
    )


def question_texts(context: str, question: str, choices: Sequence[str], *, fills_blanks: bool) -> tuple[str, list[str]]:
    """The two texts of each choice's sequence: the first is common to all, the second has the choice in it.

    A question without a context is the first text itself, unless the choice stands inside it.

    Args:
        context: what the question is about; may be empty.
        question: may be empty: then the choices alone follow the context.
        choices: of the question.
        fills_blanks: whether every "_" of the question stands for the choice.
    """
    context, question = context.strip(), question.strip()
    parts = [choice.strip() for choice in choices]
    if fills_blanks and BLANK in question:
        return context, [question.replace(BLANK, part) for part in parts]
    if not context:
        return question, parts
    return context, [f"{question} {part}".strip() for part in parts]


def _encode(
    texts: Sequence[str], tokenizer: ChoiceTokenizer, *, last: int | None
) -> tuple[TokenIds, Integers, npt.NDArray[np.bool_]]:
    """Ids of all texts in one array, where each begins, and which were cut to their last tokens."""
    parts: list[TokenIds] = []
    lengths: list[int] = []
    cut: list[bool] = []
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        encoded = tokenizer.encode_batch(texts[start : start + _TEXTS_AT_ONCE])
        kept = [ids if last is None else ids[-last:] for ids in encoded]
        cut += [len(short) < len(ids) for short, ids in zip(kept, encoded, strict=True)]
        lengths += [len(ids) for ids in kept]
        parts.append(np.fromiter((number for ids in kept for number in ids), np.int32))
    offsets = np.concatenate([[0], np.cumsum(np.asarray(lengths, np.int64))]).astype(np.int64)
    return np.concatenate([np.empty(0, np.int32), *parts]), offsets, np.asarray(cut, np.bool_)


def _any(flags: npt.NDArray[np.bool_], offsets: Integers) -> npt.NDArray[np.bool_]:
    """Whether any of each question's choices has a flag; (S,) to (N,)."""
    sums = np.concatenate([[0], np.cumsum(flags)])
    return np.asarray(np.diff(sums[offsets]) > 0)


def _copy(source: TokenIds, source_starts: Integers, target: Integers, starts: Integers, *, counts: Integers) -> None:
    """Copy ``counts[i]`` ids from each source start to each target start."""
    within = np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    target[np.repeat(starts, counts) + within] = source[np.repeat(source_starts, counts) + within]
