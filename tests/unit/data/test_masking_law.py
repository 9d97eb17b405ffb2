"""Masking: every example obeys the law, and a batch gives what a plain walk word by word gives."""

from __future__ import annotations

import numpy as np
import pytest

from albert_cli.data.masking import mask_tokens
from albert_cli.data.random import draw
from albert_cli.data.spans import MaskingLaw, Spans, choose_spans
from albert_cli.data.words import CONTINUES, SPECIAL, STARTS, PieceKinds

V = 60
CLS, SEP, MASK = 2, 3, 4


def make_kinds(*, start_share: float, seed: int = 0) -> PieceKinds:
    code = np.where(np.random.default_rng(seed).random(V) < start_share, STARTS, CONTINUES).astype(np.uint8)
    code[[CLS, SEP]] = SPECIAL
    return PieceKinds(code=code, ordinary=np.arange(5, V), cls=CLS, sep=SEP, mask=MASK, unk=1)


def make_batch(count: int, *, longest: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        first, second = (rng.integers(5, V, size=rng.integers(1, longest)) for _ in range(2))
        rows.append(np.concatenate([[CLS], first, [SEP], second, [SEP]]))
    keys = rng.integers(0, 2**63, size=count).astype(np.uint64)
    return np.concatenate(rows), np.array([len(row) for row in rows]), keys


def walk_word_by_word(ids: np.ndarray, key: np.uint64, kinds: PieceKinds, law: MaskingLaw) -> list[tuple[int, ...]]:
    """The law read aloud for one example: the chosen n-grams as tuples of positions, in the order they were chosen."""
    words: list[list[int]] = []
    group: list[int] = []  # segment of each word
    segment = 0
    for place, piece in enumerate(ids.tolist()):
        if piece in (CLS, SEP):
            segment += 0 if law.cross_segments else 1
            continue
        fresh = not words or group[-1] != segment
        if fresh or kinds.code[piece] == STARTS:
            words.append([place])
            group.append(segment)
        else:
            words[-1].append(place)
    quota = int(law.quotas(np.array([len(ids)]))[0])
    bits = [int(b) for b in draw(int(key), np.arange(len(words)))]
    shares = np.cumsum(law.ngram_shares())[:-1]
    covered: set[int] = set()
    chosen: list[tuple[int, ...]] = []
    for start in sorted(range(len(words)), key=lambda w: (bits[w] >> 32, w)):
        if len(covered) == quota:
            break
        n = 1 + sum((bits[start] & 0xFFFFFFFF) >= int(share * 2.0**32) for share in shares)
        last = max(w for w in range(start, min(start + n, len(words))) if group[w] == group[start])
        while last >= start and sum(map(len, words[start : last + 1])) > quota - len(covered):
            last -= 1
        places = tuple(place for word in words[start : last + 1] for place in word)
        if places and not covered.intersection(places):
            chosen.append(places)
            covered.update(places)
    return chosen


LAWS = [
    MaskingLaw(),
    MaskingLaw(ngram=1),
    MaskingLaw(preference="longer"),
    MaskingLaw(preference="uniform", ngram=4),
    MaskingLaw(cross_segments=True, max_predictions=10),
    MaskingLaw(ngram=5, mask_rate=0.4, max_predictions=40),
    MaskingLaw(ngram=3, mask_rate=0.9),
]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("start_share", [1.0, 0.7, 0.45])
def test_a_batch_gives_what_a_walk_word_by_word_gives(law: MaskingLaw, start_share: float) -> None:
    kinds = make_kinds(start_share=start_share)
    ids, lengths, keys = make_batch(60, longest=70, seed=1)
    masked, _ = mask_tokens(ids, lengths, keys=keys, kinds=kinds, law=law)
    begin, compared = 0, 0
    for example, length in enumerate(lengths):
        piece = ids[begin : begin + length]
        expected = sorted(p for span in walk_word_by_word(piece, keys[example], kinds, law) for p in span)
        inside = (masked.positions >= begin) & (masked.positions < begin + length)
        if expected:  # else every word is longer than the quota, see below
            assert (masked.positions[inside] - begin).tolist() == expected
            compared += 1
        begin += length
    assert compared > 50


@pytest.mark.parametrize("law", LAWS)
def test_the_mask_of_an_example_does_not_depend_on_its_batch(law: MaskingLaw) -> None:
    kinds = make_kinds(start_share=0.6)
    ids, lengths, keys = make_batch(20, longest=60, seed=2)
    together, _ = mask_tokens(ids, lengths, keys=keys, kinds=kinds, law=law)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    alone = [
        mask_tokens(ids[offsets[i] : offsets[i + 1]], lengths[i : i + 1], keys=keys[i : i + 1], kinds=kinds, law=law)[0]
        for i in reversed(range(20))
    ][::-1]
    assert np.array_equal(together.input_ids, np.concatenate([m.input_ids for m in alone]))
    assert np.array_equal(together.labels, np.concatenate([m.labels for m in alone]))
    assert np.array_equal(together.shown_as_mask, np.concatenate([m.shown_as_mask for m in alone]))


def test_quota_is_the_rounded_share_at_least_one_and_at_most_the_bound() -> None:
    # Python's round: 1.5 -> 2, 4.5 -> 4. The original code predicts 77 of 512 pieces, 20 with its default bound.
    lengths = np.array([1, 3, 10, 30, 512])
    assert MaskingLaw().quotas(lengths).tolist() == [1, 1, 2, 4, 77]
    assert MaskingLaw(max_predictions=20).quotas(lengths).tolist() == [1, 1, 2, 4, 20]
    assert [max(1, round(n * 0.15)) for n in range(1, 513)] == MaskingLaw().quotas(np.arange(1, 513)).tolist()


def test_ngram_shares_are_those_of_the_paper() -> None:
    assert MaskingLaw().ngram_shares() == pytest.approx([6 / 11, 3 / 11, 2 / 11])
    assert MaskingLaw(preference="longer").ngram_shares() == pytest.approx([2 / 11, 3 / 11, 6 / 11])
    assert MaskingLaw(preference="uniform").ngram_shares() == pytest.approx([1 / 3, 1 / 3, 1 / 3])


def _spans(law: MaskingLaw, *, examples: int, length: int, seed: int = 3) -> Spans:
    ids = np.random.default_rng(seed).integers(5, V, size=(examples, length))
    ids[:, 0], ids[:, -1] = CLS, SEP
    keys = np.arange(examples).astype(np.uint64) + np.uint64(seed * 1000)
    kinds = make_kinds(start_share=1.0)
    return choose_spans(ids.ravel(), np.full(examples, length), keys=draw(1, keys), kinds=kinds, law=law)


@pytest.mark.parametrize(
    ("preference", "shares"),
    [("shorter", [6 / 11, 3 / 11, 2 / 11]), ("longer", [2 / 11, 3 / 11, 6 / 11]), ("uniform", [1 / 3, 1 / 3, 1 / 3])],
)
def test_drawn_ngrams_follow_the_shares(preference: str, shares: list[float]) -> None:
    spans = _spans(MaskingLaw(preference=preference), examples=400, length=512)  # type: ignore[arg-type]
    counts = np.bincount(spans.drawn[spans.asked], minlength=4)[1:]
    expected = counts.sum() * np.array(shares)
    assert counts.sum() > 10_000
    assert ((counts - expected) ** 2 / expected).sum() < 20  # chi-square, 2 degrees of freedom: p = 5e-5


def test_every_place_is_equally_likely() -> None:
    law = MaskingLaw(ngram=1)
    ids = np.tile(np.concatenate([[CLS], np.full(100, 9), [SEP]]), 4000)
    lengths = np.full(4000, 102)
    kinds = make_kinds(start_share=1.0)
    masked, _ = mask_tokens(ids, lengths, keys=draw(5, np.arange(4000)), kinds=kinds, law=law)
    counts = np.bincount(masked.positions % 102, minlength=102)
    assert counts[0] == counts[101] == 0
    expected = counts.sum() / 100
    assert counts.sum() == 4000 * 15
    # Without replacement the spread is smaller than a multinomial's; the bound is that of chi-square with 99 degrees.
    assert ((counts[1:101] - expected) ** 2 / expected).sum() < 99 + 5 * np.sqrt(2 * 99)


def test_replacement_is_80_10_10_and_never_a_control_symbol() -> None:
    kinds = make_kinds(start_share=1.0)
    ids, lengths, keys = make_batch(1500, longest=200, seed=4)
    masked, _ = mask_tokens(ids, lengths, keys=keys, kinds=kinds, law=MaskingLaw())
    seen, count = masked.input_ids[masked.positions], len(masked.positions)
    assert count > 30_000
    shown = masked.shown_as_mask
    assert np.array_equal(seen == MASK, shown)
    same = (seen == masked.labels) & ~shown
    chance = 1 / len(kinds.ordinary)  # a random piece may be the right one
    for observed, share in ((shown.mean(), 0.8), (same.mean(), 0.1 + 0.1 * chance)):
        assert abs(observed - share) < 4 * np.sqrt(share * (1 - share) / count)
    others = seen[~shown & ~same]
    assert others.min() >= 5
    counts = np.bincount(others, minlength=V)[5:]
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 54 + 5 * np.sqrt(108)


def test_the_original_draws_control_symbols_too() -> None:
    kinds = make_kinds(start_share=1.0)
    ids, lengths, keys = make_batch(1500, longest=200, seed=4)
    masked, _ = mask_tokens(ids, lengths, keys=keys, kinds=kinds, law=MaskingLaw(random_specials=True))
    random = masked.input_ids[masked.positions][~masked.shown_as_mask]
    assert set(range(5)) <= set(random.tolist())


def test_a_span_stops_at_the_segment_border_unless_it_may_cross() -> None:
    kinds = make_kinds(start_share=1.0)
    ids, lengths, keys = make_batch(300, longest=6, seed=5)
    for crosses in (False, True):
        law = MaskingLaw(mask_rate=0.5, preference="longer", cross_segments=crosses)
        spans = choose_spans(ids, lengths, keys=keys, kinds=kinds, law=law)
        begin = np.flatnonzero(spans.taken)
        last = begin + spans.taken[begin] - 1
        gap = spans.pieces[spans.word_starts[last]] - spans.pieces[spans.word_starts[begin]] - (last - begin)
        assert (gap > 0).any() == crosses


def test_where_every_word_is_longer_than_the_quota_a_part_of_one_is_hidden() -> None:
    kinds = make_kinds(start_share=0.0)
    ids = np.concatenate([[CLS], np.full(18, 9), [SEP]])
    masked, _ = mask_tokens(ids, np.array([20]), keys=draw(1, [0]), kinds=kinds, law=MaskingLaw())
    assert len(masked.positions) == 3
    assert np.ptp(masked.positions) == 2


def test_the_batch_that_is_masked_stays_as_it_was() -> None:
    kinds = make_kinds(start_share=0.6)
    ids, lengths, keys = make_batch(5, longest=30, seed=6)
    before = ids.copy()
    mask_tokens(ids, lengths, keys=keys, kinds=kinds, law=MaskingLaw())
    assert np.array_equal(ids, before)
