"""Which curves do the measured events of a run hold?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_NOT_CURVES = frozenset({"step", "split", "epoch", "seconds", "time"})


@dataclass(frozen=True)
class Curve:
    """One measured quantity over the steps.

    Attributes:
        name: split and quantity ("train loss").
        points: (step, value), in the order measured.
    """

    name: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Picture:
    """Curves that belong under one heading and on one scale."""

    title: str
    curves: tuple[Curve, ...]


def pictures_from_events(events: Iterable[Mapping[str, Any]]) -> list[Picture]:
    """Sort the numbers of ``metrics.jsonl`` into pictures: losses first, then what was measured besides.

    Values that are null (not finite when measured), text and nested values are left out.
    """
    points: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for event in events:
        for name, value in event.items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if is_number and name not in _NOT_CURVES:
                points.setdefault((name, str(event["split"])), []).append((int(event["step"]), float(value)))
    pictures: dict[str, list[Curve]] = {}
    for (name, split), series in points.items():
        pictures.setdefault(_title(name), []).append(Curve(f"{split} {name}", tuple(series)))
    titles = sorted(pictures, key=lambda title: (title != "Loss", title != "Accuracy"))
    return [Picture(title, tuple(pictures[title])) for title in titles]


def _title(name: str) -> str:
    """Which picture a quantity belongs to: losses share one, accuracies share one, everything else has its own."""
    if name == "loss" or name.endswith("_loss") or "_loss_" in name:
        return "Loss"
    if "accuracy" in name:
        return "Accuracy"
    return name.replace("_per_second", " per second").replace("_", " ").capitalize()
