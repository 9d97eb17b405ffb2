"""Where in its text is an answer, and which pieces hold it?

Published files have answers whose text is not quite at ``answer_start``: a space too many, another kind of space, a
start that is off by one, -1 where nobody looked. Such an answer is searched for, and never a reason to leave a question
out.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Literal, NamedTuple

UNKNOWN_START = -1
_FEW = 8  # characters that a start may be off, or spaces that a text has more or less than its answer
Found = Literal["exact", "moved", "differs", "missing"]


class Place(NamedTuple):
    """Characters of an answer in its text.

    Attributes:
        start: first character.
        end: place behind the last one.
        found: ``exact`` its text is at ``answer_start``; ``moved`` it is elsewhere; ``differs`` it is nowhere, and the
            characters at ``answer_start`` are taken (the same words with other spaces or letters, as a rule);
            ``missing`` it is nowhere and ``answer_start`` is unknown: the place is empty.
    """

    start: int
    end: int
    found: Found


def locate_answer(context: str, text: str, answer_start: int) -> Place:
    """Find an answer.

    Args:
        context: the text.
        text: the answer, not empty.
        answer_start: where it should begin; -1 for unknown.

    Returns:
        Its characters at ``answer_start`` if they are there, or a few characters away, or there in other letters and
        spaces; otherwise those of its nearest occurrence; otherwise as many as it has from ``answer_start``.
    """
    end = answer_start + len(text)
    if answer_start >= 0 and context.startswith(text, answer_start):
        return Place(answer_start, end, "exact")
    wanted = max(answer_start, 0)
    nearest = _nearest(context, text, wanted)
    if nearest is None and text.strip():
        text = text.strip()
        nearest = _nearest(context, text, wanted)
    is_near = nearest is not None and abs(nearest - wanted) <= _FEW
    alike = None if is_near or answer_start < 0 else _alike(context, text, answer_start)
    if alike is not None:
        return Place(answer_start, alike, "differs")
    if nearest is not None:
        return Place(nearest, nearest + len(text), "moved")
    if 0 <= answer_start < len(context):
        return Place(answer_start, min(end, len(context)), "differs")
    return Place(0, 0, "missing")


def answer_pieces(
    starts: Sequence[int], ends: Sequence[int], hollow: Sequence[bool], *, first: int, end: int
) -> tuple[int, int] | None:
    """The pieces that hold characters of an answer, or parts of them where one character became several pieces.

    Args:
        starts: first character of each piece of the text, never decreasing.
        ends: place behind the last character of each piece, never decreasing.
        hollow: whether a piece is a space sign alone; it has the place of the character behind it and holds nothing.
        first: first character of the answer.
        end: place behind its last one.

    Returns:
        First and last piece (inclusive), the fewest that hold all of the answer. None where no piece holds any of it.
    """
    low = bisect_right(ends, first)
    while low < len(starts) and hollow[low]:
        low += 1
    high = bisect_left(starts, end) - 1
    return (low, high) if low <= high else None


def cover_visible(context: str, starts: list[int], ends: list[int]) -> None:
    """Let pieces reach over visible characters that normalisation dropped beside them, in place.

    A spacing accent becomes a space and a variation selector nothing, so that no piece has them; an answer that ends or
    begins with one should not lose it. They go to the piece right before them, or else to the one right behind.

    Args:
        context: the text.
        starts: first character of each of its pieces, never decreasing; they and ``ends`` stay so.
        ends: place behind the last character of each piece.
    """
    if context.isascii():  # every visible one is in a piece
        return
    edges = [0, *ends], [*starts, len(context)]
    for piece, (low, high) in enumerate(zip(*edges, strict=True)):
        if low >= high or not _has_visible(context[low:high]):
            continue
        reach = low
        while piece > 0 and reach < high and _is_visible(context[reach]):
            reach += 1
        begin = high
        while piece < len(starts) and begin > reach and _is_visible(context[begin - 1]):
            begin -= 1
        for before in range(piece - 1, -1, -1):
            if ends[before] != low:
                break
            ends[before] = reach
        for behind in range(piece, len(starts)):
            if starts[behind] != high:
                break
            starts[behind] = begin


def _has_visible(text: str) -> bool:
    return any(_is_visible(char) for char in text)


def _is_visible(char: str) -> bool:
    """Whether a character is a letter, mark, number, punctuation or symbol: no space, no control or format."""
    return unicodedata.category(char)[0] in "LMNPS"


def _nearest(context: str, text: str, wanted: int) -> int | None:
    """Start of the occurrence of a text that is nearest to a place, the earlier of two equally near."""
    behind = context.find(text, wanted)
    before = context.rfind(text, 0, wanted + len(text))
    found = [place for place in (before, behind) if place >= 0]
    return min(found, key=lambda place: abs(place - wanted)) if found else None


def _alike(context: str, text: str, start: int) -> int | None:
    """Place behind what begins here and is the same text in other letters or with more or fewer spaces, if it is."""
    loose = _loosely(text)
    length = start + len(text)
    for more in range(_FEW + 1):
        for end in (length + more, length - more):
            if start < end <= len(context) and _loosely(context[start:end]) == loose:
                return start + len(context[start:end].rstrip())
    return None


def _loosely(text: str) -> str:
    """Text without regard to case, kinds of spaces and compatible characters."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())
