"""The distinct texts of a split as pieces with their places.

Shapes: K texts, P pieces of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from albert_cli.data.parallel import encoding_processes, map_parts
from albert_cli.data.span_places import cover_visible
from albert_cli.tokenization.pieces import SPACE

# Characters that are worth a process of their own (about two seconds of work), and texts of a part.
_CHARACTERS_OF_A_PROCESS = 2_000_000
_TEXTS_AT_ONCE = 256

Integers = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]


class OffsetTokenizer(Protocol):
    """What is needed of a tokenizer."""

    cls_token_id: int
    sep_token_id: int

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, without special tokens."""
        ...

    def encode_with_offsets(self, text: str) -> Any:
        """Ids of one text, with ``pieces``, and their ``starts`` and ``ends`` in it."""
        ...


@dataclass(frozen=True)
class Contexts:
    """Texts as pieces, one after another.

    Attributes:
        texts: K texts.
        ids: (P,) int32.
        starts: (P,) int32, first character of each piece in its text.
        ends: (P,) int32, place behind its last character.
        hollow: (P,) bool, pieces of a space sign alone.
        offsets: (K + 1,) int64, text k has the pieces from ``offsets[k]`` to the next.
    """

    texts: list[str]
    ids: Small
    starts: Small
    ends: Small
    hollow: Flags
    offsets: Integers

    def size(self, number: int) -> int:
        """Pieces of a text."""
        return int(self.offsets[number + 1] - self.offsets[number])

    def places(self, number: int) -> tuple[list[int], list[int], list[bool]]:
        """``starts``, ``ends`` and ``hollow`` of a text's pieces."""
        here = slice(self.offsets[number], self.offsets[number + 1])
        return self.starts[here].tolist(), self.ends[here].tolist(), self.hollow[here].tolist()


def encode_contexts(texts: list[str], tokenizer: OffsetTokenizer, *, threads: int | None) -> Contexts:
    """Tokenise texts.

    Args:
        texts: K distinct texts.
        tokenizer: must pickle if several processes are to use it.
        threads: so many processes at most; None means as many as there are cores.
    """
    parts = [texts[start : start + _TEXTS_AT_ONCE] for start in range(0, len(texts), _TEXTS_AT_ONCE)]
    size = sum(map(len, texts))
    done = map_parts(
        partial(_encode, tokenizer),
        parts,
        processes=encoding_processes(size, enough=_CHARACTERS_OF_A_PROCESS, threads=threads),
    )
    return Contexts(
        texts,
        joined([part[0] for part in done]),
        joined([part[1] for part in done]),
        joined([part[2] for part in done]),
        np.concatenate([np.empty(0, np.bool_), *(part[3] for part in done)]),
        offsets_of(joined([part[4] for part in done])),
    )


def joined(parts: Sequence[npt.NDArray[Any]]) -> Small:
    """Arrays one after another, as int32."""
    return np.concatenate([np.empty(0, np.int32), *parts]).astype(np.int32, copy=False)


def offsets_of(sizes: npt.NDArray[Any]) -> Integers:
    """(n + 1,) int64: where runs of these sizes begin, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)


def _encode(tokenizer: OffsetTokenizer, texts: list[str]) -> tuple[Small, Small, Small, Flags, Small]:
    """Ids, starts, ends and hollowness of the pieces of some texts, and how many each text has."""
    encoded = [tokenizer.encode_with_offsets(text) for text in texts]
    for text, one in zip(texts, encoded, strict=True):
        cover_visible(text, one.starts, one.ends)
    return (
        _flat([one.ids for one in encoded]),
        _flat([one.starts for one in encoded]),
        _flat([one.ends for one in encoded]),
        np.array([not piece.strip(SPACE) for one in encoded for piece in one.pieces], dtype=np.bool_),
        np.array([len(one.ids) for one in encoded], dtype=np.int32),
    )


def _flat(rows: Sequence[Sequence[int]]) -> Small:
    return np.fromiter((number for row in rows for number in row), np.int32, sum(map(len, rows)))
