"""Where in the original string does each piece come from?

Three texts are involved: the original, the clean text (``normalize.clean_mapped`` knows the way back), and what
SentencePiece's own normaliser makes of the clean text (it reports one index per character). Pieces lie on the last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from albert_cli.tokenization.normalize import MappedText
from albert_cli.tokenization.pieces import SPACE, PlacedPiece


def piece_spans(
    pieces: Sequence[PlacedPiece],
    normal: str,
    offsets: Sequence[int],
    mapped: MappedText,
    *,
    normalise: Callable[[str], str],
    trim: bool = True,
) -> tuple[list[int], list[int]]:
    """Spans of pieces in the original string.

    Args:
        pieces: pieces on the characters of ``normal``.
        normal: text as SentencePiece normalised it.
        offsets: per character of ``normal`` the index into the clean text, and one more for the end.
        mapped: the clean text with its way back.
        normalise: SentencePiece's normaliser, for the few stretches that it shortened.
        trim: leave the space before a word out of its first piece.

    Returns:
        First characters and places behind the last ones, both never decreasing. A lone U+2581 has the first character
        of its word as its span; a character that became several pieces is given whole to each.
    """
    if not normal:
        return [0] * len(pieces), [0] * len(pieces)
    starts, ends = _character_spans(normal, offsets, mapped, normalise)
    out_starts: list[int] = []
    out_ends: list[int] = []
    for piece in pieces:
        first, last = _visible_part(normal, piece)
        start = starts[first]
        if not trim and piece.first < first:
            start = min(start, starts[piece.first])
        out_starts.append(start)
        out_ends.append(ends[last])
    for i in range(1, len(pieces)):  # only odd space signs at the end of a text could step back
        out_starts[i] = max(out_starts[i], out_starts[i - 1])
        out_ends[i] = max(out_ends[i], out_ends[i - 1])
    return out_starts, out_ends


def _visible_part(normal: str, piece: PlacedPiece) -> tuple[int, int]:
    """First and last character of a piece that is no space sign; for a lone space sign the next such character."""
    first = piece.first
    while first < len(normal) and normal[first] == SPACE:
        first += 1
    if first >= piece.last:
        first = min(first if first < len(normal) else piece.first, len(normal) - 1)
        return first, first
    last = piece.last - 1
    while normal[last] == SPACE:
        last -= 1
    return first, last


def _character_spans(
    normal: str, offsets: Sequence[int], mapped: MappedText, normalise: Callable[[str], str]
) -> tuple[list[int], list[int]]:
    """Original span of every character of the normalised text."""
    size = len(mapped.text)
    if len(normal) == size + 1 and list(offsets) == [0, *range(size + 1)]:  # nothing but the space sign in front
        return [mapped.starts[0], *mapped.starts], [mapped.ends[0], *mapped.ends]
    starts = [0] * len(normal)
    ends = [0] * len(normal)
    at = 0
    while at < len(normal):
        behind = at + 1
        while behind < len(normal) and offsets[behind] == offsets[at]:
            behind += 1
        low, high = offsets[at], max(offsets[behind], offsets[at] + 1)
        visible = normal[at:behind].strip(SPACE) != ""
        if visible and high - low > 1:
            high = low + _shortest_equal(mapped.text[low:high], normalise)
        if low < size:
            start, end = mapped.starts[low], max(mapped.ends[low : min(high, size)])
        else:  # a space sign that belongs to no character, at the end of the text
            start = end = mapped.ends[-1] if mapped.ends else 0
        starts[at:behind] = [start] * (behind - at)
        ends[at:behind] = [end] * (behind - at)
        at = behind
    return starts, ends


def _shortest_equal(stretch: str, normalise: Callable[[str], str]) -> int:
    """How many characters of a stretch make its normal form; the rest are ones that SentencePiece deletes."""
    whole = normalise(stretch)
    for length in range(1, len(stretch)):
        if normalise(stretch[:length]) == whole:
            return length
    return len(stretch)
