"""What more may a kind of task tell about its answers: for breakdowns, and for metrics of other libraries?

A kind of task that can, has the methods of `Explained` or `Comparable` besides those of `protocol.Task`.

Shapes: N rows of a split, M decisions (rows, or words of tagged sentences).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from albert_cli.stages.tasks.protocol import Baseline, Form


@dataclass(frozen=True)
class Classes:
    """Decisions between classes.

    Attributes:
        names: of the classes.
        truth: (M,) int64, number of the right class.
        said: (M,) int64, number of the answered class.
    """

    names: tuple[str, ...]
    truth: np.ndarray
    said: np.ndarray


@dataclass(frozen=True)
class Facts:
    """What the breakdowns of `albert eval --details` need.

    Attributes:
        lengths: (N,) int64, words of each row.
        values: (N,) float64, how good the answer to each row is (or how far off).
        value_name: what ``values`` are: "accuracy", "f1", "squared error".
        confidence: (M,) float64, probability that the model gave its answers; None where it gave none.
        right: (M,) bool, whether these answers are right; None with ``confidence``.
        classes: decisions between classes; None where the task has none.
    """

    lengths: np.ndarray
    values: np.ndarray
    value_name: str
    confidence: np.ndarray | None = None
    right: np.ndarray | None = None
    classes: Classes | None = None


@dataclass(frozen=True)
class Comparison:
    """Predictions and right answers in the form that metrics of the ``evaluate`` library take.

    Attributes:
        metrics: names of our metrics that are the task's own scores.
        predictions: N of them: class numbers, scores, texts with identifiers, lists of tags.
        references: N right answers.
        suffix: what is put after the names of the split's scores.
        scale: of the metrics' values; those of SQuAD are in percent.
    """

    metrics: tuple[str, ...]
    predictions: Any
    references: Any
    suffix: str = ""
    scale: float = 1.0


@runtime_checkable
class Explained(Protocol):
    """A task whose answers can be broken down."""

    def facts(self, split: str, answers: Any) -> Facts:
        """Facts of a labelled split."""
        ...


@runtime_checkable
class Accompanied(Protocol):
    """A task whose official predictions are more than one file."""

    def beside(self, name: str) -> Mapping[str, Form]:
        """Names of the files that go beside the official one of the given name, and how records become them."""
        ...


@runtime_checkable
class Comparable(Protocol):
    """A task whose answers other metrics can score."""

    def comparison(self, split: str, answers: Any) -> Comparison:
        """Predictions and right answers of a labelled split."""
        ...


@runtime_checkable
class WordScored(Protocol):
    """A task that counting words can answer, more or less."""

    def word_baseline(self, split: str) -> Baseline | None:
        """What words alone, without their order, score on a labelled split."""
        ...


def word_counts(rows: Iterable[Mapping[str, Any]], *columns: str) -> np.ndarray:
    """(N,) int64, words of each row's texts, as spaces part them."""
    return np.fromiter((sum(len((row.get(name) or "").split()) for name in columns) for row in rows), np.int64)
