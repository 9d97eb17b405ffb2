"""Which pieces of a batch are to be predicted: n-grams of whole words (paper 3.1, 4.1).

The law for one example of L tokens, special tokens included:

1. It gets ``min(max_predictions, max(1, round(L * mask_rate)))`` predictions, counted in pieces.
2. Its words are put in a random order. Each in turn proposes the n-gram that it begins, n drawn with p(n) ~ 1/n and cut
   off at the border of the segment. An n-gram longer than what is left of the quota shrinks word by word until it fits;
   one that still does not fit, or that touches a word already taken, is passed over. The walk ends when the quota is
   used up.

All examples of a batch walk at once. What an example gets depends on its own key and tokens only, never on its batch.

Shapes: B examples, T tokens of all examples together, C content pieces (tokens without [CLS] and [SEP]), W words,
N the largest n-gram.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from albert_cli.data.random import draw
from albert_cli.data.words import SPECIAL, STARTS, PieceKinds

Preference = Literal["shorter", "uniform", "longer"]

_SPARE = 8


@dataclass(frozen=True)
class MaskingLaw:
    """How pieces to predict are chosen.

    Attributes:
        ngram: most words of one span, N.
        preference: ``shorter`` p(n) ~ 1/n (the paper), ``longer`` the same numbers reversed (the original's other
            setting), ``uniform`` all n alike.
        mask_rate: share of an example's tokens to predict.
        max_predictions: upper bound for each example (the original: 20); None for no bound.
        cross_segments: as the original: a span may reach over the [SEP] between the segments, and a second segment that
            begins inside a word has its first pieces glued to the last word of the first segment.
        random_specials: as the original: the random piece may be a control symbol.
    """

    ngram: int = 3
    preference: Preference = "shorter"
    mask_rate: float = 0.15
    max_predictions: int | None = None
    cross_segments: bool = False
    random_specials: bool = False

    def ngram_shares(self) -> np.ndarray:
        """(N,) float64: probability of each n from 1."""
        sizes = np.arange(1, self.ngram + 1, dtype=np.float64)
        weights = {"shorter": 1 / sizes, "uniform": np.ones(self.ngram), "longer": 1 / sizes[::-1]}[self.preference]
        shares: np.ndarray = weights / weights.sum()
        return shares

    def quotas(self, lengths: np.ndarray) -> np.ndarray:
        """Pieces to predict, (B,) int64, in examples of (B,) ``lengths`` tokens; halves round to even, as in Python."""
        quotas = np.maximum(1, np.rint(np.asarray(lengths, dtype=np.float64) * self.mask_rate).astype(np.int64))
        return quotas if self.max_predictions is None else np.minimum(quotas, self.max_predictions)


@dataclass(frozen=True)
class Spans:
    """Words of a batch and the n-grams chosen among them.

    Attributes:
        pieces: (C,) int64, place of each content piece among the T tokens.
        word_starts: (W + 1,) int64, first content piece of each word, and C at the end.
        example: (W,) int64, example that a word belongs to.
        drawn: (W,) int64, n that the word would draw, before borders and quota shrink it.
        asked: (W,) bool, whether the walk came to the word before its example's quota was used up.
        taken: (W,) int64, words of the span chosen at this word; 0 where none begins.
        hidden: (W,) bool, whether a chosen span covers the word.
    """

    pieces: np.ndarray
    word_starts: np.ndarray
    example: np.ndarray
    drawn: np.ndarray
    asked: np.ndarray
    taken: np.ndarray
    hidden: np.ndarray


def choose_spans(
    input_ids: np.ndarray, lengths: np.ndarray, *, keys: np.ndarray, kinds: PieceKinds, law: MaskingLaw
) -> Spans:
    """Choose the pieces to predict; arguments as in ``masking.mask_tokens``."""
    quotas = law.quotas(lengths)
    words = _find_words(input_ids, lengths, quotas, kinds, law.cross_segments)
    size = len(words.example)
    first_word = np.searchsorted(words.example, np.arange(len(lengths) + 1))
    counts = np.diff(first_word)
    before = np.repeat(first_word[:-1], counts)
    local = np.arange(size) - before
    bits = draw(np.repeat(keys, counts), local)
    drawn = np.ones(size, dtype=np.int64)
    low = bits.astype(np.uint32)
    for edge in np.cumsum(law.ngram_shares())[:-1] * 2.0**32:
        drawn += low >= np.uint32(edge)
    # One 64-bit number sorts by example, then at random, then by place. The random part is 32 bits wide in every
    # batch, so that two words of an example always compare alike.
    walk = (bits >> np.uint64(16)) & np.uint64(0xFFFFFFFF0000)
    walk |= np.repeat(np.arange(len(lengths), dtype=np.uint64) << np.uint64(48), counts)
    walk |= local.astype(np.uint64)
    walk.sort()
    order = (walk & np.uint64(0xFFFF)).astype(np.int64) + before
    wanted = _inside(drawn, words.borders, law.ngram)
    asked, taken, hidden = _walk(order, first_word, words.starts, wanted, quotas, law.ngram)
    return Spans(words.pieces, words.starts, words.example, drawn, asked, taken, hidden)


def _inside(drawn: np.ndarray, borders: np.ndarray, ngram: int) -> np.ndarray:
    """The n of each word, cut off where its segment ends: only the last words of a segment can be concerned."""
    wanted = drawn.copy()
    for room in range(1, ngram):
        words = borders[1:] - room
        words = words[words >= borders[:-1]]
        wanted[words] = np.minimum(wanted[words], room)
    return wanted


class _Words(NamedTuple):
    """Words of a batch.

    Attributes:
        pieces: (C,) int64, place of each content piece.
        starts: (W + 1,) int64, first content piece of each word, and C.
        example: (W,) int64, whose it is.
        borders: (S + 1,) int64, first word of each segment, and W; no n-gram reaches over one.
    """

    pieces: np.ndarray
    starts: np.ndarray
    example: np.ndarray
    borders: np.ndarray


def _find_words(
    input_ids: np.ndarray, lengths: np.ndarray, quotas: np.ndarray, kinds: PieceKinds, cross_segments: bool
) -> _Words:
    code = kinds.code[input_ids]
    pieces = np.flatnonzero(code != SPECIAL)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    border = np.ones(len(pieces), dtype=bool)
    if cross_segments:
        border[1:] = np.diff(owner[pieces]) != 0
    else:
        border[1:] = pieces[1:] - pieces[:-1] != 1
    begins = border | (code[pieces] == STARTS)
    first = np.flatnonzero(begins)
    example = owner[pieces[first]]
    hopeless = _without_a_word_that_fits(np.diff(first, append=len(pieces)), example, quotas)
    if hopeless.any():
        # Every word is longer than the quota: cut words into parts that fit, else nothing could be predicted.
        sizes = np.diff(first, append=len(pieces))
        place = np.arange(len(pieces)) - np.repeat(first, sizes)
        holder = owner[pieces]
        begins |= hopeless[holder] & (place % quotas[holder] == 0)
        first = np.flatnonzero(begins)
        example = owner[pieces[first]]
    borders = np.append(np.flatnonzero(border[first]), len(first))
    return _Words(pieces, np.append(first, len(pieces)), example, borders)


def _without_a_word_that_fits(sizes: np.ndarray, example: np.ndarray, quotas: np.ndarray) -> np.ndarray:
    """(B,) bool: examples with no word of as many pieces as the quota or fewer; only small quotas are looked at."""
    small: np.ndarray = quotas < sizes.max(initial=0)
    if not small.any():
        return small
    words = np.flatnonzero(small[example])
    fitting = example[words[sizes[words] <= quotas[example[words]]]]
    without: np.ndarray = small & (np.bincount(fitting, minlength=len(quotas)) == 0)
    return without


def _walk(
    order: np.ndarray,
    first_word: np.ndarray,
    word_starts: np.ndarray,
    wanted: np.ndarray,
    quotas: np.ndarray,
    ngram: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Step 2 of the law for all examples at once.

    Taken one word after another, a walk would need a round per word. A round here takes as many words of each example
    as can be judged together: those up to the first that the quota might shrink or shut out.

    Args:
        order: (W,) words in the order of the walks, example by example.
        first_word: (B + 1,) first place of each example in ``order`` (and its first word).
        word_starts: (W + 1,) first content piece of each word.
        wanted: (W,) n of each word, not reaching over a border.
        quotas: (B,) pieces to choose.
        ngram: largest n.

    Returns:
        ``asked``, ``taken`` and ``hidden`` of ``Spans``.
    """
    left = quotas.copy()
    place, end = first_word[:-1].copy(), first_word[1:]
    taken = np.zeros(len(order), dtype=np.int64)
    covered = np.zeros(len(order) + ngram, dtype=bool)
    while True:
        alive = np.flatnonzero((left > 0) & (place < end))
        if not len(alive):
            break
        # At most ``left`` spans can still be chosen; a few words more, as some will be passed over.
        window = np.minimum(left[alive] + _SPARE, end[alive] - place[alive])
        owner = np.repeat(alive, window)
        offset = np.cumsum(window) - window
        visit = place[owner] + np.arange(len(owner)) - np.repeat(offset, window)
        words = order[visit]
        spans, judged = _judge(words, offset, window, wanted, word_starts, covered, left[owner], ngram)
        chosen = _keep_first(words, spans, ngram)
        words, spans, owner = words[chosen], spans[chosen], owner[chosen]
        taken[words] = spans
        for step in range(ngram):
            covered[words[spans > step] + step] = True
        left -= np.bincount(owner, weights=word_starts[words + spans] - word_starts[words], minlength=len(left)).astype(
            int
        )
        place[alive] += np.add.reduceat(judged, offset, dtype=np.int64)
        full = left[owner] == 0
        place[owner[full]] = visit[chosen][full] + 1  # ascending within an example, so its last span stays
    asked = np.zeros(len(order), dtype=bool)
    asked[order] = np.arange(len(order)) < np.repeat(place, np.diff(first_word))
    return asked, taken, covered[: len(order)]


