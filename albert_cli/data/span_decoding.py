"""From what a model says of the tokens of windows to answers in the words of the text.

A long text is read in windows that overlap; a token of several windows may begin an answer only in the one that shows
most around it. All windows of a question then compete, and the answer is the slice of the text as it was written.

Shapes: N questions, W windows, L tokens of a window, S starts and E ends that a beam keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[Any]
PerWindow = Sequence[Floats] | Floats  # one array for each window

# Score of each end of "no answer found", as the original writes it.
_NOTHING = -1e6


class Windows(Protocol):
    """Where the tokens of windows stand in their texts; `data.span_features.SpanExamples` knows."""

    @property
    def window_questions(self) -> npt.NDArray[Any]:
        """(W,) question of each window, ascending."""
        ...

    def in_context(self, windows: npt.NDArray[Any], tokens: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Whether tokens of windows belong to the text."""
        ...

    def is_max_context(self, windows: npt.NDArray[Any], tokens: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Whether they do, and no other window shows more around them."""
        ...

    def character_spans(
        self, windows: npt.NDArray[Any], starts: npt.NDArray[Any], ends: npt.NDArray[Any]
    ) -> tuple[Integers, Integers]:
        """First characters, and places behind the last ones, of spans of tokens (``ends`` inclusive)."""
        ...


@dataclass(frozen=True)
class Candidate:
    """A piece of the text as answer, or (with no text) that there is none.

    Attributes:
        text: the slice of the text, without spaces at its ends.
        start: its first character in the text.
        end: one past its last character.
        start_score: logit or log-probability of its first token.
        end_score: of its last token.
    """

    text: str
    start: int
    end: int
    start_score: float
    end_score: float

    @property
    def score(self) -> float:
        """What candidates compete by."""
        return self.start_score + self.end_score


# What the original says where no pair of tokens may be an answer and the question must have one.
_NO_CANDIDATE = Candidate("empty", 0, 0, 0.0, 0.0)


@dataclass(frozen=True)
class RowAnswers:
    """What was found for one question.

    Attributes:
        candidates: different texts, best first; perhaps none. A piece that stands for a space alone gives an empty one,
            as in the original.
        null: "no answer" as a rival of the candidates, where the model scores it as one.
        odds: score of "no answer", larger means less answerable; None where every question has an answer.
    """

    candidates: tuple[Candidate, ...]
    null: Candidate | None = None
    odds: float | None = None

    @property
    def best(self) -> str:
        """The best text, whatever the odds; empty where there is none."""
        return self.candidates[0].text if self.candidates else ""

    def text(self, threshold: float) -> str:
        """The answer; empty where the odds of "no answer" are above the threshold."""
        return "" if self.odds is not None and self.odds > threshold else self.best

    def ranked(self) -> list[tuple[Candidate, float]]:
        """Candidates and, where it is a rival, "no answer", best first, with their shares of the softmax over them."""
        entries = [*self.candidates, *([] if self.null is None else [self.null])]
        entries = sorted(entries, key=lambda entry: -entry.score) or [Candidate("", 0, 0, _NOTHING, _NOTHING)]
        scores = np.array([entry.score for entry in entries])
        powers = np.exp(scores - scores.max())
        return list(zip(entries, (powers / powers.sum()).tolist(), strict=True))


def decode_plain(
    windows: Windows,
    start_logits: PerWindow,
    end_logits: PerWindow,
    contexts: Sequence[str],
    *,
    n_best: int,
    max_length: int,
    may_be_unanswered: bool,
) -> list[RowAnswers]:
    """Answers of a head that scores first and last tokens apart.

    In each window the ``n_best`` likeliest first tokens meet the ``n_best`` likeliest last ones. "No answer" is the
    first token of the window as both; over the windows of a question the smallest such sum counts.

    Args:
        windows: W windows.
        start_logits: W arrays (L,).
        end_logits: W arrays (L,).
        contexts: N texts, of which the answers are slices.
        n_best: candidates kept for each question.
        max_length: most tokens of an answer.
        may_be_unanswered: whether "no answer" is a rival of the candidates.

    Returns:
        N answers. Their odds are the score of "no answer" less that of the best candidate.
    """
    found: list[list[_Found]] = [[] for _ in contexts]
    nulls: dict[int, tuple[float, float]] = {}
    for window, row in enumerate(windows.window_questions.tolist()):
        starts, ends = (np.asarray(logits[window], dtype=np.float64) for logits in (start_logits, end_logits))
        first, last = np.meshgrid(_largest(starts, n_best), _largest(ends, n_best), indexing="ij")
        found[row] += _allowed(windows, window, first, last, starts[first], ends[last], max_length=max_length)
        here = (float(starts[0]), float(ends[0]))
        nulls[row] = min(nulls.get(row, here), here, key=sum)
    answers = []
    for row, text in enumerate(contexts):
        candidates = _best(found[row], text, n_best)
        if not (may_be_unanswered and row in nulls):
            answers.append(RowAnswers(candidates or (_NO_CANDIDATE,)))
            continue
        real = tuple(entry for entry in candidates if entry.text)
        null = Candidate("", 0, 0, *nulls[row])
        answers.append(RowAnswers(real, null, null.score - (real[0].score if real else 2 * _NOTHING)))
    return answers


def decode_beam(
    windows: Windows,
    rows: Mapping[str, PerWindow],
    contexts: Sequence[str],
    *,
    n_best: int,
    max_length: int,
) -> list[RowAnswers]:
    """Answers of the head that follows up the likeliest starts.

    Args:
        windows: W windows.
        rows: by name W arrays each: ``start_top_log_probs`` and ``start_top_index`` (S,), ``end_top_log_probs`` and
            ``end_top_index`` (S*E,), end j of start i at i*E + j, and ``cls_logits`` ().
        contexts: N texts, of which the answers are slices.
        n_best: candidates kept for each question.
        max_length: most tokens of an answer.

    Returns:
        N answers. Their odds are the smallest ``cls_logits`` among the windows of the question.
    """
    found: list[list[_Found]] = [[] for _ in contexts]
    odds: dict[int, float] = {}
    for window, row in enumerate(windows.window_questions.tolist()):
        last = np.asarray(rows["end_top_index"][window], dtype=np.int64)
        first = np.asarray(rows["start_top_index"][window], dtype=np.int64)
        shape = (len(first), len(last) // len(first))  # (S, E)
        first_scores = np.asarray(rows["start_top_log_probs"][window], dtype=np.float64)
        found[row] += _allowed(
            windows,
            window,
            np.broadcast_to(first[:, None], shape),
            last.reshape(shape),
            np.broadcast_to(first_scores[:, None], shape),
            np.asarray(rows["end_top_log_probs"][window], dtype=np.float64).reshape(shape),
            max_length=max_length,
        )
        here = float(rows["cls_logits"][window])
        odds[row] = min(odds.get(row, here), here)
    return [
        RowAnswers(_best(found[row], text, n_best), odds=odds.get(row, -_NOTHING)) for row, text in enumerate(contexts)
    ]


@dataclass(frozen=True)
class _Found:
    """Characters of a span, and the scores of its first and last token."""

    start: int
    end: int
    start_score: float
    end_score: float


def _allowed(
    windows: Windows,
    window: int,
    first: Integers,
    last: Integers,
    start_scores: Floats,
    end_scores: Floats,
    *,
    max_length: int,
) -> Iterator[_Found]:
    """Pairs of tokens that may be an answer, in their order.

    Args:
        windows: W windows.
        window: which one.
        first: any shape, places in the window of the first tokens.
        last: likewise, of the last tokens.
        start_scores: likewise.
        end_scores: likewise.
        max_length: most tokens of an answer.
    """
    number = np.asarray(window)
    may = windows.is_max_context(number, first) & windows.in_context(number, last)
    may &= (last >= first) & (last - first < max_length)
    starts, ends = windows.character_spans(number, first[may], last[may])
    chosen = (part.tolist() for part in (starts, ends, start_scores[may], end_scores[may]))
    return (_Found(*parts) for parts in zip(*chosen, strict=True))


def _largest(logits: Floats, count: int) -> Integers:
    """Places of the largest numbers, largest first, the first of equals first."""
    return np.argsort(-logits, kind="stable")[:count]


def _best(found: Sequence[_Found], text: str, count: int) -> tuple[Candidate, ...]:
    """The best spans whose texts differ."""
    candidates: dict[str, Candidate] = {}
    for span in sorted(found, key=lambda span: -(span.start_score + span.end_score)):
        if len(candidates) == count:
            break
        start, end = trimmed(text, span.start, span.end)
        answer = text[start:end]
        if answer not in candidates:
            candidates[answer] = Candidate(answer, start, end, span.start_score, span.end_score)
    return tuple(candidates.values())


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave out spaces at both ends of a slice."""
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    return start + left, max(start + left, start + len(piece.rstrip()))
