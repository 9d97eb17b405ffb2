"""How do encoded texts become rows: truncation, windows, special tokens, padding? Works on counts and ids alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from albert_cli.tokenization.request import Shape

Frame = list[tuple[int | None, int]]
_SPECIAL: tuple[None, int] = (None, -1)


@dataclass(frozen=True)
class Cut:
    """The part of a sample that one row holds.

    Args:
        first: token range of the first sequence.
        second: token range of the second one, None for single texts.
    """

    first: tuple[int, int]
    second: tuple[int, int] | None = None


def cut_sample(first: int, second: int | None, shape: Shape, *, specials: int) -> list[Cut]:
    """Decide which tokens of a sample go into which row.

    Args:
        first: tokens of the first sequence.
        second: tokens of the second sequence, None for single texts.
        shape: what was asked for.
        specials: special tokens that will be added to each row.

    Returns:
        One cut; with ``shape.overflow`` as many windows as the text needs.

    Raises:
        ValueError: the sequence that may be cut is too short, or windows cannot move on.
    """
    whole = Cut((0, first), None if second is None else (0, second))
    excess = first + (second or 0) + specials - (shape.max_length or 0)
    if shape.truncation == "no" or shape.max_length is None or excess <= 0:
        return [whole]
    if shape.truncation == "only_second" and second is None:
        raise ValueError("truncation='only_second' needs text pairs: this sample has one text, and it is too long")
    if shape.truncation == "longest_first" and second is not None:
        return [_cut_longest(first, second, excess, shape)]
    which = 1 if shape.truncation == "only_second" else 0
    length = (second or 0) if which else first
    room = length - excess
    if room < 0 or (room == 0 and (shape.overflow or shape.truncation != "longest_first")):
        raise ValueError(
            f"cannot cut to max_length={shape.max_length}: {excess} tokens must go, and the "
            f"{'second' if which else 'first'} text has {length}; use another truncation or a larger max_length"
        )
    ranges = windows(length, room, shape.stride, shape.truncation_side)
    if not shape.overflow:
        ranges = ranges[:1]
    return [Cut(whole.first, part) if which else Cut(part, whole.second) for part in ranges]


def windows(length: int, room: int, stride: int, side: str) -> list[tuple[int, int]]:
    """Overlapping ranges of ``room`` tokens that cover ``length`` tokens; from the end for side ``left``.

    Raises:
        ValueError: the overlap is so large that windows would not move on.
    """
    if length <= room:
        return [(0, length)]
    if room == 0:
        return [(0, 0)]
    if stride >= room:
        raise ValueError(f"stride={stride} must be smaller than the {room} tokens of text that fit into a row")
    step = room - stride
    out: list[tuple[int, int]] = []
    for start in range(0, length, step):
        out.append((start, min(start + room, length)))
        if start + room >= length:
            break
    return [(length - end, length - start) for start, end in out] if side == "left" else out


def frame_of(cut: Cut, *, special: bool) -> Frame:
    """Per token of a row (sequence, index in it); special tokens are (None, -1)."""
    frame: Frame = [_SPECIAL] if special else []
    frame += [(0, i) for i in range(*cut.first)]
    if special:
        frame.append(_SPECIAL)
    if cut.second is not None:
        frame += [(1, i) for i in range(*cut.second)]
        if special:
            frame.append(_SPECIAL)
    return frame


def type_ids_of(first: int, second: int | None, *, special: bool) -> list[int]:
    """0 for ``[CLS] A [SEP]``, 1 for ``B [SEP]``; without special tokens all 0, as the slow tokenizer has it."""
    if not special:
        return [0] * (first + (second or 0))
    return [0] * (first + 2) + ([] if second is None else [1] * (second + 1))


def padded_length(lengths: Sequence[int], shape: Shape) -> int | None:
    """Length to which rows are filled up, None for no padding."""
    if shape.padding == "no":
        return None
    target = max(lengths, default=0) if shape.padding == "longest" else shape.max_length or 0
    if shape.multiple:
        target = -(-target // shape.multiple) * shape.multiple
    return target


def pad_list(values: Sequence[Any], length: int | None, filler: Any, side: str) -> list[Any]:
    """The values filled up to a length on one side; longer ones as they are."""
    gap = [] if length is None else [filler] * (length - len(values))
    return [*gap, *values] if side == "left" else [*values, *gap]


def _cut_longest(first: int, second: int, excess: int, shape: Shape) -> Cut:
    """Take tokens one by one from whichever sequence is longer, the second one when both are equal."""
    if shape.overflow:
        raise ValueError(
            "return_overflowing_tokens with pairs needs truncation='only_first' or 'only_second': "
            "with 'longest_first' both texts are cut and no window covers the rest"
        )
    if excess > first + second:
        raise ValueError(f"max_length={shape.max_length} leaves no room for the special tokens")
    keep_first, keep_second = first, second
    for _ in range(excess):
        if keep_first > keep_second:
            keep_first -= 1
        else:
            keep_second -= 1
    if shape.truncation_side == "left":
        return Cut((first - keep_first, first), (second - keep_second, second))
    return Cut((0, keep_first), (0, keep_second))
