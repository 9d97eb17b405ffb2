"""How often each document is seen in an epoch, when several sources are mixed by weight.

The weights are shares of the training text. An epoch has as many tokens as the text has; a source that is too small for
its share is repeated within it, one that is too large is seen in parts, another part in every epoch, so that all of it
is seen equally often in the long run.

Shapes: D documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from albert_cli.data.random import draw, stream_key, uniform
from albert_cli.data.shards import Shards


@dataclass(frozen=True)
class Mixture:
    """Documents to train on.

    Attributes:
        documents: (D, 2) int64 sentence ranges, in the order of the text.
        rates: (D,) float64, how often each is seen in an epoch; None for once.
    """

    documents: np.ndarray
    rates: np.ndarray | None = None

    def repetitions(self, *, seed: int, epoch: int) -> list[np.ndarray]:
        """Documents of an epoch, a pure function of its arguments.

        Returns:
            Sentence ranges (d, 2) that are seen at least once, then those seen at least twice, and so on.
        """
        if self.rates is None:
            return [self.documents]
        place = uniform(draw(stream_key(seed, 0, "mixture"), np.arange(len(self.documents))))
        whole = np.floor(self.rates)
        part = self.rates - whole
        # Of a part p, every document has its turn once in 1 / p epochs.
        times = whole + ((place + epoch * part) % 1.0 < part)
        return [self.documents[times > number] for number in range(int(times.max(initial=0)))]


def mix_sources(shards: Shards, documents: np.ndarray, weights: Sequence[float] | None) -> Mixture:
    """Documents to train on, by the weights of the sources they are from.

    Args:
        shards: the corpus.
        documents: (D, 2) int64 sentence ranges to train on.
        weights: one for each source of the corpus; None sees every document once.
    """
    if weights is None:
        return Mixture(documents)
    ends = np.cumsum([source["documents"] for source in shards.manifest.sources])
    number = np.searchsorted(shards.document_offsets, documents[:, 0], side="right") - 1
    source = np.searchsorted(ends, number, side="right")
    sizes = np.diff(np.asarray(shards.sentence_offsets)[documents], axis=1)[:, 0]
    tokens = np.bincount(source, weights=sizes, minlength=len(ends))
    there = tokens > 0
    shares = np.where(there, np.asarray(weights, dtype=np.float64), 0.0)
    rates = np.divide(shares / shares.sum() * tokens.sum(), tokens, out=np.zeros(len(ends)), where=there)
    return Mixture(documents, rates[source])