def _judge(
    words: np.ndarray,
    offset: np.ndarray,
    window: np.ndarray,
    wanted: np.ndarray,
    word_starts: np.ndarray,
    covered: np.ndarray,
    left: np.ndarray,
    ngram: int,
) -> tuple[np.ndarray, np.ndarray]:
    """What each word of the windows may take, apart from the rivalry within the window.

    Returns:
        spans: (n,) words that each may take, 0 for none; judged: (n,) bool, a first part of each window, in which every
        word is treated alike whichever of the words before it are chosen.
    """
    begin = word_starts[words]
    spans = wanted[words]
    whole = word_starts[words + spans] - begin
    sizes = whole.copy()
    long = np.flatnonzero(whole > left)
    for _ in range(ngram):
        spans[long] -= 1
        sizes[long] = word_starts[words[long] + spans[long]] - begin[long]
        long = long[sizes[long] > left[long]]
        if not len(long):
            break
    touched = covered[words]
    for step in range(1, ngram):
        reaching = np.flatnonzero(spans > step)
        touched[reaching] |= covered[words[reaching] + step]
    sizes[touched] = 0
    before = np.cumsum(sizes) - sizes
    before -= np.repeat(before[offset], window)
    doubtful = (before > 0) & (whole + before > left)
    doubts = np.cumsum(doubtful)
    judged = doubts == np.repeat(doubts[offset] - doubtful[offset], window)
    return np.where(judged & (sizes > 0), spans, 0), judged


def _keep_first(words: np.ndarray, spans: np.ndarray, ngram: int) -> np.ndarray:
    """Of spans that share a word, the one that comes first in the walk stays: places (k,) in ``words``, ascending."""
    candidates = np.flatnonzero(spans)
    by_word = np.argsort(words[candidates])
    begin = words[candidates][by_word]
    end = begin + spans[candidates][by_word]
    pairs = [np.zeros((2, 0), dtype=np.int64)]
    for step in range(1, ngram):  # spans that begin at different words and overlap lie less than N places apart
        rivals = np.flatnonzero(end[:-step] > begin[step:])
        pairs.append(np.stack([by_word[rivals], by_word[rivals + step]]))
    first, second = np.sort(np.concatenate(pairs, axis=1), axis=0)
    keep = np.ones(len(candidates), dtype=bool)
    while len(first):
        threatened = np.zeros(len(candidates), dtype=bool)
        threatened[second] = True
        keep[second[~threatened[first]]] = False
        contested = keep[first] & keep[second]
        first, second = first[contested], second[contested]
    return candidates[keep]
