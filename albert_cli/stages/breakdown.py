"""Where is a model right and where wrong: what `albert eval --details` and `--errors` say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from albert_cli.errors import UsageError
from albert_cli.metrics.breakdown import confusions, length_buckets
from albert_cli.metrics.calibration import calibration
from albert_cli.metrics.classification import confusion_matrix
from albert_cli.report.eval_tables import (
    MATRIX_CLASSES,
    calibration_table,
    confusion_table,
    confusions_table,
    length_table,
)
from albert_cli.report.tables import Table
from albert_cli.stages.tasks.facts import Classes, Explained, Facts
from albert_cli.stages.tasks.protocol import Mistake, Task

_CONFUSIONS = 20


def details(task: Task, split: str, answers: Any) -> tuple[list[Table], dict[str, Any]]:
    """Break the answers to a labelled split down.

    Returns:
        Tables for people, and the same as JSON values: ``confusion_matrix`` or ``confusions``, ``calibration``,
        ``lengths``.

    Raises:
        UsageError: the kind of task has no breakdown.
    """
    if not isinstance(task, Explained):
        raise UsageError(f"--details has nothing to show for {task.name}", hint="leave it out")
    facts = task.facts(split, answers)
    tables: list[Table] = []
    values: dict[str, Any] = {}
    if facts.classes is not None:
        _add_confusion(facts.classes, split, tables, values)
    if facts.confidence is not None and facts.right is not None and len(facts.right):
        found = calibration(facts.confidence, facts.right)
        tables.append(calibration_table(found, title=f"{split}: confidence"))
        values["calibration"] = _plain(asdict(found))
    _add_lengths(facts, split, tables, values)
    return tables, values


def mistakes(task: Task, split: str, answers: Any, limit: int) -> tuple[Table, list[dict[str, Any]]]:
    """The worst rows of a labelled split, as a table and as JSON objects."""
    found: Sequence[Mistake] = task.worst(split, answers, limit)
    rows = [[str(one.row), f"{one.loss:.3g}", one.said, one.truth, one.text] for one in found]
    table = Table(
        ["row", "loss", "said", "right", "text"],
        rows,
        title=f"{split}: worst {len(rows)} rows",
        numeric=frozenset({0, 1}),
    )
    return table, [_plain(asdict(one)) for one in found]


def _add_confusion(classes: Classes, split: str, tables: list[Table], values: dict[str, Any]) -> None:
    names = classes.names
    matrix = confusion_matrix(classes.said, classes.truth, num_classes=len(names))
    if len(names) <= MATRIX_CLASSES:
        tables.append(confusion_table(matrix, names, title=f"{split}: right classes down, answers across"))
        values["confusion_matrix"] = {"labels": list(names), "counts": matrix.tolist()}
        return
    found = confusions(matrix, names, limit=_CONFUSIONS)
    tables.append(confusions_table(found, title=f"{split}: most frequent confusions"))
    values["confusions"] = [asdict(one) for one in found]


def _add_lengths(facts: Facts, split: str, tables: list[Table], values: dict[str, Any]) -> None:
    found = length_buckets(facts.lengths, facts.values)
    is_share = "error" not in facts.value_name
    tables.append(length_table(found, name=facts.value_name, is_share=is_share, title=f"{split}: by length"))
    values["lengths"] = {"of": facts.value_name, "buckets": [_plain(asdict(one)) for one in found]}


def _plain(value: Any) -> Any:
    """The same with None for what is no number, which JSON cannot say."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
