"""How does a curve look in a terminal? Two by four dots a character."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from albert_cli.files.text import safe_line
from albert_cli.report.curves import Curve, Picture
from albert_cli.report.numbers import count

_BRAILLE = 0x2800
# Bits of a braille character by row and column of its dots (Unicode, block Braille Patterns).
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def plot_picture(picture: Picture, *, width: int = 72, height: int = 12, ascii_only: bool = False) -> str:
    """Draw each curve of a picture on the picture's common scale, one below the other.

    Args:
        picture: curves to draw.
        width: columns, the numbers at the left included.
        height: rows of each curve.
        ascii_only: draw with ``*`` where braille characters cannot be shown.

    Returns:
        Lines of text, without a newline at the end.
    """
    values = [y for curve in picture.curves for _, y in curve.points]
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.5, high + 0.5
    labels = [_number(high), _number(low)]
    margin = max(map(len, labels))
    columns = max(8, width - margin - 2)
    steps = [x for curve in picture.curves for x, _ in curve.points]
    first, last = min(steps), max(steps)
    lines = []
    for curve in picture.curves:
        grid = _grid(
            curve.points, low, high, first=first, last=last, columns=columns, rows=height, ascii_only=ascii_only
        )
        lines.append(_heading(curve))
        for place, row in enumerate(grid):
            label = labels[0] if place == 0 else labels[1] if place == height - 1 else ""
            lines.append(f"{label:>{margin}} {'|' if ascii_only else '┤'}{row}".rstrip())
    return "\n".join(lines)


def _heading(curve: Curve) -> str:
    step, value = curve.points[-1]
    return f"{safe_line(curve.name)}: {_number(value)} at step {count(step)}"


def _grid(
    points: Sequence[tuple[int, float]],
    low: float,
    high: float,
    *,
    first: int,
    last: int,
    columns: int,
    rows: int,
    ascii_only: bool,
) -> list[str]:
    wide, tall = (1, 1) if ascii_only else (2, 4)
    cells = [[0] * columns for _ in range(rows)]
    before: tuple[int, int] | None = None
    for step, value in points:
        x = round((step - first) / max(1, last - first) * (columns * wide - 1))
        y = round((high - value) / (high - low) * (rows * tall - 1))
        for dot_x, dot_y in _line(before or (x, y), (x, y)):
            cells[dot_y // tall][dot_x // wide] |= _DOTS[dot_y % tall][dot_x % wide]
        before = (x, y)
    if ascii_only:
        return ["".join("*" if cell else " " for cell in row) for row in cells]
    return ["".join(chr(_BRAILLE + cell) if cell else " " for cell in row) for row in cells]


def _line(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Dots of a straight line, both ends included."""
    length = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    for place in range(length + 1):
        share = place / length
        yield round(start[0] + share * (end[0] - start[0])), round(start[1] + share * (end[1] - start[1]))


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else str(value)
