"""What is there to know about a run at a glance, from the files that it left?"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from albert_cli.errors import CheckpointError
from albert_cli.files.text import safe_line
from albert_cli.report.run_dir import RunDir, Status, find_runs


@dataclass(frozen=True)
class BestScore:
    """The score that a run is judged by.

    Attributes:
        split: where it was measured.
        metric: its name.
        value: its value.
        interval: 95 % interval, or None.
        higher_is_better: whether more of it is better.
    """

    split: str
    metric: str
    value: float
    interval: tuple[float, float] | None
    higher_is_better: bool


@dataclass(frozen=True)
class RunSummary:
    """A run at a glance.

    Attributes:
        run: its directory.
        status: its last word.
        recipe: the recipe as run, as plain values; empty where there is none.
        result: what the command reported at its end; empty before that.
        best: the score it is judged by, or None.
        last: the last value of each quantity by split.
        step: the last step that was measured, or None.
        began: when it was set up, seconds since 1970.
    """

    run: RunDir
    status: Status
    recipe: Mapping[str, Any]
    result: Mapping[str, Any]
    best: BestScore | None
    last: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    step: int | None = None
    began: float = 0.0

    @property
    def name(self) -> str:
        """Last part of its path."""
        return self.run.path.resolve().name

    @property
    def kind(self) -> str:
        """Its task, or its stage where it has none."""
        return str(self.recipe.get("task") or self.recipe.get("stage") or "?")


def summarise_run(run: RunDir) -> RunSummary:
    """Read what a run left.

    Raises:
        CheckpointError: its state cannot be read.
        DataError: its metrics are not what a run wrote.
    """
    recipe = _read_recipe(run.recipe_path)
    result = run.result()
    last: dict[str, dict[str, float]] = {}
    step = None
    for event in run.metrics.events():
        step = int(event["step"])
        values = {name: value for name, value in event.items() if _is_number(value) and name != "step"}
        last.setdefault(str(event["split"]), {}).update(values)
    began = run.recipe_path.stat().st_mtime if run.recipe_path.is_file() else run.path.stat().st_mtime
    return RunSummary(run, run.status(), recipe, result, _best(result, last), last, step, began)


def runs_below(folder: Path) -> list[RunDir]:
    """Runs of a folder, the folder itself or those up to two levels below it, the newest first.

    Raises:
        CheckpointError: no such folder.
    """
    if not folder.is_dir():
        raise CheckpointError(f"no directory {safe_line(str(folder))}", hint="name the folder that holds the runs")
    found = find_runs(folder)
    for below in sorted(folder.iterdir()):
        if below.is_dir() and not below.is_symlink():
            found += find_runs(below)
    return sorted(found, key=lambda run: -(run.path / "status.json").stat().st_mtime)


def _best(result: Mapping[str, Any], last: Mapping[str, Mapping[str, float]]) -> BestScore | None:
    chosen = result.get("chosen_by")
    if isinstance(chosen, Mapping):
        with suppress(LookupError, TypeError, ValueError, AttributeError):  # result.json of another version, or damaged
            split, metric = str(chosen["split"]), str(chosen["metric"])
            interval = result.get("intervals", {}).get(split, {}).get(metric)
            bounds = (float(interval[0]), float(interval[1])) if interval else None
            return BestScore(split, metric, float(chosen["value"]), bounds, bool(chosen["higher_is_better"]))
    for split, values in last.items():
        if split != "train" and "loss" in values:
            return BestScore(split, "loss", values["loss"], None, higher_is_better=False)
    return None


def _read_recipe(path: Path) -> dict[str, Any]:
    """Plain values of a recipe, unchecked: a run of another version is still worth listing."""
    from albert_cli.recipe.yaml_strict import read_yaml

    try:
        value = read_yaml(path.read_bytes(), source=path.name).value
    except OSError:
        return {}
    return value if isinstance(value, dict) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_json(summary: RunSummary) -> dict[str, Any]:
    """The same for ``--json``."""
    best = summary.best
    return {
        "name": summary.name,
        "path": str(summary.run.path),
        "stage": summary.recipe.get("stage"),
        "task": summary.recipe.get("task"),
        "state": summary.status.state,
        "reason": summary.status.reason,
        "step": summary.step,
        "best": None if best is None else {**best.__dict__, "interval": best.interval and list(best.interval)},
        "seconds": summary.result.get("seconds"),
        "began": round(summary.began, 3),
        "last": {split: dict(values) for split, values in summary.last.items()},
    }
