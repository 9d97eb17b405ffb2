"""What does a finished run look like in a browser? One file, nothing fetched, no script."""

from __future__ import annotations

import html
import json
from typing import Any

from albert_cli.files.atomic import write_file
from albert_cli.files.text import safe_line, safe_text
from albert_cli.report import numbers
from albert_cli.report.curves import pictures_from_events
from albert_cli.report.environment import public_text
from albert_cli.report.html_result import explained_sections, score_section
from albert_cli.report.run_dir import RunDir
from albert_cli.report.svg import draw_picture

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
:root { color-scheme: light dark; }
svg { width: 100%; } svg text { font-size: 11px; fill: currentColor; }
.grid { stroke: currentColor; opacity: 0.15; }
.legend { list-style: none; padding: 0; font-size: 13px; }
.legend span { display: inline-block; width: 1.2em; height: 0.4em; margin-right: 0.5em; vertical-align: middle; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
table { border-collapse: collapse; }
td, th { padding: 0.25rem 0.9rem 0.25rem 0; text-align: left; vertical-align: top; }
tr + tr { border-top: 1px solid color-mix(in srgb, currentColor 12%, transparent); }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.cell { background: color-mix(in srgb, #0072b2 calc(var(--share) * 70%), transparent); padding: 0.15rem 0.6rem; }
pre { overflow-x: auto; font-size: 13px; }
"""


def write_html_report(run: RunDir) -> bool:
    """Write ``report.html`` of a run: state, scores, curves, mistakes, last values, recipe and environment.

    Returns:
        Whether it was written; a process that must not write leaves it.
    """
    if not run.writes:
        return False
    write_file(run.report_path, html_report(run).encode("utf-8", "backslashreplace"))
    return True


def html_report(run: RunDir) -> str:
    """Write the page of a run as text. Everything that was not measured is absent rather than guessed."""
    events = run.metrics.events()
    name = _escape(run.path.resolve().name)
    curves = [f"<h3>{_escape(picture.title)}</h3>\n{draw_picture(picture)}" for picture in pictures_from_events(events)]
    body = [
        f"<h1>{name}</h1>",
        f"<p>{_state_text(run)}</p>",
        *score_section(run.result()),
        *(["<h2>Curves</h2>"] if curves else []),
        *curves,
        *explained_sections(run.result()),
        "<h2>Last values</h2>",
        _last_values(events) or "<p>Nothing was measured.</p>",
        *_source("Recipe", _recipe_text(run)),
        *_source("Environment", json.dumps(run.environment(), indent=2) if run.environment() else ""),
    ]
    head = f'<meta charset="utf-8"><title>{name}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(body) + "\n</body></html>\n"


def _recipe_text(run: RunDir) -> str:
    """The recipe without private places: pages are sent around."""
    return (
        public_text(run.recipe_path.read_text(encoding="utf-8", errors="replace")) if run.recipe_path.is_file() else ""
    )


def _state_text(run: RunDir) -> str:
    status = run.status()
    step = f" at step {numbers.count(status.step)}" if status.step is not None else ""
    reason = f": {_escape(public_text(status.reason))}" if status.reason else ""
    return f"State: {_escape(status.state)}{step}{reason}"


def _last_values(events: list[dict[str, Any]]) -> str:
    """The last value of each quantity of each split, as a table."""
    latest: dict[tuple[str, str], tuple[int, float]] = {}
    for event in events:
        for name, value in event.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and name != "step":
                latest[(str(event["split"]), name)] = (int(event["step"]), value)
    if not latest:
        return ""
    rows = [
        f'<tr><td>{_escape(split)}</td><td>{_escape(name)}</td><td class="number">{numbers.value(name, value)}</td>'
        f'<td class="number">{numbers.count(step)}</td></tr>'
        for (split, name), (step, value) in latest.items()
    ]
    return "<table><tr><th>split</th><th>quantity</th><th>value</th><th>step</th></tr>" + "\n".join(rows) + "</table>"


def _source(title: str, text: str) -> list[str]:
    return [f"<h2>{title}</h2>", f"<pre>{html.escape(safe_text(text))}</pre>"] if text else []


def _escape(text: str) -> str:
    return html.escape(safe_line(text, limit=500))
