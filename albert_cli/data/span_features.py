"""From questions about texts to token ids: ``[CLS] question [SEP] a window of the text [SEP]``.

Texts and questions are kept once; a window is three numbers, and its ids are put together when a batch asks for them.
So a text of ten thousand words with fifty questions costs no more memory than the text.

Shapes: R questions, N windows (the examples), K distinct texts, P pieces of all texts, B windows of a batch, T tokens
of a batch.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from albert_cli.data.batching import PackedBatch
from albert_cli.data.span_contexts import Contexts, OffsetTokenizer, encode_contexts, joined, offsets_of
from albert_cli.data.span_places import answer_pieces, locate_answer
from albert_cli.data.span_windows import StrideMeaning, WindowPlan, plan_windows

Integers = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SpanExamples:
    """Windows of a split (`data.examples.Examples`); those of a question stand one after another, in reading order.

    Attributes:
        context_ids: (P,) int32, pieces of the distinct texts one after another.
        context_starts: (P,) int32, first character of each piece in its text.
        context_ends: (P,) int32, place behind its last character, dropped combining marks included.
        context_offsets: (K + 1,) int64, text k has the pieces from ``context_offsets[k]`` to the next.
        question_ids: int32, pieces of the questions one after another, already cut to ``max_query_length``.
        question_offsets: (R + 1,) int64, question r has those from ``question_offsets[r]`` to the next.
        question_contexts: (R,) int32, text of each question.
        question_cut: (R,) bool, questions that lost pieces.
        window_offsets: (R + 1,) int64, question r has the windows from ``window_offsets[r]`` to the next; one at least.
        window_questions: (N,) int32, question of each window: row of the ``datasets.Dataset``.
        window_firsts: (N,) int32, first piece of each window in its text.
        window_sizes: (N,) int32, pieces of the text in each window.
        best_firsts: (N,) int32, first piece of the text that has its maximal context in the window.
        best_ends: (N,) int32, place behind the last one.
        start_positions: (N,) int32, token of the window where the first answer begins; 0 where it is not inside.
        end_positions: (N,) int32, token where it ends (inclusive); 0 where it is not inside.
        is_impossible: (N,) int8, 1 without an answer inside, 0 with one, -1 unlabelled.
        cls_id: id of [CLS].
        sep_id: id of [SEP].
    """

    context_ids: Small
    context_starts: Small
    context_ends: Small
    context_offsets: Integers
    question_ids: Small
    question_offsets: Integers
    question_contexts: Small
    question_cut: Flags
    window_offsets: Integers
    window_questions: Small
    window_firsts: Small
    window_sizes: Small
    best_firsts: Small
    best_ends: Small
    start_positions: Small
    end_positions: Small
    is_impossible: npt.NDArray[np.int8]
    cls_id: int
    sep_id: int

    def __len__(self) -> int:
        return len(self.window_questions)

    @property
    def num_questions(self) -> int:
        """R."""
        return len(self.question_contexts)

    @property
    def first_lengths(self) -> Integers:
        """(N,) tokens of type 0, [CLS] question [SEP]: the token of a window at which its text begins."""
        return np.diff(self.question_offsets)[self.window_questions] + 2

    @property
    def lengths(self) -> Integers:
        """(N,) tokens of each window."""
        return self.first_lengths + self.window_sizes + 1

    @property
    def is_labelled(self) -> bool:
        """Whether every window is known to hold an answer or none."""
        return bool((self.is_impossible >= 0).all())

    @property
    def truncated_fraction(self) -> float:
        """Share of the windows whose question was cut; a text is never cut."""
        return float(np.mean(self.question_cut[self.window_questions])) if len(self) else 0.0

    @property
    def windows_per_example(self) -> float:
        """Windows of a question, on average."""
        return len(self) / self.num_questions if self.num_questions else 0.0

    def fingerprint(self) -> str:
        """Changes when any id, place or label does."""
        digest = hashlib.sha256()
        for item in dataclasses.fields(self):
            value = np.ascontiguousarray(getattr(self, item.name))
            digest.update(f"{item.name} {value.dtype} {value.shape}\n".encode() + value.tobytes())
        return digest.hexdigest()

    def in_context(self, windows: npt.NDArray[Any], tokens: npt.NDArray[Any]) -> Flags:
        """Whether tokens belong to the text (not to the question, [CLS] or [SEP]).

        Args:
            windows: numbers of windows, of any shape.
            tokens: places in these windows, of a shape that broadcasts with it.
        """
        place = tokens - self.first_lengths_of(windows)
        return np.asarray((place >= 0) & (place < self.window_sizes[windows]))

    def is_max_context(self, windows: npt.NDArray[Any], tokens: npt.NDArray[Any]) -> Flags:
        """Whether tokens belong to the text and have their maximal context in this window; arguments as above."""
        place = tokens - self.first_lengths_of(windows) + self.window_firsts[windows]
        return np.asarray((place >= self.best_firsts[windows]) & (place < self.best_ends[windows]))

    def character_spans(
        self, windows: npt.NDArray[Any], starts: npt.NDArray[Any], ends: npt.NDArray[Any]
    ) -> tuple[Integers, Integers]:
        """Characters of the text that spans of tokens cover, combining marks behind the last one included.

        Args:
            windows: numbers of windows, of any shape.
            starts: first token of each span; must belong to the text.
            ends: last token (inclusive); must belong to the text.

        Returns:
            First characters and places behind the last ones, of the shape of the arguments, int64:
            ``context[first:behind]`` is the answer.
        """
        base = (
            self.context_offsets[self.question_contexts[self.window_questions[windows]]]
            + self.window_firsts[windows]
            - self.first_lengths_of(windows)
        )
        return (
            self.context_starts[base + starts].astype(np.int64),
            self.context_ends[base + ends].astype(np.int64),
        )

    def first_lengths_of(self, windows: npt.NDArray[Any]) -> Integers:
        """``first_lengths`` of some windows."""
        questions = self.window_questions[windows]
        return np.asarray(self.question_offsets[questions + 1] - self.question_offsets[questions] + 2)

    def pack(self, chosen: npt.NDArray[Any], *, with_labels: bool) -> PackedBatch:
        """Lay windows one after another.

        Args:
            chosen: (B,) numbers of windows; they become ``indices``.
            with_labels: whether there are targets beside ``p_mask``.

        Returns:
            The batch. Targets: ``p_mask`` (T,) bool, True where no answer may begin or end: question and [SEP], but
            neither [CLS] nor the text; with labels ``start_positions``, ``end_positions`` (B,) int64, tokens of each
            window, and ``is_impossible`` (B,) int64 of 0 and 1.
        """
        chosen = np.asarray(chosen, dtype=np.int64)
        ids, types, lengths = self._tokens(chosen)
        inside = np.arange(len(ids)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        allowed = (types == 1) & (inside < np.repeat(lengths, lengths) - 1) | (inside == 0)
        targets = {"p_mask": torch.from_numpy(~allowed)}
        if with_labels:
            for name in ("start_positions", "end_positions", "is_impossible"):
                targets[name] = torch.from_numpy(getattr(self, name)[chosen].astype(np.int64))
        return PackedBatch(
            input_ids=torch.from_numpy(ids),
            token_type_ids=torch.from_numpy(types),
            lengths=tuple(lengths.tolist()),
            indices=torch.from_numpy(chosen),
            targets=targets,
        )

    def _tokens(self, chosen: Integers) -> tuple[Integers, Integers, Integers]:
        """Ids (T,), token types (T,) and lengths (B,) of windows."""
        questions = self.window_questions[chosen]
        first_lengths = self.first_lengths_of(chosen)
        sizes = self.window_sizes[chosen].astype(np.int64)
        lengths = first_lengths + sizes + 1
        starts = np.cumsum(lengths) - lengths
        ids = np.full(int(lengths.sum()), self.sep_id, dtype=np.int64)
        ids[starts] = self.cls_id
        types = np.zeros(len(ids), dtype=np.int64)
        types[_runs(starts + first_lengths, sizes + 1)] = 1
        ids[_runs(starts + 1, first_lengths - 2)] = self.question_ids[
            _runs(self.question_offsets[questions], first_lengths - 2)
        ]
        begins = self.context_offsets[self.question_contexts[questions]] + self.window_firsts[chosen]
        ids[_runs(starts + first_lengths, sizes)] = self.context_ids[_runs(begins, sizes)]
        return ids, types, lengths


def _runs(starts: Integers, counts: Integers) -> Integers:
    """``starts[i], starts[i] + 1, ...``, ``counts[i]`` of them, for each i one after another."""
    within = np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(starts, counts) + within


def encode_spans(
    dataset: Any,
    tokenizer: OffsetTokenizer,
    *,
    max_length: int,
    max_query_length: int = 64,
    stride: int = 128,
    stride_is: StrideMeaning = "step",
    threads: int | None = 1,
) -> SpanExamples:
    """Tokenise a split of questions about texts.

    Args:
        dataset: a ``datasets.Dataset`` as `data.squad_tables` makes it.
        tokenizer: gives ids, and places of pieces in a text; ``[MASK]`` and the like are text.
        max_length: most tokens of a window, special ones included.
        max_query_length: most tokens of a question; the rest is cut.
        stride: how far windows are apart, as ``stride_is`` says.
        stride_is: ``step`` or ``overlap``, see `data.span_windows.plan_windows`.
        threads: a large split is encoded by so many processes at most; None means as many as there are cores.

    Returns:
        Every question with at least one window.

    Raises:
        UsageError: a window has no room for text, or an overlap leaves no step.
    """
    columns = dataset.select_columns(["question", "context", "answers", "is_impossible"])[:]
    texts = list(dict.fromkeys(columns["context"]))
    numbers = {text: number for number, text in enumerate(texts)}
    contexts = encode_contexts(texts, tokenizer, threads=threads)
    owners = np.array([numbers[text] for text in columns["context"]], dtype=np.int32)
    questions = tokenizer.encode_batch(columns["question"])
    kept = [ids[:max_query_length] for ids in questions]
    sizes = np.array([len(ids) for ids in kept], dtype=np.int64)
    plan = _plan_all(contexts, owners, sizes, max_length - 3, stride=stride, stride_is=stride_is)
    window_questions = np.repeat(np.arange(len(kept), dtype=np.int32), plan.counts)
    spans = _answer_spans(columns, contexts, owners)
    labels = _labels(spans, columns["is_impossible"], window_questions, plan.firsts, plan.sizes, sizes=sizes)
    return SpanExamples(
        context_ids=contexts.ids,
        context_starts=contexts.starts,
        context_ends=contexts.ends,
        context_offsets=contexts.offsets,
        question_ids=np.fromiter((number for ids in kept for number in ids), np.int32, int(sizes.sum())),
        question_offsets=offsets_of(sizes),
        question_contexts=owners,
        question_cut=np.array([len(ids) > max_query_length for ids in questions], dtype=np.bool_),
        window_offsets=offsets_of(plan.counts),
        window_questions=window_questions,
        window_firsts=plan.firsts,
        window_sizes=plan.sizes,
        best_firsts=plan.best_firsts,
        best_ends=plan.best_ends,
        start_positions=labels[0],
        end_positions=labels[1],
        is_impossible=labels[2],
        cls_id=tokenizer.cls_token_id,
        sep_id=tokenizer.sep_token_id,
    )


@dataclass(frozen=True)
class _Plan:
    """Windows of all questions one after another, as in `SpanExamples`; ``counts`` (R,) of each question."""

    counts: Integers
    firsts: Small
    sizes: Small
    best_firsts: Small
    best_ends: Small


def _plan_all(
    contexts: Contexts, owners: Small, question_sizes: Integers, budget: int, *, stride: int, stride_is: StrideMeaning
) -> _Plan:
    """Windows of every question; texts of one length under questions of one length share their plan."""
    known: dict[tuple[int, int], WindowPlan] = {}
    plans = []
    for owner, question in zip(owners.tolist(), question_sizes.tolist(), strict=True):
        key = (contexts.size(owner), budget - question)
        if key not in known:
            known[key] = plan_windows(key[0], room=key[1], stride=stride, stride_is=stride_is)
        plans.append(known[key])
    return _Plan(
        np.array([len(plan.firsts) for plan in plans], dtype=np.int64),
        joined([plan.firsts for plan in plans]),
        joined([plan.sizes for plan in plans]),
        joined([plan.best_firsts for plan in plans]),
        joined([plan.best_ends for plan in plans]),
    )


def _answer_spans(columns: Mapping[str, list[Any]], contexts: Contexts, owners: Small) -> Integers:
    """First and last piece (inclusive) of each question's first answer that can be found, -1 without one; (R, 2)."""
    spans = np.full((len(owners), 2), -1, dtype=np.int64)
    places: dict[int, tuple[list[int], list[int], list[bool]]] = {}
    for row, (owner, answers) in enumerate(zip(owners.tolist(), columns["answers"], strict=True)):
        if columns["is_impossible"][row]:
            continue
        if owner not in places:
            places[owner] = contexts.places(owner)
        starts, ends, hollow = places[owner]
        text = contexts.texts[owner]
        for answer, answer_start in zip(answers["text"], answers["answer_start"], strict=True):
            place = locate_answer(text, answer, answer_start)
            found = answer_pieces(starts, ends, hollow, first=place.start, end=place.end)
            if found is not None and place.start < place.end:
                spans[row] = found
                break
    return spans


def _labels(
    spans: Integers,
    is_impossible: Sequence[bool | None],
    questions: Small,
    firsts: Small,
    window_sizes: Small,
    *,
    sizes: Integers,
) -> tuple[Small, Small, npt.NDArray[np.int8]]:
    """Start token, end token and `is_impossible` of each window.

    Args:
        spans: (R, 2) pieces of the answers.
        is_impossible: R flags, None unknown.
        questions: (N,) question of each window.
        firsts: (N,) first piece of each window.
        window_sizes: (N,) pieces of each window.
        sizes: (R,) pieces of the questions.
    """
    low, high = spans[questions, 0], spans[questions, 1]
    inside = (low >= firsts) & (low >= 0) & (high < firsts + window_sizes)
    shift = sizes[questions] + 2 - firsts
    known = np.array([flag is not None for flag in is_impossible], dtype=np.bool_)[questions]
    return (
        np.where(inside, low + shift, 0).astype(np.int32),
        np.where(inside, high + shift, 0).astype(np.int32),
        np.where(known, ~inside, -1).astype(np.int8),
    )
