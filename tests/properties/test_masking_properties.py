"""Masking of any batch: what must hold whatever the text and the settings."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from albert_cli.data.masking import mask_tokens
from albert_cli.data.random import draw
from albert_cli.data.spans import MaskingLaw
from albert_cli.data.words import CONTINUES, SPECIAL, STARTS, PieceKinds

V, CLS, SEP, MASK = 30, 2, 3, 4

segments = st.lists(st.integers(5, V - 1), min_size=1, max_size=40)
examples = st.lists(st.tuples(segments, st.none() | segments), min_size=1, max_size=6)
laws = st.builds(
    MaskingLaw,
    ngram=st.integers(1, 6),
    preference=st.sampled_from(["shorter", "uniform", "longer"]),
    mask_rate=st.floats(0.01, 1.0),
    max_predictions=st.none() | st.integers(1, 30),
    cross_segments=st.booleans(),
    random_specials=st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(examples=examples, law=laws, starts=st.lists(st.booleans(), min_size=V, max_size=V), seed=st.integers(0, 2**32))
def test_masking_keeps_its_promises(
    examples: list[tuple[list[int], list[int] | None]], law: MaskingLaw, starts: list[bool], seed: int
) -> None:
    rows = [[CLS, *a, SEP] if b is None else [CLS, *a, SEP, *b, SEP] for a, b in examples]
    ids, lengths = np.concatenate(rows), np.array([len(row) for row in rows])
    code = np.where(starts, STARTS, CONTINUES).astype(np.uint8)
    code[[CLS, SEP]] = SPECIAL
    kinds = PieceKinds(code=code, ordinary=np.arange(5, V), cls=CLS, sep=SEP, mask=MASK, unk=1)
    masked, spans = mask_tokens(ids, lengths, keys=draw(seed, np.arange(len(rows))), kinds=kinds, law=law)

    restored = masked.input_ids.copy()
    restored[masked.positions] = masked.labels
    assert np.array_equal(restored, ids)  # labels recover the original, nothing else was touched
    assert not np.isin(ids[masked.positions], [CLS, SEP]).any()
    assert (np.diff(masked.positions) > 0).all()  # ascending: no piece is predicted twice
    assert (masked.predictions >= 1).all()
    assert (masked.predictions <= law.quotas(lengths)).all()
    assert masked.predictions.sum() == len(masked.positions)
    assert (masked.input_ids[masked.positions[masked.shown_as_mask]] == MASK).all()
    assert spans.taken.max() <= law.ngram
    # Whole words: a word is hidden in all its pieces or in none.
    hidden = np.isin(spans.pieces, masked.positions)
    word = np.repeat(np.arange(len(spans.word_starts) - 1), np.diff(spans.word_starts))
    share = np.bincount(word, weights=hidden) / np.bincount(word)
    assert set(share.tolist()) <= {0.0, 1.0}
    if law.max_predictions is None and all(starts):  # one-piece words fit any quota
        content = np.array([np.isin(row, [CLS, SEP], invert=True).sum() for row in rows])
        assert np.array_equal(masked.predictions, np.minimum(law.quotas(lengths), content)) or law.ngram > 1
