"""How is a text cut into overlapping windows, and which window sees a piece in its widest surroundings?

Windows of a text hold the same number of pieces, the last one what is left. A piece that lies in several of them
belongs to the one where it has the most context: the smaller number of pieces to its left and right counts, plus a
hundredth of the window's pieces; of equals the first window takes it (the original's rule of maximal context).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from albert_cli.errors import UsageError

StrideMeaning = Literal["step", "overlap"]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class WindowPlan:
    """The windows of one text, W of them.

    Attributes:
        firsts: (W,) int64, first piece of each window.
        sizes: (W,) int64, pieces of each window.
        best_firsts: (W,) int64, first piece that belongs to the window by the rule of maximal context.
        best_ends: (W,) int64, place behind the last such piece. The pieces of a window are always a run; an empty one
            begins and ends at the same place.
    """

    firsts: Integers
    sizes: Integers
    best_firsts: Integers
    best_ends: Integers


def plan_windows(pieces: int, *, room: int, stride: int, stride_is: StrideMeaning) -> WindowPlan:
    """Cut a text into windows.

    Args:
        pieces: of the text; a text without any gets one empty window.
        room: most pieces of a window.
        stride: pieces from one window's start to the next one's (``step``, at most ``room``), or shared by two
            neighbours (``overlap``).
        stride_is: which of the two.

    Raises:
        UsageError: no room for text, or an overlap that leaves no step.
    """
    step = min(room, stride) if stride_is == "step" else room - stride
    if room < 1 or step < 1:
        raise UsageError(
            f"a window has room for {room} pieces of text and a step of {step}",
            hint="raise data.max_length, or lower question_answering.max_query_length or stride",
        )
    count = 1 if pieces <= room else 1 + -(-(pieces - room) // step)
    firsts = np.arange(count, dtype=np.int64) * step
    sizes = np.minimum(pieces - firsts, room)
    owners = _owners(pieces, firsts, sizes)
    numbers = np.arange(count)
    return WindowPlan(
        firsts, sizes, np.searchsorted(owners, numbers, side="left"), np.searchsorted(owners, numbers, side="right")
    )


def _owners(pieces: int, firsts: Integers, sizes: Integers) -> Integers:
    """Window of each piece by the rule of maximal context; (pieces,) int64, never decreasing.

    It never decreases because the score of a later window, where both hold a piece, only gains on that of an earlier
    one from left to right.
    """
    best = np.full(pieces, -1.0)
    owners = np.zeros(pieces, dtype=np.int64)
    for number, (first, size) in enumerate(zip(firsts.tolist(), sizes.tolist(), strict=True)):
        places = np.arange(size)
        scores = np.minimum(places, size - 1 - places) + 0.01 * size
        here = slice(first, first + size)
        better = scores > best[here]
        best[here] = np.where(better, scores, best[here])
        owners[here] = np.where(better, number, owners[here])
    return owners
