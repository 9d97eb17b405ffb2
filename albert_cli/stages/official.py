"""Scores through the ``evaluate`` library: ours once more, and those of others that a recipe names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from albert_cli.errors import DataError
from albert_cli.metrics.adapters import evaluate_metric, load_metric, metric_values
from albert_cli.report.card import Score
from albert_cli.report.console import Talk
from albert_cli.stages.tasks.facts import Comparable
from albert_cli.stages.tasks.protocol import Task


def load_metrics(names: Sequence[str], talk: Talk) -> dict[str, Any]:
    """Load the metrics that a recipe names; code of others is named before it runs.

    Raises:
        UsageError: a name that says no place.
        DataError: one cannot be loaded.
    """
    loaded = {}
    for name in names:
        if "/" in name:
            talk.say(f"metric {name}: code of its own, run because the recipe names it")
        loaded[name] = load_metric(name)
    return loaded


def through_evaluate(task: Task, split: str, answers: Any, scores: Sequence[Score]) -> list[Score]:
    """The same scores with values that our modules of the ``evaluate`` library computed; intervals stay.

    Args:
        task: the task.
        split: a labelled one.
        answers: to its rows.
        scores: of ``task.scores_with_intervals``. What is no metric of its own stays as it is: a mean of scores, and
            what thresholds searched on the split itself would give (``best_``).
    """
    if not isinstance(task, Comparable):
        return list(scores)
    said = task.comparison(split, answers)
    values: dict[str, float] = {}
    for name in said.metrics:
        found = evaluate_metric(name).compute(predictions=said.predictions, references=said.references)
        values.update({key + said.suffix: said.scale * float(value) for key, value in found.items()})
    return [
        one if one.name.startswith("best_") else replace(one, value=values.get(one.name, one.value)) for one in scores
    ]


def final_scores(task: Task, split: str, answers: Any, metrics: Mapping[str, Any], talk: Talk) -> list[Score]:
    """All scores at the end of a training run; a metric of others that fails costs a warning, not the run."""
    scores = task.scores_with_intervals(split, answers)
    if not talk.is_main:
        return scores
    scores = through_evaluate(task, split, answers, scores)
    for name, metric in metrics.items():
        try:
            scores += own_metrics(task, split, answers, {name: metric})
        except DataError as error:
            talk.warn(error.message)
    return scores


def own_metrics(task: Task, split: str, answers: Any, metrics: Mapping[str, Any]) -> list[Score]:
    """Scores by the metrics that a recipe names.

    Raises:
        DataError: one fails on these answers, or the kind of task gives nothing to compare.
    """
    if not metrics:
        return []
    if not isinstance(task, Comparable):
        raise DataError(f"other metrics cannot score {task.name}", hint="take them out of metrics")
    said = task.comparison(split, answers)
    found = []
    for name, metric in metrics.items():
        values = metric_values(metric, name, predictions=said.predictions, references=said.references)
        found += [
            Score(key + said.suffix, value, split, len(said.references), is_share=-1.0 <= value <= 1.0)
            for key, value in values.items()
        ]
    return found
