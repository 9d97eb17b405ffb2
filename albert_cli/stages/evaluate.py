"""`albert eval`: score a model, or saved predictions without any model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from albert_cli.data.tasks.catalogue import find_task
from albert_cli.data.tasks.load import TaskData
from albert_cli.data.tasks.predictions import read_predictions, references
from albert_cli.errors import DataError, ModelError, ThresholdError, UsageError
from albert_cli.metrics.glue import SMALLER_IS_BETTER
from albert_cli.recipe.requests import RunOptions
from albert_cli.report.card import Score, score_text
from albert_cli.report.console import Talk, result_json, result_text
from albert_cli.stages.target import Target, labels_of, load_trained, read_target
from albert_cli.stages.task_model import (
    answer,
    encode_splits,
    head_fields,
    read_task,
    scored_splits,
    scores_with_intervals,
)
from albert_cli.training.device import leave_processes, make_accelerator, set_threads
from albert_cli.training.launch import check_world


def run(
    target: str,
    *,
    model: str | None,
    recipe: str | None,
    overrides: Sequence[str],
    shortcuts: Mapping[str, Any],
    predictions: Path | None,
    fail_under: Mapping[str, float],
    options: RunOptions,
) -> int:
    """Score and print.

    Returns:
        Exit code 0.

    Raises:
        ThresholdError: a score is below its limit.
        AlbertError: with the exit code that its kind has.
    """
    with Talk(quiet=options.quiet) as talk:
        found = read_target(
            target,
            model=model,
            recipe=recipe,
            overrides=overrides,
            shortcuts=shortcuts,
            needs_model=predictions is None,
        )
        scores = _score_file(found, predictions, talk) if predictions is not None else _score_model(found, talk)
        _check_names(scores, fail_under)
        if talk.is_main:
            _show(found, scores, options)
        _check_limits(scores, fail_under)
    return 0


def _score_model(found: Target, talk: Talk) -> list[Score]:
    runtime = found.recipe.runtime
    check_world(runtime.nproc)
    set_threads(runtime.threads)
    placement = make_accelerator(runtime.device, runtime.precision, for_inference=True)
    if placement.warning:
        talk.warn(placement.warning)
    assert found.model is not None
    try:
        model, tokenizer = load_trained(found.model)
        model.set_attention(runtime.attention)
        task = read_task(found.recipe, talk, label_names=labels_of(model, find_task(found.recipe.task)) or None)
        check_head(model.config, task, found.model)
        scores = []
        splits = {name: rows for name, rows in task.splits.items() if name in task.spec.dev_splits}
        encoded = encode_splits(_only(task, splits), tokenizer, max_length=found.recipe.data.max_length)
        for split, rows in scored_splits(task, encoded).items():
            said = answer(model, task.spec, rows, accelerator=placement.accelerator)
            scores += scores_with_intervals(task.spec, split, said.predictions, rows.labels)
        return scores
    finally:
        leave_processes()


def check_head(config: Any, task: TaskData, folder: Path) -> None:
    """Refuse a head that answers another kind of question.

    Raises:
        ModelError: the numbers of classes differ, or the kind of problem does.
    """
    wanted = head_fields(task)
    kind = config.problem_type or wanted["problem_type"]
    if config.num_labels != wanted["num_labels"] or kind != wanted["problem_type"]:
        raise ModelError(
            f"{folder} answers {config.num_labels} classes ({kind}), "
            f"{task.spec.name} asks for {wanted['num_labels']} ({wanted['problem_type']})",
            hint="use a model that was fine-tuned on this task",
        )


def _only(task: TaskData, splits: dict[str, Any]) -> TaskData:
    return TaskData(task.spec, splits, task.label_names)


def _score_file(found: Target, predictions: Path, talk: Talk) -> list[Score]:
    task = read_task(found.recipe, talk)
    splits = [name for name in task.spec.dev_splits if name in task.splits]
    if not splits:
        raise DataError(f"the data of {task.spec.name} has no rows to score", hint="name one with data.split.dev")
    split = next((name for name in splits if name == predictions.stem), splits[0])
    rows = task.splits[split]
    said = read_predictions(predictions, rows, spec=task.spec, label_names=task.label_names)
    return scores_with_intervals(task.spec, split, said, references(rows, spec=task.spec))


def _show(found: Target, scores: Sequence[Score], options: RunOptions) -> None:
    if options.json:
        by_split: dict[str, dict[str, Any]] = {}
        for one in scores:
            entry = {"value": one.value, "low": one.low, "high": one.high, "n": one.num_examples}
            by_split.setdefault(one.split, {})[one.name] = entry
        result_json({"command": "eval", "task": found.recipe.task, "scores": by_split})
        return
    for one in scores:
        result_text(f"{one.split}\t{one.name}\t{score_text(one)}\tn = {one.num_examples}")


def _check_names(scores: Sequence[Score], limits: Mapping[str, float]) -> None:
    names = {one.name for one in scores}
    for name in limits:
        if name not in names:
            raise UsageError(f"--fail-under names no score: {name}", hint=f"scores are {', '.join(sorted(names))}")
        if name in SMALLER_IS_BETTER:
            raise UsageError(f"--fail-under {name}: a small {name} is a good one", hint="name another score")


def _check_limits(scores: Sequence[Score], limits: Mapping[str, float]) -> None:
    """Compare with limits given as fractions of 1, or as points of 100 when they are above 1.

    Raises:
        ThresholdError: naming every score that is too low.
    """
    low = []
    for one in scores:
        limit = limits.get(one.name)
        if limit is None:
            continue
        value = 100 * one.value if limit > 1 else one.value
        if not value >= limit:  # nan is too low
            low.append(f"{one.split} {one.name} is {value:.4g}, below {limit:g}")
    if low:
        raise ThresholdError("; ".join(low), hint="train longer, or lower --fail-under")
