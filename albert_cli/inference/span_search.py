"""Which piece of a text answers, given what a model says of its windows, and how likely is it?

The rules are those of the question-answering pipeline of `transformers` 4: probabilities of first and last tokens are
multiplied, answers grow to whole words, equal texts add up. There each window has probabilities of its own, so a window
without the answer may outbid the one that has it, and sums pass 1. Here they may also be shared by all windows.

Shapes: W windows, L tokens of a window, k answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TextWindow:
    """A part of a text as a model reads it.

    Attributes:
        ids: [CLS] question [SEP] part [SEP].
        first: place of the first token of the part.
        starts: characters of the text at which the part's tokens begin.
        ends: places behind their last characters.
        best: which of the part's tokens have the most context in this window, as first and end.
    """

    ids: list[int]
    first: int
    starts: Integers
    ends: Integers
    best: tuple[int, int]


@dataclass(frozen=True)
class Found:
    """An answer.

    Attributes:
        text: a slice of the context.
        start: its first character.
        end: the place behind its last character.
        score: probability.
    """

    text: str
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class SearchRules:
    """How to search.

    Attributes:
        top_k: k.
        max_answer_length: most tokens of an answer.
        aligns: whether answers grow to whole words.
        shares_windows: whether the windows of a text share one probability, and a token may begin an answer only in the
            window that shows most around it; else each window has its own.
    """

    top_k: int
    max_answer_length: int
    aligns: bool
    shares_windows: bool

    @property
    def num_spans(self) -> int:
        """Spans to take of each window: some become one text when they grow to words."""
        return 2 * self.top_k + 10 if self.aligns else self.top_k


def search_plain(
    windows: Sequence[TextWindow], logits: Sequence[tuple[Floats, Floats]], text: str, rules: SearchRules
) -> tuple[list[Found], float]:
    """Search with first and last tokens scored apart.

    Args:
        windows: W parts of one text.
        logits: of each window (L,) of first tokens and (L,) of last tokens.
        text: the context.
        rules: how.

    Returns:
        The k best answers, best first, and the probability that there is none.
    """
    chances = [tuple(_allowed(window, part) for part in pair) for window, pair in zip(windows, logits, strict=True)]
    if rules.shares_windows:
        for window, (starts, _) in zip(windows, chances, strict=True):
            first, end = (window.first + place for place in window.best)
            starts[1:first] = starts[end:] = -np.inf
    first_shares = _softmax([pair[0] for pair in chances], shared=rules.shares_windows)
    last_shares = _softmax([pair[1] for pair in chances], shared=rules.shares_windows)
    null = min(float(start[0] * end[0]) for start, end in zip(first_shares, last_shares, strict=True))
    if rules.shares_windows:
        null = float(sum(start[0] for start in first_shares) * sum(end[0] for end in last_shares))
    spans: list[tuple[TextWindow, int, int, float]] = []
    for window, start_shares, end_shares in zip(windows, first_shares, last_shares, strict=True):
        spans += ((window, *span) for span in _best_spans(window, start_shares, end_shares, rules))
    return _gather(spans, text, rules), null


def search_beam(
    windows: Sequence[TextWindow], beams: Sequence[dict[str, npt.NDArray[Any]]], text: str, rules: SearchRules
) -> tuple[list[Found], float]:
    """Search with a head that follows up the likeliest starts; see `search_plain`.

    A window's spans count as much as the window is likely to hold the answer.

    Args:
        windows: W parts of one text.
        beams: of each window ``start_top_log_probs``, ``start_top_index``, ``end_top_log_probs``, ``end_top_index`` and
            ``cls_logits``.
        text: the context.
        rules: how.
    """
    spans = []
    for window, beam in zip(windows, beams, strict=True):
        answers = 1.0 / (1.0 + np.exp(float(beam["cls_logits"])))
        width = len(beam["end_top_index"]) // len(beam["start_top_index"])
        for number, end in enumerate(beam["end_top_index"].tolist()):
            start = int(beam["start_top_index"][number // width])
            is_inside = window.first <= start <= end < window.first + len(window.starts)
            if rules.shares_windows and not window.best[0] <= start - window.first < window.best[1]:
                is_inside = False
            if is_inside and end - start < rules.max_answer_length:
                log_prob = float(beam["start_top_log_probs"][number // width]) + float(
                    beam["end_top_log_probs"][number]
                )
                score = answers * float(np.exp(log_prob))
                spans += [(window, start, end, score)] if score > 0.0 else []
    null = min(1.0 / (1.0 + np.exp(-float(beam["cls_logits"]))) for beam in beams)
    return _gather(spans, text, rules), float(null)


def best_score(windows: Sequence[TextWindow], logits: Sequence[tuple[Floats, Floats]], rules: SearchRules) -> float:
    """Largest sum of the logits of a first and a last token that may be an answer; -inf where none may."""
    best = -np.inf
    for window, (starts, ends) in zip(windows, logits, strict=True):
        inside = slice(window.first, window.first + len(window.starts))
        best = max(best, float(_spans(starts[inside], ends[inside], rules, np.add).max(initial=-np.inf)))
    return best


def _allowed(window: TextWindow, logits: Floats) -> Floats:
    """(L,) logits, -inf in the question and at both [SEP]; [CLS] stays, for it takes the share of "no answer"."""
    kept = np.full(len(logits), -np.inf)
    kept[0] = logits[0]
    inside = slice(window.first, window.first + len(window.starts))
    kept[inside] = logits[inside]
    return kept


def _softmax(logits: list[Floats], *, shared: bool) -> list[Floats]:
    if not shared:
        return [_softmax([one], shared=True)[0] for one in logits]
    largest = max(one.max() for one in logits)
    powers = [np.exp(one - largest) for one in logits]
    total = sum(one.sum() for one in powers)
    return [one / total for one in powers]


def _best_spans(
    window: TextWindow, starts: Floats, ends: Floats, rules: SearchRules
) -> Iterator[tuple[int, int, float]]:
    """The likeliest spans of a window, likeliest first: first token, last token, probability."""
    inside = slice(window.first, window.first + len(window.starts))
    products = _spans(starts[inside], ends[inside], rules, np.multiply)
    flat = products.ravel()
    for place in np.argsort(-flat, kind="stable")[: rules.num_spans].tolist():
        if flat[place] > 0.0:
            first, last = divmod(place, products.shape[1])
            yield window.first + first, window.first + last, float(flat[place])


def _spans(starts: Floats, ends: Floats, rules: SearchRules, combine: np.ufunc) -> Floats:
    """(L, L) what each first and last token give together; the least possible where the span is none or too long."""
    table: Floats = combine.outer(starts, ends)
    places = np.arange(len(starts))
    length = places[None, :] - places[:, None]
    table[(length < 0) | (length >= rules.max_answer_length)] = 0.0 if combine is np.multiply else -np.inf
    return table


def _gather(spans: Sequence[tuple[TextWindow, int, int, float]], text: str, rules: SearchRules) -> list[Found]:
    """Spans to texts: those that differ in nothing but case add up."""
    scores: dict[str, float] = {}
    places: dict[str, tuple[int, int]] = {}
    for window, first, last, score in spans:
        start, end = int(window.starts[first - window.first]), int(window.ends[last - window.first])
        if rules.aligns:
            # Theirs sees a word as far as the window does.
            limits = (0, len(text)) if rules.shares_windows else (int(window.starts[0]), int(window.ends[-1]))
            start, end = whole_words(text, start, end, limits=limits)
        key = text[start:end].lower()
        scores[key] = scores.get(key, 0.0) + score
        places.setdefault(key, (start, end))
    order = sorted(scores, key=lambda key: -scores[key])[: rules.top_k]
    return [Found(text[slice(*places[key])], *places[key], scores[key]) for key in order]


def whole_words(text: str, start: int, end: int, *, limits: tuple[int, int]) -> tuple[int, int]:
    """Grow a slice to the next spaces, or to the limits."""
    while start > limits[0] and not text[start - 1].isspace():
        start -= 1
    while end < limits[1] and not text[end].isspace():
        end += 1
    return start, end
