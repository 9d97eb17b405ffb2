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
        Its characters at ``answer_start`` if they are there, in other letters or spaces too; otherwise those of its
        nearest occurrence; otherwise as many as it has from ``answer_start``.
    """
    end = answer_start + len(text)
    if answer_start >= 0 and context.startswith(text, answer_start):
        return Place(answer_start, end, "exact")
    if answer_start >= 0 and _loosely(context[answer_start:end]) == _loosely(text):
        return Place(answer_start, min(end, len(context)), "differs")
    nearest = _nearest(context, text, max(answer_start, 0))
    if nearest is None and text.strip() and text.strip() != text:
        text = text.strip()
        nearest = _nearest(context, text, max(answer_start, 0))
    if nearest is not None:
        return Place(nearest, nearest + len(text), "moved")
    if 0 <= answer_start < len(context):
        return Place(answer_start, min(end, len(context)), "differs")
    return Place(0, 0, "missing")


def answer_pieces(
    context: str, starts: Sequence[int], ends: Sequence[int], *, first: int, end: int
) -> tuple[int, int] | None:
    """The fewest pieces that hold characters of a text.

    Args:
        context: the text.
        starts: first character of each of its pieces, never decreasing.
        ends: place behind the last character of each piece, never decreasing.
        first: first character to hold.
        end: place behind the last one.

    Returns:
        First and last piece (inclusive). White space, and characters that normalisation deletes, are in no piece and
        need none at the edges. None where no character is in any piece.
    """
    while first < end and context[first].isspace():
        first += 1
    while first < end and context[end - 1].isspace():
        end -= 1
    if first >= end or not starts:
        return None
    low = bisect_right(starts, first) - 1  # the last that begins there or before: of several on one character the last
    if low < 0 or ends[low] <= first:
        low += 1
    high = bisect_left(ends, end)  # the first that reaches the end
    if high == len(ends) or starts[high] >= end:
        high -= 1
    if low > high:  # one character that became several pieces, or characters that became none
        high = low
    return (low, high) if low < len(starts) and starts[low] < end and ends[high] > first else None


def _nearest(context: str, text: str, wanted: int) -> int | None:
    """Start of the occurrence of a text that is nearest to a place, the earlier of two equally near."""
    behind = context.find(text, wanted)
    before = context.rfind(text, 0, wanted + len(text))
    found = [place for place in (before, behind) if place >= 0]
    return min(found, key=lambda place: abs(place - wanted)) if found else None


def _loosely(text: str) -> str:
    """Text without regard to case, kinds of spaces and compatible characters."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())
