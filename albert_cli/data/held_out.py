"""Which documents are kept for measuring and never trained on."""

from __future__ import annotations

import numpy as np

from albert_cli.data.random import draw, stream_key, uniform
from albert_cli.data.shards import Shards
from albert_cli.errors import DataError


def split_documents(shards: Shards, *, held_out: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Documents to train on and documents kept for measuring.

    A document is kept when the hash of (seed, its number) falls below the share; with two documents or more, each side
    gets at least one. A single document is cut: its last sentences are kept.

    Args:
        shards: the corpus.
        held_out: share of the documents to keep, 0 for none.
        seed: of the choice.

    Returns:
        Two (d, 2) int64 arrays of sentence ranges: first sentence of each document and the end of its last.
    """
    ranges = np.stack([shards.document_offsets[:-1], shards.document_offsets[1:]], axis=1).astype(np.int64)
    if held_out <= 0:
        return ranges, ranges[:0]
    if len(ranges) == 1:
        return _split_one(ranges[0], held_out)
    chance = uniform(draw(stream_key(seed, 0, "held out"), np.arange(len(ranges))))
    keep = chance < held_out
    if not keep.any():
        keep[chance.argmin()] = True
    if keep.all():
        keep[chance.argmax()] = False
    return ranges[~keep], ranges[keep]


def _split_one(document: np.ndarray, held_out: float) -> tuple[np.ndarray, np.ndarray]:
    """A single document: first part to train on, the rest kept."""
    begin, end = map(int, document)
    if end - begin < 2:
        raise DataError(
            "the corpus is one sentence: nothing can be held out",
            hint="give more text, or set data.held_out to 0; is data.sentences right for it?",
        )
    cut = min(max(end - round((end - begin) * held_out), begin + 1), end - 1)
    return np.array([[begin, cut]], dtype=np.int64), np.array([[cut, end]], dtype=np.int64)
