"""Where else do the numbers go? Experiment trackers that Accelerate knows, for those who asked for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

from albert_cli.errors import UsageError

Scalar = int | float | str | bool


@dataclass
class Trackers:
    """Open trackers; with none, every call does nothing."""

    _open: list[Any] = field(default_factory=list)

    def log(self, values: Mapping[str, float], *, step: int) -> None:
        """Send numbers.

        Args:
            values: by name.
            step: updates made.
        """
        for tracker in self._open:
            tracker.log(dict(values), step=step)

    def finish(self) -> None:
        """Send what is left and close."""
        for tracker in self._open:
            tracker.finish()


def open_trackers(names: Sequence[str], *, folder: Path, run_name: str, config: Mapping[str, Any]) -> Trackers:
    """Open the trackers of a run; call it on the main process, after the accelerator was made.

    Args:
        names: as in ``trackers`` of a recipe.
        folder: for those that write files.
        run_name: how the run is called there.
        config: settings of the run, nested; sent flat.

    Raises:
        UsageError: an unknown tracker, or one whose package is not installed.
    """
    opened = []
    installed = {str(getattr(each, "value", each)) for each in get_available_trackers()}
    known = {str(getattr(each, "value", each)): cls for each, cls in LOGGER_TYPE_TO_CLASS.items()}
    for name in names:
        if name not in known:
            raise UsageError(f"unknown tracker {name!r} (trackers)", hint=f"use one of {', '.join(sorted(known))}")
        if name not in installed:
            extra = "albert-cli[trackers]" if name == "tensorboard" else name
            raise UsageError(f"tracker {name!r} is not installed (trackers)", hint=f"pip install '{extra}'")
        cls = known[name]
        tracker = cls(run_name, logging_dir=str(folder)) if cls.requires_logging_directory else cls(run_name)
        if hasattr(tracker, "start"):
            tracker.start()
        tracker.store_init_configuration(flatten(config))
        opened.append(tracker)
    return Trackers(opened)


def flatten(config: Mapping[str, Any], *, prefix: str = "") -> dict[str, Scalar]:
    """Nested settings under dotted names; lists and nulls as text, which is all that trackers take."""
    flat: dict[str, Scalar] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat.update(flatten(value, prefix=f"{name}."))
        else:
            flat[name] = value if isinstance(value, int | float | str | bool) else str(value)
    return flat
