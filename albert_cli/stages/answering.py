"""Ask a model about the splits of a task, and put a number on what it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from accelerate import Accelerator

from albert_cli.data.examples import Examples
from albert_cli.data.finetuning import evaluation_batches
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.report.card import Score
from albert_cli.stages.tasks.protocol import Task
from albert_cli.training.evaluation import evaluate
from albert_cli.training.interrupt import StopFlag

EVALUATION_TOKENS = 8192  # of a batch: enough to fill a processor's caches, little enough for any machine


def ask(
    model: AlbertPreTrainedModel,
    task: Task,
    encoded: Mapping[str, Examples],
    *,
    accelerator: Accelerator,
    stop: StopFlag | None = None,
) -> dict[str, Any]:
    """Answers of a model for each of the given splits; call it on all processes.

    Args:
        model: with the task's head.
        task: reads answers out of what the model said.
        encoded: splits to ask about.
        accelerator: device, precision, processes.
        stop: looked at between batches.

    Returns:
        What ``task.answers`` gives, by split.
    """
    objective = task.objective()
    answers = {}
    for split, examples in encoded.items():
        batches = evaluation_batches(examples, max_tokens=EVALUATION_TOKENS)
        outcome = evaluate(model, objective, batches=batches, accelerator=accelerator, stop=stop)
        answers[split] = task.answers(split, examples, outcome)
    return answers


def by_split(scores: Iterable[Score]) -> dict[str, dict[str, float]]:
    """Values of scores by split and name."""
    values: dict[str, dict[str, float]] = {}
    for one in scores:
        values.setdefault(one.split, {})[one.name] = one.value
    return values


def intervals(scores: Iterable[Score]) -> dict[str, dict[str, list[float]]]:
    """95 % intervals of scores by split and name, of those that have one."""
    values: dict[str, dict[str, list[float]]] = {}
    for one in scores:
        if one.low is not None and one.high is not None:
            values.setdefault(one.split, {})[one.name] = [one.low, one.high]
    return values
