"""What the model sees in place of the pieces it has to predict (paper 3.1, 4.1).

Of the pieces that ``spans`` chose, each by itself, 80 % become [MASK], 10 % stay and 10 % become a random piece.

Shapes: B examples, T tokens of all examples together, M masked pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from albert_cli.data.random import below, draw, uniform
from albert_cli.data.spans import MaskingLaw, Spans, choose_spans
from albert_cli.data.words import PieceKinds

MASKED_SHARE = 0.8  # paper: as BERT
KEPT_SHARE = 0.1
_PIECE_DRAWS = 2**32  # the words of an example use the draws before


@dataclass(frozen=True)
class MaskedTokens:
    """A batch with its questions and answers.

    Attributes:
        input_ids: (T,) int64, what the model sees.
        positions: (M,) int64, places of the pieces to predict among the T tokens, ascending.
        labels: (M,) int64, the pieces that stood there.
        shown_as_mask: (M,) bool, True where the model sees [MASK].
        predictions: (B,) int64, pieces to predict in each example; they sum to M.
    """

    input_ids: np.ndarray
    positions: np.ndarray
    labels: np.ndarray
    shown_as_mask: np.ndarray
    predictions: np.ndarray


def mask_tokens(
    input_ids: np.ndarray, lengths: np.ndarray, *, keys: np.ndarray, kinds: PieceKinds, law: MaskingLaw
) -> tuple[MaskedTokens, Spans]:
    """Hide pieces of a packed batch.

    Args:
        input_ids: (T,) integers, [CLS] A [SEP] or [CLS] A [SEP] B [SEP] of each example one after another.
        lengths: (B,) tokens of each example.
        keys: (B,) uint64, random key of each example.
        kinds: what each piece of the vocabulary is.
        law: how to choose.

    Returns:
        The masked batch, and the spans that were chosen (for statistics).
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    spans = choose_spans(input_ids, lengths, keys=keys, kinds=kinds, law=law)
    words = np.flatnonzero(spans.hidden)
    begin, sizes = spans.word_starts[words], spans.word_starts[words + 1] - spans.word_starts[words]
    positions = spans.pieces[np.arange(sizes.sum()) + np.repeat(begin - (np.cumsum(sizes) - sizes), sizes)]
    owner = np.repeat(spans.example[words], sizes)
    counter = 2 * (positions - (np.cumsum(lengths) - lengths)[owner]) + _PIECE_DRAWS
    coin = uniform(draw(keys[owner], counter))
    shown = coin < MASKED_SHARE
    random = np.flatnonzero(coin >= MASKED_SHARE + KEPT_SHARE)
    pool = np.arange(kinds.size) if law.random_specials else kinds.ordinary
    masked = np.array(input_ids, dtype=np.int64)
    labels = masked[positions]
    masked[positions[shown]] = kinds.mask
    masked[positions[random]] = pool[below(draw(keys[owner[random]], counter[random] + 1), len(pool))]
    return MaskedTokens(masked, positions, labels, shown, np.bincount(owner, minlength=len(lengths))), spans
