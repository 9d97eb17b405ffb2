"""`albert finetune`: labelled examples in, scored model out."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from albert_cli.data.features import EncodedTask
from albert_cli.data.finetuning import FinetuneSource
from albert_cli.data.tasks.load import TaskData
from albert_cli.errors import DataError, UsageError
from albert_cli.models.heads import AlbertForSequenceClassification
from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.requests import RunOptions
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.report.card import Score, score_text
from albert_cli.report.console import Talk, result_json
from albert_cli.stages.assemble import Assembled, build_model, load_tokenizer
from albert_cli.stages.finish import finish_run
from albert_cli.stages.follow import Measured, Window
from albert_cli.stages.optimisation import plan_training
from albert_cli.stages.plan_report import say_plan
from albert_cli.stages.prediction_files import write_split
from albert_cli.stages.session import Session, open_session, start_processes
from albert_cli.stages.task_model import (
    Answers,
    answer,
    baseline,
    encode_splits,
    fingerprint,
    head_fields,
    read_task,
    score,
    scored_splits,
    scores_with_intervals,
    smaller_is_better,
)
from albert_cli.stages.training_run import Work, run_training
from albert_cli.training.objectives import ClassificationObjective


def run(loaded: LoadedRecipe, options: RunOptions, *, seeds: Sequence[int] | None = None) -> int:
    """Fine-tune as a recipe says, once, or once for each seed.

    Returns:
        Exit code 0.

    Raises:
        AlbertError: with the exit code that its kind has.
    """
    with Talk(quiet=options.quiet) as talk:
        result = execute(loaded, options, talk) if seeds is None else _run_seeds(loaded, options, talk, seeds)
        if options.json and talk.is_main:
            result_json(result)
    return 0


def _run_seeds(loaded: LoadedRecipe, options: RunOptions, talk: Talk, seeds: Sequence[int]) -> dict[str, Any]:
    """One run directory for each seed inside the common one; then mean, spread, median and best."""
    if loaded.recipe.out is None:
        raise UsageError("--seeds needs --out, a folder for the runs", hint="add --out DIR")
    results = []
    for seed in seeds:
        out = str(Path(loaded.recipe.out) / f"seed-{seed}")
        recipe = loaded.recipe.model_copy(update={"seed": seed, "out": out})
        talk.say(f"seed {seed}")
        mine = replace(options, resume=options.resume and Path(out).exists())
        results.append(execute(replace(loaded, recipe=recipe), mine, talk))
    if options.dry_run:
        return results[0]
    summary = {}
    for split, names in results[0]["scores"].items():
        summary[split] = {name: _summary([one["scores"][split][name] for one in results]) for name in names}
        for name, values in summary[split].items():
            text = "  ".join(f"{key} {value:.4f}" for key, value in values.items())
            talk.say(f"{len(seeds)} seeds  {split}  {name}  {text}")
    return {"command": "finetune", "seeds": list(seeds), "summary": summary, "runs": results}


def _summary(values: list[float]) -> dict[str, float]:
    return {
        "mean": statistics.fmean(values),
        "sd": statistics.stdev(values) if len(values) > 1 else 0.0,
        "median": statistics.median(values),
        "best": max(values),
    }


def execute(loaded: LoadedRecipe, options: RunOptions, talk: Talk) -> dict[str, Any]:
    """One run; the result is what ``--json`` prints."""
    recipe = loaded.recipe
    assert isinstance(recipe, FinetuneRecipe)
    accelerator = start_processes(recipe.runtime, talk, dry_run=options.dry_run)
    tokenizer = load_tokenizer(recipe)
    with accelerator.local_main_process_first():
        task = read_task(recipe, talk)
    assembled = build_model(recipe, AlbertForSequenceClassification, tokenizer=tokenizer, labels=head_fields(task))
    encoded = encode_splits(task, tokenizer, max_length=recipe.data.max_length)
    train_rows = _training_rows(task, encoded)
    scored_splits(task, encoded)
    cut = train_rows.truncated_fraction
    if cut:
        talk.say(f"{cut:.1%} of the training rows are cut to {recipe.data.max_length} tokens")
    world = recipe.runtime.nproc if options.dry_run else accelerator.num_processes
    plan = plan_training(recipe.train, epoch_size=len(train_rows), world_size=world)
    say_plan(talk, assembled, plan, recipe.train, world_size=world, examples=len(train_rows))
    if options.dry_run:
        return {"command": "finetune", "dry_run": True, "max_steps": plan.max_steps}
    source = FinetuneSource(
        train_rows,
        recipe.train.batch_size,
        accumulate=recipe.train.accumulate,
        rank=accelerator.process_index,
        world_size=world,
        seed=recipe.seed,
        max_steps=plan.max_steps,
    )
    with open_session(loaded, options, talk=talk, accelerator=accelerator) as session:
        work = Work(
            model=assembled.model,
            tokenizer=tokenizer,
            objective=ClassificationObjective(task.spec.problem_type),
            source=source,
            plan=plan,
            data_fingerprint=fingerprint(train_rows),
            evaluate=lambda _step: _ask_dev(session, assembled, task, encoded),
            measure=lambda answers: _measured(task, encoded, answers),
            higher_is_better=not smaller_is_better(task.spec),
            train_line=lambda window: _train_line(task, window),
        )
        trained = run_training(session, recipe, work)
        return _finish(session, work, assembled, trained, task, encoded)


def _training_rows(task: TaskData, encoded: dict[str, EncodedTask]) -> EncodedTask:
    task.require("train")
    rows = encoded["train"]
    if not rows.is_labelled:
        raise DataError("the train split has rows without a label", hint="remove them, or name a labelled split")
    return rows


def _ask_dev(
    session: Session, assembled: Assembled, task: TaskData, encoded: dict[str, EncodedTask]
) -> dict[str, Answers]:
    return {
        name: answer(assembled.model, task.spec, rows, accelerator=session.accelerator, stop=session.stop)
        for name, rows in scored_splits(task, encoded).items()
    }


def _measured(task: TaskData, encoded: dict[str, EncodedTask], answers: dict[str, Answers]) -> Measured:
    lines = {}
    for split, said in answers.items():
        labels = encoded[split].labels
        lines[split] = {"loss": said.loss, **score(task.spec, split, said.predictions, labels)}
    return Measured(lines, score=next(iter(lines.values()))[task.spec.best_metric])


def _train_line(task: TaskData, window: Window) -> dict[str, float]:
    losses, sums = window.read()
    last = window.last
    assert last is not None
    values = {"loss": losses["classification"]}
    if "correct" in sums:
        values["accuracy"] = sums["correct"] / max(sums["classification_count"], 1.0)
    return {**values, "learning_rate": last.learning_rate, "gradient_norm": float(last.gradient_norm)}


def _finish(
    session: Session,
    work: Work,
    assembled: Assembled,
    trained: Any,
    task: TaskData,
    encoded: dict[str, EncodedTask],
) -> dict[str, Any]:
    """Score the best weights with intervals, write predictions of dev and test, the model and its card."""
    splits = [*scored_splits(task, encoded), *(name for name in task.spec.test_splits if name in encoded)]
    answers = {
        name: answer(assembled.model, task.spec, encoded[name], accelerator=session.accelerator, stop=session.stop)
        for name in splits
    }
    scores: list[Score] = []
    for split, said in answers.items():
        if session.run.writes:
            write_split(session.run.predictions_path(""), task, split, said)
        labels = encoded[split].labels
        if encoded[split].is_labelled:
            scores += scores_with_intervals(task.spec, split, said.predictions, labels)
    for found in scores:
        session.talk.say(f"{found.split}  {found.name}  {score_text(found)}  (n = {found.num_examples:,})")
    share = baseline(task.spec, np.asarray(encoded[task.spec.dev_splits[0]].labels))
    if share is not None:
        session.talk.say(f"{task.spec.dev_splits[0]}  always the most frequent class  {100 * share:.2f}")
    by_split: dict[str, dict[str, float]] = {}
    for found in scores:
        by_split.setdefault(found.split, {})[found.name] = found.value
    rows = {f"{name} rows": len(data) for name, data in task.splits.items()}
    return finish_run(
        session, work, assembled, trained, scores=scores, data=rows, result={"scores": by_split, "majority": share}
    )
