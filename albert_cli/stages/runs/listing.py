"""Which runs are there, and what is in one of them?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from albert_cli.report import numbers
from albert_cli.report.console import result_json, result_json_list, result_table, result_text
from albert_cli.report.run_dir import RunDir
from albert_cli.report.run_summary import BestScore, RunSummary, as_json, runs_below, summarise_run
from albert_cli.report.tables import Table


def list_runs(folder: Path, *, json: bool) -> int:
    """List the runs of a folder, the newest first.

    Raises:
        CheckpointError: no such folder, or a run whose state cannot be read.
    """
    found = [summarise_run(run) for run in runs_below(folder)]
    if json:
        result_json_list([as_json(summary) for summary in found])
        return 0
    rows = [
        [
            str(summary.run.path.relative_to(folder)),
            summary.kind,
            summary.status.state,
            "" if summary.step is None else numbers.count(summary.step),
            "" if summary.best is None else f"{summary.best.split} {summary.best.metric} {best_text(summary.best)}",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(summary.status.updated)),
        ]
        for summary in found
    ]
    result_table(Table(["run", "task", "state", "step", "best", "last change"], rows, numeric=frozenset({3})))
    return 0


def show_run(folder: Path, *, json: bool) -> int:
    """Show what is known about a run.

    Raises:
        CheckpointError: it is no run directory.
    """
    summary = summarise_run(RunDir.open(folder))
    if json:
        result_json({"command": "runs show", **as_json(summary), "result": dict(summary.result)})
        return 0
    result_table(Table(["what", "value"], [[name, value] for name, value in _facts(summary)]))
    last = [
        [split, name, numbers.value(name, value)]
        for split, values in summary.last.items()
        for name, value in values.items()
    ]
    if last:
        result_text("")
        result_table(Table(["split", "last value of", ""], last, numeric=frozenset({2})))
    return 0


def best_text(best: BestScore) -> str:
    """A score and its interval; losses as they are, shares times a hundred."""
    write = numbers.score if best.higher_is_better else numbers.loss
    text = write(best.value)
    if best.interval is None:
        return text
    return f"{text} ({write(best.interval[0])} to {write(best.interval[1])})"


def _facts(summary: RunSummary) -> list[tuple[str, str]]:
    run, status = summary.run, summary.status
    facts: list[tuple[str, Any]] = [
        ("run", run.path),
        ("stage", summary.recipe.get("stage")),
        ("task", summary.recipe.get("task")),
        ("state", f"{status.state}: {status.reason}" if status.reason else status.state),
        ("step", None if summary.step is None else numbers.count(summary.step)),
        ("took", _took(summary)),
        (
            "best",
            None if summary.best is None else f"{summary.best.split} {summary.best.metric} {best_text(summary.best)}",
        ),
        ("model", run.model_path if run.model_path.is_dir() else None),
        ("checkpoints", _names(run.checkpoints_path)),
        ("predictions", _names(run.path / "predictions")),
        ("report", run.report_path if run.report_path.is_file() else None),
        ("size", numbers.mebibytes(sum(file.lstat().st_size for file in run.path.rglob("*") if file.is_file()))),
    ]
    return [(name, str(value)) for name, value in facts if value]


def _took(summary: RunSummary) -> str | None:
    seconds = summary.result.get("seconds")
    return numbers.duration(seconds) if isinstance(seconds, int | float) else None


def _names(folder: Path) -> str:
    return ", ".join(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else ""
