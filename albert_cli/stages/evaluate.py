"""`albert eval`: score a model, or saved predictions without any model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from albert_cli.errors import DataError, ThresholdError, UsageError
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig
from albert_cli.recipe.requests import EvalOptions, RunOptions
from albert_cli.report.card import Score, score_text
from albert_cli.report.console import Talk, result_json, result_table, result_text
from albert_cli.report.tables import Table
from albert_cli.stages.answering import ask
from albert_cli.stages.breakdown import details, mistakes
from albert_cli.stages.glue_benchmark import combine
from albert_cli.stages.official import load_metrics, own_metrics, through_evaluate
from albert_cli.stages.target import Target, load_trained, read_target
from albert_cli.stages.tasks.open import open_task
from albert_cli.stages.tasks.protocol import Task, scored_examples
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.device import leave_processes, make_accelerator, set_threads
from albert_cli.training.launch import check_world


def run(
    targets: Sequence[str],
    *,
    model: str | None,
    recipe: str | None,
    overrides: Sequence[str],
    shortcuts: Mapping[str, Any],
    predictions: Path | None,
    fail_under: Mapping[str, float],
    shown: EvalOptions,
    options: RunOptions,
) -> int:
    """Score and print.

    Args:
        targets: recipe, run directory or model directory; several run directories to combine.
        model: ``--model``.
        recipe: ``--recipe``.
        overrides: ``--set``.
        shortcuts: values of the recipe that options gave.
        predictions: saved predictions to score instead of a model's.
        fail_under: limits by name of the score.
        shown: what to say besides the scores.
        options: how to go about it.

    Returns:
        Exit code 0.

    Raises:
        ThresholdError: a score is below its limit.
        AlbertError: with the exit code that its kind has.
    """
    with Talk(quiet=options.quiet) as talk:
        if shown.combine is not None:
            scores = combine(targets, overrides=overrides, out=shown.out, talk=talk, options=options)
            _check_names(scores, fail_under)
            _check_limits(scores, fail_under)
            return 0
        found = read_target(
            targets[0],
            model=model,
            recipe=recipe,
            overrides=overrides,
            shortcuts=shortcuts,
            needs_model=predictions is None,
        )
        metrics = load_metrics(found.recipe.metrics, talk)
        if predictions is not None:
            task, answers = _saved_answers(found, predictions, talk)
        else:
            task, answers = _ask_model(found, talk)
        scores = _scores(task, answers, metrics, official=shown.official)
        _check_names(scores, fail_under)
        if talk.is_main:
            _show(task, answers, scores, shown, options)
        _check_limits(scores, fail_under)
    return 0


def _ask_model(found: Target, talk: Talk) -> tuple[Task, dict[str, Any]]:
    runtime = found.recipe.runtime
    check_world(runtime.nproc)
    set_threads(runtime.threads)
    placement = make_accelerator(runtime.device, runtime.precision, for_inference=True)
    if placement.warning:
        talk.warn(placement.warning)
    assert found.model is not None
    try:
        model, tokenizer, task = open_scored(found, talk)
        model.set_attention(runtime.attention)
        encoded = scored_examples(task, task.encode(tokenizer, task.dev_splits))
        return task, ask(model, task, encoded, accelerator=placement.accelerator)
    finally:
        leave_processes()


def open_scored(found: Target, talk: Talk) -> tuple[AlbertPreTrainedModel, AlbertTokenizer, Task]:
    """The trained model of a target, its tokenizer, and the rows to score.

    Raises:
        ModelError: the model answers something else, or was not trained.
    """
    assert found.model is not None
    config = AlbertConfig.from_pretrained(found.model)
    task = open_task(found.recipe, talk, config=config)
    model, tokenizer = load_trained(found.model, task.model_class)
    task.check_head(model.config, found.model)
    return model, tokenizer, task


def _saved_answers(found: Target, predictions: Path, talk: Talk) -> tuple[Task, dict[str, Any]]:
    task = open_task(found.recipe, talk)
    if not task.dev_splits:
        raise DataError(f"the data of {task.name} has no rows to score", hint="name one with data.split.dev")
    split = next((name for name in task.dev_splits if name == predictions.stem), task.dev_splits[0])
    return task, {split: task.saved_answers(split, predictions)}


def _scores(task: Task, answers: Mapping[str, Any], metrics: Mapping[str, Any], *, official: bool) -> list[Score]:
    scores: list[Score] = []
    for split, said in answers.items():
        found = task.scores_with_intervals(split, said)
        scores += through_evaluate(task, split, said, found) if official else found
        scores += own_metrics(task, split, said, metrics)
    return scores


def _show(
    task: Task, answers: Mapping[str, Any], scores: Sequence[Score], shown: EvalOptions, options: RunOptions
) -> None:
    tables: list[Table] = []
    more: dict[str, dict[str, Any]] = {}
    for split, said in answers.items():
        if shown.details:
            found, values = details(task, split, said)
            tables += found
            more.setdefault("details", {})[split] = values
        if shown.errors:
            worst, rows = mistakes(task, split, said, shown.errors)
            tables.append(worst)
            more.setdefault("errors", {})[split] = rows
    if options.json:
        by_split: dict[str, dict[str, Any]] = {}
        for one in scores:
            entry = {"value": one.value, "low": one.low, "high": one.high, "n": one.num_examples}
            by_split.setdefault(one.split, {})[one.name] = entry
        result_json({"command": "eval", "task": task.name, "scores": by_split, **more})
        return
    for one in scores:
        result_text(f"{one.split}\t{one.name}\t{score_text(one)}\tn = {one.num_examples}")
    for table in tables:
        result_text("")
        result_table(table)


def _check_names(scores: Sequence[Score], limits: Mapping[str, float]) -> None:
    named = {one.name: one for one in scores}
    for name in limits:
        if name not in named:
            raise UsageError(f"--fail-under names no score: {name}", hint=f"scores are {', '.join(sorted(named))}")
        if not named[name].is_share:
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
