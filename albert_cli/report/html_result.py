"""How do the results of a run look on its page: scores with intervals, confused classes, confidence, worst mistakes?"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from albert_cli.files.text import safe_line
from albert_cli.report import numbers

_TEXT_LENGTH = 300


def score_section(result: Mapping[str, Any]) -> list[str]:
    """HTML of the scores in ``result.json``; empty where it holds none."""
    return _section("Scores", _scores(result))


def explained_sections(result: Mapping[str, Any]) -> list[str]:
    """HTML of where the answers are right and where wrong; sections of what was not recorded are absent."""
    explained = result.get("explained", {})
    split = str(explained.get("split", ""))
    return [
        *_section(f"Classes ({split})", _matrix(explained.get("confusion_matrix"))),
        *_section(f"Most frequent confusions ({split})", _confusions(explained.get("confusions"))),
        *_section(f"Confidence ({split})", _calibration(explained.get("calibration"))),
        *_section(f"Worst mistakes ({split})", _mistakes(explained.get("mistakes"))),
    ]


def _section(title: str, body: str) -> list[str]:
    return [f"<h2>{_escape(title)}</h2>", body] if body else []


def _scores(result: Mapping[str, Any]) -> str:
    bounds = result.get("intervals", {})
    errors = set(result.get("smaller_is_better", []))
    rows = []
    for split, values in result.get("scores", {}).items():
        for name, value in values.items():
            write = _plain if name in errors or value is None else numbers.score
            between = bounds.get(split, {}).get(name)
            interval = f"{write(between[0])} to {write(between[1])}" if between else ""
            rows.append([split, name, write(value), interval])
    return _table(["split", "score", "value", "95 % interval"], rows, numeric={2, 3})


def _matrix(found: Mapping[str, Any] | None) -> str:
    if not found:
        return ""
    names, counts = found["labels"], found["counts"]
    head = "".join(f"<th>{_escape(name)}</th>" for name in ["right \\ said", *names])
    body = []
    for name, cells in zip(names, counts, strict=True):
        whole = max(1, sum(cells))
        shaded = "".join(
            f'<td class="number cell" style="--share:{cell / whole:.3f}">{numbers.count(cell)}</td>' for cell in cells
        )
        body.append(f"<tr><th>{_escape(name)}</th>{shaded}</tr>")
    return f'<table class="matrix"><tr>{head}</tr>' + "\n".join(body) + "</table>"


def _confusions(found: Sequence[Mapping[str, Any]] | None) -> str:
    rows = [
        [one["truth"], one["said"], numbers.count(one["count"]), numbers.score(one["share"])] for one in found or ()
    ]
    return _table(["right", "said", "times", "% of right"], rows, numeric={2, 3})


def _calibration(found: Mapping[str, Any] | None) -> str:
    if not found:
        return ""
    rows = [
        [
            f"{one['low']:.1f} to {one['high']:.1f}",
            numbers.count(one["count"]),
            _share(one["confidence"]),
            _share(one["right"]),
        ]
        for one in found["bins"]
        if one["count"]
    ]
    summary = f"<p>Expected calibration error {_share(found['error'])}, Brier score {_plain(found['brier'])}.</p>"
    return summary + _table(["confidence", "answers", "mean %", "right %"], rows, numeric={1, 2, 3})


def _mistakes(found: Sequence[Mapping[str, Any]] | None) -> str:
    rows = [[str(one["row"]), one["said"], one["truth"], one["text"]] for one in found or ()]
    return _table(["row", "said", "right", "text"], rows, numeric={0})


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numeric: set[int]) -> str:
    lines = []
    for row in rows:
        cells = [
            f'<td class="number">{_escape(cell)}</td>' if place in numeric else f"<td>{_escape(cell)}</td>"
            for place, cell in enumerate(row)
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    if not lines:
        return ""
    head = "".join(f"<th>{_escape(name)}</th>" for name in columns)
    return f"<table><tr>{head}</tr>" + "\n".join(lines) + "</table>"


def _share(value: float | None) -> str:
    return "" if value is None else numbers.score(value)


def _plain(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.4g}"


def _escape(text: str) -> str:
    return html.escape(safe_line(str(text), limit=_TEXT_LENGTH))
