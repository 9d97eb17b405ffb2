"""How is a picture of curves drawn without any plotting library? As SVG text that a browser shows."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from albert_cli.files.text import safe_line
from albert_cli.report.curves import Curve, Picture

WIDTH, HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 12, 32
# Told apart by people with any kind of colour vision (Okabe and Ito, 2008); dashes tell them apart in print.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#555555")
_DASHES = ("", "6 3", "2 3", "8 3 2 3")
_MAX_POINTS = 1000
_FILE_STYLE = "text { font: 11px system-ui, sans-serif; fill: #222222 } .grid { stroke: #222222; opacity: 0.15 }"


def draw_picture(picture: Picture) -> str:
    """Draw the curves of a picture as one ``<svg>`` element with axes and a legend as text below."""
    everything = [point for curve in picture.curves for point in curve.points]
    if not everything:
        return ""
    x_ticks = ticks(min(x for x, _ in everything), max(x for x, _ in everything), count=6)
    y_ticks = ticks(min(y for _, y in everything), max(y for _, y in everything), count=5)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_escape(picture.title)} over the steps">',
        *_draw_axes(x_ticks, y_ticks),
        *(_draw_curve(curve, place, x_ticks, y_ticks) for place, curve in enumerate(picture.curves)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n" + _draw_legend(picture.curves)


def svg_document(picture: Picture) -> str:
    """Draw a picture as a file of its own, with its legend inside, for pages that show files."""
    rows = [
        f'<text x="{_LEFT}" y="{HEIGHT + 16 * (place + 1)}"><tspan fill="{_style(place)[0]}">■</tspan> '
        f"{_legend_text(curve)}</text>"
        for place, curve in enumerate(picture.curves)
    ]
    height = HEIGHT + 16 * (len(rows) + 1)
    drawing = draw_picture(picture).partition("</svg>")[0].partition("\n")[2]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{_escape(picture.title)} over the steps">\n<style>{_FILE_STYLE}</style>\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{drawing}' + "\n".join(rows) + "\n</svg>\n"
    )


def ticks(low: float, high: float, *, count: int) -> list[float]:
    """Choose round numbers (1, 2, 5 times a power of ten) that enclose a range, about ``count`` of them."""
    if high <= low:
        margin = abs(low) * 0.1 or 1.0
        low, high = low - margin, high + margin
    rough = (high - low) / max(1, count - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [place * step for place in range(first, last + 1)]


def _draw_axes(x_ticks: Sequence[float], y_ticks: Sequence[float]) -> list[str]:
    lines = []
    for tick in y_ticks:
        y = _y(tick, y_ticks)
        lines.append(f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{WIDTH - _RIGHT}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(tick)}</text>')
    for tick in x_ticks:
        x = _x(tick, x_ticks)
        lines.append(f'<text x="{x:.1f}" y="{HEIGHT - _BOTTOM + 18}" text-anchor="middle">{_number(tick)}</text>')
    return lines


def _draw_curve(curve: Curve, place: int, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> str:
    points = _thin(curve.points)
    path = " ".join(f"{_x(x, x_ticks):.1f},{_y(y, y_ticks):.1f}" for x, y in points)
    colour, dash = _style(place)
    if len(points) == 1:
        x, y = path.split(",")
        return f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>'
    return f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" stroke-dasharray="{dash}" points="{path}"/>'


def _draw_legend(curves: Sequence[Curve]) -> str:
    entries = []
    for place, curve in enumerate(curves):
        colour, _ = _style(place)
        entries.append(f'<li><span style="background:{colour}"></span>{_legend_text(curve)}</li>')
    return '<ul class="legend">' + "".join(entries) + "</ul>"


def _legend_text(curve: Curve) -> str:
    last_step, last_value = curve.points[-1]
    return f"{_escape(curve.name)}: {_number(last_value)} at step {last_step:,}"


def _thin(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most `_MAX_POINTS` points: of each stretch the lowest and the highest, so that no spike is hidden."""
    if len(points) <= _MAX_POINTS:
        return list(points)
    size = math.ceil(len(points) / (_MAX_POINTS // 2))
    kept: list[tuple[int, float]] = []
    for start in range(0, len(points), size):
        stretch = range(start, min(start + size, len(points)))
        extremes = {min(stretch, key=lambda i: points[i][1]), max(stretch, key=lambda i: points[i][1])}
        kept += [points[i] for i in sorted(extremes)]
    return kept


def _x(value: float, x_ticks: Sequence[float]) -> float:
    return _LEFT + (value - x_ticks[0]) / (x_ticks[-1] - x_ticks[0]) * (WIDTH - _LEFT - _RIGHT)


def _y(value: float, y_ticks: Sequence[float]) -> float:
    return HEIGHT - _BOTTOM - (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (HEIGHT - _TOP - _BOTTOM)


def _style(place: int) -> tuple[str, str]:
    return _COLOURS[place % len(_COLOURS)], _DASHES[place // len(_COLOURS) % len(_DASHES)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _escape(text: str) -> str:
    return html.escape(safe_line(text))
