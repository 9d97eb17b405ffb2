"""How much do the distances of tokens count in attention? (Shaw et al. 2018, as the ports of BERT have it.)

Shapes: n sequences of a block, S their length there, A heads, D head width, P positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Distances:
    """Vectors of the distances between two tokens.

    Attributes:
        table: (2*P-1, D) float; row ``query place - key place + P - 1``.
        with_keys: whether keys look at them too (relative_key_query), or queries alone (relative_key).
    """

    table: Tensor
    with_keys: bool

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        """What the distances add to the scaled scores; they are not scaled themselves (`transformers`' ALBERT).

        Args:
            query: (n, A, S, D) float.
            key: (n, A, S, D) float.

        Returns:
            (n, A, S, S) float.
        """
        length = query.shape[2]
        places = torch.arange(length, device=query.device)
        rows = places[:, None] - places[None, :] + (len(self.table) - 1) // 2  # (S, S)
        vectors = self.table[rows].to(query.dtype)  # (S, S, D)
        found: Tensor = torch.einsum("nald,lrd->nalr", query, vectors)
        if self.with_keys:
            found = found + torch.einsum("nard,lrd->nalr", key, vectors)
        return found
