"""What is a task of texts with labels: which columns, which classes, which scores, which official files?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from albert_cli.metrics.glue import TASK_METRICS

Kind = Literal["classification", "regression", "multi-label"]
ProblemType = Literal["single_label_classification", "regression", "multi_label_classification"]

_PROBLEM_TYPES: Mapping[Kind, ProblemType] = MappingProxyType(
    {
        "classification": "single_label_classification",
        "regression": "regression",
        "multi-label": "multi_label_classification",
    }
)
_NOTHING: Mapping[str, str] = MappingProxyType({})
_NO_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType({})


@dataclass(frozen=True)
class ColumnNames:
    """Names that a task's columns may have, the hub's first and those of the official TSV files after it.

    Attributes:
        texts: (text, text_pair) names; of these the first whose columns are all there is taken. A text_pair of None
            means a single text.
        label: names of the label or score.
        id: names of the row's identifier.
    """

    texts: tuple[tuple[str, str | None], ...]
    label: tuple[str, ...] = ("label",)
    id: tuple[str, ...] = ("idx", "index")


@dataclass(frozen=True)
class TaskSpec:
    """A task.

    Attributes:
        name: what recipes call it.
        kind: one class, a number, or any number of classes for each text.
        columns: where the texts and labels stand.
        label_names: classes in the order of the head's outputs; None: found in the data.
        label_aliases: other names that data sources give to those classes ("positive" of SST-2 on the hub).
        splits: every split the task can have; the ``dev`` ones are scored, the first of them chooses the best
            checkpoint.
        folder: name of the official folder.
        hub_config: configuration of ``nyu-mll/glue``.
        columns_without_header: columns of official files that have no header line.
        skip_short_rows: malformed rows of the official files are left out and counted.
        file_names: further names of a split's file, by split.
        unlabelled_score: score that stands for "unknown" in test splits.
        submission_files: official file name of predictions, by test split.
    """

    name: str
    kind: Kind
    columns: ColumnNames
    label_names: tuple[str, ...] | None = None
    label_aliases: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    splits: tuple[str, ...] = ("train", "dev", "test")
    folder: str | None = None
    hub_config: str | None = None
    columns_without_header: tuple[str, ...] | None = None
    skip_short_rows: bool = False
    file_names: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NO_NAMES)
    unlabelled_score: float | None = None
    submission_files: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    @property
    def is_official(self) -> bool:
        """Whether this is a task of the GLUE benchmark, with files and columns of its own."""
        return self.folder is not None

    @property
    def dev_splits(self) -> tuple[str, ...]:
        """Splits that are scored; the first one chooses the best checkpoint."""
        return tuple(split for split in self.splits if split.startswith("dev"))

    @property
    def test_splits(self) -> tuple[str, ...]:
        """Splits that are predicted."""
        return tuple(split for split in self.splits if split.startswith("test"))

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the scores, as ``metrics.glue.compute_metrics`` gives them."""
        return TASK_METRICS[self.name].names

    @property
    def best_metric(self) -> str:
        """Name of the score that chooses the best checkpoint."""
        return TASK_METRICS[self.name].best

    @property
    def problem_type(self) -> ProblemType:
        """What the model's configuration calls this kind of task."""
        return _PROBLEM_TYPES[self.kind]


def metric_suffix(spec: TaskSpec, split: str) -> str:
    """What is put after the names of a split's scores: ``_mm`` for MNLI's mismatched ones, otherwise nothing."""
    return "_mm" if split.endswith("_mismatched") and split in spec.splits else ""
