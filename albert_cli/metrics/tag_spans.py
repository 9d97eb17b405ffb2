"""Which spans of words do tags such as B-PER and I-PER mark?

The rule is that of the conlleval script (and of seqeval's default mode): a span is a run of tagged words of one type; a
new one begins where a tag says so (B, S), after a tag that says the end (E, S), and where the type changes. It reads
every scheme, and also what a model says that breaks its scheme (an I after an O begins a span).

Shapes: C tags, Y types, W words of all sentences one after another, S sentences, K spans.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

OUTSIDE = "O"
NO_TYPE = "_"
"""Type of the tags B and I that name none."""

_PREFIXED = re.compile(r"([BIESLU])(?:-(.+))?")
_SAME = {"L": "E", "U": "S"}  # the names that BILOU has for the last word, and for a span of one word
_CODES = {"O": 0, "B": 1, "I": 2, "E": 3, "S": 4}


def part_tag(tag: str) -> tuple[str, str] | None:
    """Prefix (B, I, E or S) and type of a tag; None for ``O`` and for tags without a prefix."""
    match = _PREFIXED.fullmatch(tag)
    if match is None:
        return None
    return _SAME.get(match[1], match[1]), match[2] or NO_TYPE


@dataclass(frozen=True)
class TagTable:
    """What tag numbers mean.

    Attributes:
        names: C tags in the order of the head's outputs.
        prefixes: (C,) int64, 0 outside, 1 begin, 2 inside, 3 end, 4 single.
        types: (C,) int64, number of the type; -1 outside.
        type_names: Y types in code-point order.
    """

    names: tuple[str, ...]
    prefixes: Integers
    types: Integers
    type_names: tuple[str, ...]

    @classmethod
    def of(cls, names: Sequence[str], *, scheme: str) -> TagTable:
        """Read the tags of a scheme.

        Args:
            names: the tags.
            scheme: ``none``: every tag is a type and every word a span of its own; else tags without a prefix are
                inside (``io``).
        """
        parted = [_meaning(name, scheme) for name in names]
        types = tuple(sorted({kind for prefix, kind in parted if prefix != "O"}))
        return cls(
            names=tuple(names),
            prefixes=np.array([_CODES[prefix] for prefix, _ in parted], dtype=np.int64),
            types=np.array([types.index(kind) if prefix != "O" else -1 for prefix, kind in parted], dtype=np.int64),
            type_names=types,
        )

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Number of each tag."""
        return {name: number for number, name in enumerate(self.names)}


def _meaning(name: str, scheme: str) -> tuple[str, str]:
    if scheme == "none":
        return "S", name
    if name == OUTSIDE:
        return "O", ""
    return part_tag(name) or ("I", name)


@dataclass(frozen=True)
class Spans:
    """Spans in the order of the words.

    Attributes:
        starts: (K,) first word, counted through all sentences.
        ends: (K,) the word behind the last.
        types: (K,) number of the type.
    """

    starts: Integers
    ends: Integers
    types: Integers

    def __len__(self) -> int:
        return len(self.starts)


def find_spans(tags: Integers, offsets: Integers, table: TagTable) -> Spans:
    """Find the spans that tags mark.

    Args:
        tags: (W,) int64 tag numbers.
        offsets: (S + 1,) int64, sentence s has the words ``offsets[s]:offsets[s + 1]``; no span leaves its sentence.
        table: what the numbers mean.
    """
    prefixes, types = table.prefixes[tags], table.types[tags]
    before = np.concatenate([[0], prefixes[:-1]])[: len(tags)]
    type_before = np.concatenate([[-1], types[:-1]])[: len(tags)]
    first = offsets[:-1][np.diff(offsets) > 0]  # first words of sentences that have words
    before[first] = 0
    inside = prefixes != 0
    begins = inside & (np.isin(prefixes, (1, 4)) | np.isin(before, (0, 3, 4)) | (types != type_before))
    starts = np.flatnonzero(begins)
    # A span ends where the next begins, where a word is outside, and where a sentence begins.
    stops = begins | ~inside
    stops[first] = True
    places = np.append(np.flatnonzero(stops), len(tags))
    ends = places[np.searchsorted(places, starts, side="right")] if len(starts) else starts
    return Spans(starts, np.asarray(ends, dtype=np.int64), types[starts])
