"""Where in a text is the answer to a question? Texts longer than the model reads are read in overlapping windows.

Shapes: B windows computed at once, T packed tokens, L tokens of a window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from albert_cli.data.span_windows import plan_windows
from albert_cli.errors import UsageError
from albert_cli.inference.device import Compute
from albert_cli.inference.queries import NOT_FINITE, Answer, Encoded, Query, Refusal, pack
from albert_cli.inference.span_search import (
    Found,
    SearchRules,
    TextWindow,
    best_score,
    search_beam,
    search_plain,
)
from albert_cli.models.heads import AlbertForQuestionAnswering, AlbertForQuestionAnsweringBeam
from albert_cli.tokenization.tokenizer import AlbertTokenizer

DEFAULT_ANSWER_LENGTH = 15
DEFAULT_QUESTION_LENGTH = 64
DEFAULT_WINDOW = 384
DEFAULT_OVERLAP = 128
THRESHOLD = "null_score_diff_threshold"  # of a model that learnt when not to answer
_BEAM = ("start_top_log_probs", "start_top_index", "end_top_log_probs", "end_top_index", "cls_logits")

Scores = dict[str, Any]  # what the model says of one window, by name


@dataclass(frozen=True)
class AnswerSettings:
    """How questions are answered; the defaults are those of the `transformers` pipeline.

    Attributes:
        top_k: answers for each question.
        max_answer_len: most tokens of an answer.
        max_seq_len: most tokens of a window; None takes 384, or what the model reads if that is less.
        doc_stride: tokens that two windows share; None takes 128, or half a window if that is less.
        max_question_len: most tokens of a question; the rest is cut.
        handle_impossible_answer: whether "no answer" (an empty one) may win. None: it may where the model learnt when
            to say so, and its own threshold decides then.
        align_to_words: whether answers grow to whole words.
        shares_windows: see `span_search.SearchRules`.
    """

    top_k: int = 1
    max_answer_len: int = DEFAULT_ANSWER_LENGTH
    max_seq_len: int | None = None
    doc_stride: int | None = None
    max_question_len: int = DEFAULT_QUESTION_LENGTH
    handle_impossible_answer: bool | None = None
    align_to_words: bool = True
    shares_windows: bool = True


class QuestionAnswering:
    """Answers with ``score``, ``start``, ``end`` and ``answer``, a slice of the context.

    A query is a question (its text) and a context (its pair).

    Args:
        model: with a trained head, plain or beam.
        tokenizer: of the model.
        compute: where to compute.
        max_length: tokens that the model reads at most.
        settings: how.

    Raises:
        UsageError: windows longer than the model reads, or that share all of their tokens.
    """

    def __init__(
        self,
        model: AlbertForQuestionAnswering | AlbertForQuestionAnsweringBeam,
        tokenizer: AlbertTokenizer,
        *,
        compute: Compute,
        max_length: int,
        settings: AnswerSettings | None = None,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._compute = compute
        self._settings = how = settings or AnswerSettings()
        self._length = min(max_length, DEFAULT_WINDOW) if how.max_seq_len is None else how.max_seq_len
        self._overlap = min(self._length // 2, DEFAULT_OVERLAP) if how.doc_stride is None else how.doc_stride
        if self._length > max_length:
            raise UsageError(f"max_seq_len is {self._length}, the model reads {max_length} tokens", hint="lower it")
        if self._overlap >= self._length:
            raise UsageError(
                f"doc_stride is {self._overlap}, the window has {self._length} tokens", hint="lower doc_stride"
            )
        if self._overlap < 0:
            raise UsageError(f"doc_stride is {self._overlap}", hint="give a number of tokens, or leave it out")
        self._rules = SearchRules(how.top_k, how.max_answer_len, how.align_to_words, how.shares_windows)
        self._is_beam = isinstance(model, AlbertForQuestionAnsweringBeam)
        learnt = model.config.extra.get(THRESHOLD)
        self._threshold = float(learnt) if isinstance(learnt, int | float) else None
        if self._is_beam and self._threshold is None:
            self._threshold = 0.0

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        """Answer some questions."""
        parts = [self._windows(query) for query in queries]
        said = self._ask([window for part in parts if not isinstance(part, Refusal) for window in part])
        answers: list[Answer] = []
        for query, part in zip(queries, parts, strict=True):
            if isinstance(part, Refusal):
                answers.append({"error": part.reason})
                continue
            answers.append(self._answer(part, [next(said) for _ in part], query.pair or ""))
        return answers

    def _windows(self, query: Query) -> list[TextWindow] | Refusal:
        if not query.text.strip() or not (query.pair or "").strip():
            lacking = "context" if query.text.strip() else "question"
            return Refusal(f"no {lacking}; question-answering takes a question and a context (QUESTION<TAB>CONTEXT)")
        question = self._tokenizer.encode_batch([query.text])[0][: self._settings.max_question_len]
        text = self._tokenizer.encode_with_offsets(query.pair or "")
        room = self._length - len(question) - 3
        if room < 1:
            return Refusal(f"the question has {len(question)} tokens, a window of {self._length} has no room for text")
        plan = plan_windows(len(text.ids), room=room, stride=min(self._overlap, room - 1), stride_is="overlap")
        head = [self._tokenizer.cls_token_id, *question, self._tokenizer.sep_token_id]
        starts, ends = np.asarray(text.starts, dtype=np.int64), np.asarray(text.ends, dtype=np.int64)
        windows = []
        for first, size, *best in zip(plan.firsts, plan.sizes, plan.best_firsts, plan.best_ends, strict=True):
            part = slice(int(first), int(first + size))
            ids = [*head, *text.ids[part], self._tokenizer.sep_token_id]
            begin, end = (int(place - first) for place in best)
            windows.append(TextWindow(ids, len(head), starts[part], ends[part], (begin, end)))
        return windows

    def _ask(self, windows: Sequence[TextWindow]) -> Iterator[Scores]:
        """What the model says of each window, in their order."""
        for group in _groups(windows, self._compute.batch_tokens):
            packed = pack([Encoded(window.ids, window.first) for window in group], self._compute.device)
            inputs: dict[str, Any] = {"token_type_ids": packed.token_type_ids, "layout": packed.layout}
            if self._is_beam:
                inputs["p_mask"] = torch.tensor([flag for window in group for flag in _forbidden(window)]).to(
                    self._compute.device
                )
            with self._compute.inference():
                output = self._model(packed.input_ids, **inputs)
            if self._is_beam:
                rows = {name: output[name].cpu().numpy() for name in _BEAM}
                yield from ({name: values[number] for name, values in rows.items()} for number in range(len(group)))
                continue
            lengths = [len(window.ids) for window in group]
            logits = [output[name].float().cpu().split(lengths) for name in ("start_logits", "end_logits")]
            for start, end in zip(*logits, strict=True):
                yield {"start": start.double().numpy(), "end": end.double().numpy()}

    def _answer(self, windows: list[TextWindow], said: list[Scores], text: str) -> Answer:
        if not all(np.isfinite(values).all() for scores in said for values in scores.values()):
            return NOT_FINITE
        pairs = [] if self._is_beam else [(scores["start"], scores["end"]) for scores in said]
        if self._is_beam:
            found, null = search_beam(windows, said, text, self._rules)
        else:
            found, null = search_plain(windows, pairs, text, self._rules)
        nothing = Found("", 0, 0, null)
        if self._settings.handle_impossible_answer:
            found = sorted([*found, nothing], key=lambda one: -one.score)[: self._rules.top_k]
        elif self._settings.handle_impossible_answer is None and self._declines(windows, said, pairs):
            found = [nothing, *found][: self._rules.top_k]
        return {
            "results": [
                {"score": one.score, "start": one.start, "end": one.end, "answer": one.text}
                for one in found or [nothing]
            ]
        }

    def _declines(self, windows: list[TextWindow], said: list[Scores], pairs: list[Any]) -> bool:
        """Whether the odds of "no answer" are above what the model learnt."""
        if self._threshold is None:
            return False
        if self._is_beam:
            return min(float(scores["cls_logits"]) for scores in said) > self._threshold
        null = min(float(start[0] + end[0]) for start, end in pairs)
        return null - best_score(windows, pairs, self._rules) > self._threshold


def _forbidden(window: TextWindow) -> list[bool]:
    """Where in a window no answer may begin or end: question and [SEP]; [CLS] may."""
    return [False, *[True] * (window.first - 1), *[False] * len(window.starts), True]


def _groups(windows: Sequence[TextWindow], most_tokens: int) -> Iterator[list[TextWindow]]:
    group: list[TextWindow] = []
    tokens = 0
    for window in windows:
        if group and tokens + len(window.ids) > most_tokens:
            yield group
            group, tokens = [], 0
        group.append(window)
        tokens += len(window.ids)
    if group:
        yield group
