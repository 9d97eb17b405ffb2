"""Where does a run put what it makes, and how do we know what state it is in?

The layout is a promise to users and scripts: recipe.yaml, environment.json, status.json, metrics.jsonl, log.txt,
checkpoints/, predictions/, model/, result.json, report.html, README.md. A run directory is never overwritten.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from albert_cli.errors import CheckpointError, UsageError
from albert_cli.files.atomic import PARTIAL, write_file
from albert_cli.files.json_text import parse_json
from albert_cli.files.lock import LOCK_FILE, lock_directory
from albert_cli.files.text import json_line, safe_line
from albert_cli.report.console import is_main_process
from albert_cli.report.metrics_log import MetricsLog

State = Literal["running", "done", "failed", "interrupted"]


@dataclass(frozen=True)
class Status:
    """What became of a run.

    Attributes:
        state: ``running`` also when the process was killed before it could say otherwise.
        reason: why it failed or was interrupted, else None.
        step: last step that counts, or None where nothing counts steps.
        updated: when this was written, seconds since 1970.
    """

    state: State
    reason: str | None = None
    step: int | None = None
    updated: float = 0.0


@dataclass(frozen=True)
class RunDir:
    """One run directory.

    Attributes:
        path: the directory.
        writes: whether this process may write; of a distributed run only rank 0 does, the others' writes do nothing.
    """

    path: Path
    writes: bool = True

    @classmethod
    def create(cls, out: Path | None, recipe_name: str, *, resume: bool = False, is_main: bool | None = None) -> RunDir:
        """Make the directory of a new run, or take up an existing one.

        Args:
            out: where; None makes ``runs/<recipe>-<time>/`` (all ranks of a distributed run must be told the same).
            recipe_name: name or path of the recipe; its last part names the directory.
            resume: take up the run in ``out``.
            is_main: whether this process writes; None asks the environment variable RANK.

        Raises:
            UsageError: ``out`` holds something already and ``resume`` is off; ``resume`` without ``out``.
            CheckpointError: ``resume``, but there is no run in ``out``.
        """
        writes = is_main_process() if is_main is None else is_main
        if resume and out is None:
            raise UsageError("--resume without --out", hint="name the run directory to continue with --out DIR")
        if not writes:
            if out is None:
                raise UsageError("a distributed run needs --out", hint="name one run directory for all processes")
            return cls(out, writes=False)
        path = _default_path(recipe_name) if out is None else out
        if resume:
            _require_run(path)
        else:
            _require_free(path)
        _make(path)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunDir:
        """Open an existing run for ``eval``, ``predict`` or ``runs``.

        Raises:
            CheckpointError: the directory is not a run directory.
        """
        if not is_run_dir(path):
            raise CheckpointError(
                f"{safe_line(str(path))} is not a run directory (no status.json)",
                hint="name the folder that --out or the run's first lines gave",
            )
        return cls(path, writes=is_main_process())

    @property
    def recipe_path(self) -> Path:
        """The recipe as run, everything resolved."""
        return self.path / "recipe.yaml"

    @property
    def log_path(self) -> Path:
        """Plain copy of the talk."""
        return self.path / "log.txt"

    @property
    def checkpoints_path(self) -> Path:
        """Folder of checkpoints, made on use."""
        return self.path / "checkpoints"

    @property
    def model_path(self) -> Path:
        """Folder of the final model."""
        return self.path / "model"

    @property
    def report_path(self) -> Path:
        """Curves and tables for a browser."""
        return self.path / "report.html"

    @property
    def card_path(self) -> Path:
        """Model card."""
        return self.path / "README.md"

    @property
    def metrics(self) -> MetricsLog:
        """The measured events."""
        return MetricsLog(self.path / "metrics.jsonl")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from writing here for as long as this one does; ranks that do not write hold nothing.

        Raises:
            CheckpointError: another process is at work in this directory.
        """
        with lock_directory(self.path) if self.writes else nullcontext():
            yield

    def predictions_path(self, name: str) -> Path:
        """A file below ``predictions/``, whose folder is made where this process writes."""
        folder = self.path / "predictions"
        if self.writes:
            folder.mkdir(exist_ok=True)
        return folder / name

    def write_recipe(self, text: str) -> None:
        """Keep the resolved recipe (YAML text)."""
        self._write("recipe.yaml", text)

    def write_environment(self, facts: Mapping[str, Any]) -> None:
        """Keep versions, devices, commit and command line."""
        self._write("environment.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")

    def write_result(self, facts: Mapping[str, Any]) -> None:
        """Keep what the command reports at its end, and what explains it."""
        self._write("result.json", json_line(facts) + "\n")

    def write_card(self, text: str) -> None:
        """Keep the model card (Markdown)."""
        self._write("README.md", text)

    def set_status(self, state: State, reason: str | None = None, *, step: int | None = None) -> None:
        """Say what became of the run; replaces the last word as a whole."""
        status = {"state": state, "reason": reason, "step": step, "updated": round(time.time(), 3)}
        self._write("status.json", json.dumps(status, ensure_ascii=False) + "\n")

    def status(self) -> Status:
        """Read what became of the run.

        Raises:
            CheckpointError: status.json is absent or says nothing that we understand.
        """
        path = self.path / "status.json"
        try:
            facts = parse_json(path.read_text(encoding="utf-8"))
            return Status(facts["state"], facts.get("reason"), facts.get("step"), float(facts.get("updated", 0.0)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"cannot read the state of the run ({safe_line(str(path))})", hint="is this a run directory?"
            ) from error

    def environment(self) -> dict[str, Any]:
        """Read what was kept about the environment; empty when nothing was."""
        return self._read_facts("environment.json")

    def result(self) -> dict[str, Any]:
        """Read what the command reported at its end; empty before that."""
        return self._read_facts("result.json")

    def append_metrics(self, event: Mapping[str, Any]) -> None:
        """Add one measured event (``step``, ``split``, values) to metrics.jsonl."""
        if self.writes:
            self.metrics.append(event)

    def drop_metrics_after(self, step: int) -> int:
        """Forget events after the step that a resumed run goes on from; returns how many."""
        return self.metrics.drop_after(step) if self.writes else 0

    def _read_facts(self, name: str) -> dict[str, Any]:
        try:
            facts = parse_json((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}

    def _write(self, name: str, text: str) -> None:
        if self.writes:
            write_file(self.path / name, text.encode("utf-8", "backslashreplace"))


def is_run_dir(path: Path) -> bool:
    """Whether a directory is a run of ours."""
    return (path / "status.json").is_file()


def find_runs(parent: Path) -> list[RunDir]:
    """Runs directly below a folder, newest state first; folders that are not runs are passed over."""
    if not parent.is_dir():
        return []
    runs = [RunDir(folder, writes=False) for folder in parent.iterdir() if is_run_dir(folder)]
    return sorted(runs, key=lambda run: (-(run.path / "status.json").stat().st_mtime, run.path.name))


def _default_path(recipe_name: str) -> Path:
    """``runs/<recipe>-<time>``; the second run within one second gets a number."""
    stem = re.sub(r"[^\w.-]+", "-", Path(recipe_name).stem, flags=re.ASCII).strip("-.") or "run"
    base = Path("runs") / f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    path, number = base, 2
    while path.exists():
        path, number = base.with_name(f"{base.name}-{number}"), number + 1
    return path


def _require_free(path: Path) -> None:
    shown = safe_line(str(path))
    if path.exists() and not path.is_dir():
        raise UsageError(f"{shown} is a file, not a directory", hint="choose another --out")
    if path.is_dir() and _holds_something(path):
        continues = is_run_dir(path)
        raise UsageError(
            f"{shown} already holds {'a run' if continues else 'files'}, and a run never overwrites",
            hint=f"{'continue it with --resume, or ' if continues else ''}choose another --out",
        )


def _require_run(path: Path) -> None:
    shown = safe_line(str(path))
    if not path.is_dir():
        raise CheckpointError(f"nothing to resume: no directory {shown}", hint="check --out, or leave out --resume")
    if not is_run_dir(path) and _holds_something(path):
        raise CheckpointError(
            f"{shown} holds files but no run (no status.json)", hint="check --out; --resume continues only our own runs"
        )


def _holds_something(path: Path) -> bool:
    """Whether a directory has anything but what a process leaves that was killed before it began."""
    return any(item.name != LOCK_FILE and not item.name.startswith(PARTIAL) for item in path.iterdir())


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot make the run directory {safe_line(str(path))}: {error.strerror}", hint="choose another --out"
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write to the run directory {safe_line(str(path))}", hint="choose another --out")
