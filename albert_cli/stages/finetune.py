"""`albert finetune`: labelled examples in, scored model out."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from albert_cli.data.examples import Examples
from albert_cli.data.finetuning import FinetuneSource
from albert_cli.errors import DataError, UsageError
from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.requests import RunOptions
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.report.card import Score, score_text
from albert_cli.report.console import Talk, result_json
from albert_cli.stages.answering import ask, by_split
from albert_cli.stages.assemble import Assembled, build_model, load_tokenizer
from albert_cli.stages.finish import finish_run
from albert_cli.stages.follow import Measured, Window
from albert_cli.stages.official import final_scores, load_metrics
from albert_cli.stages.optimisation import plan_training
from albert_cli.stages.plan_report import say_plan
from albert_cli.stages.session import Session, open_session, start_processes
from albert_cli.stages.tasks.open import open_task
from albert_cli.stages.tasks.protocol import Task, scored_examples
from albert_cli.stages.training_run import Work, run_training


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
        task = open_task(recipe, talk)
    metrics = load_metrics(recipe.metrics, talk)
    assembled = build_model(recipe, task.model_class, tokenizer=tokenizer, labels=task.head_fields())
    encoded = task.encode(tokenizer, list(task.splits))
    train_examples = _training_examples(task, encoded)
    scored_examples(task, encoded)
    cut = train_examples.truncated_fraction
    if cut:
        talk.say(f"{cut:.1%} of the training rows are cut to {recipe.data.max_length} tokens")
    world = recipe.runtime.nproc if options.dry_run else accelerator.num_processes
    on_gpu = accelerator.device.type == "cuda"
    plan = plan_training(recipe.train, epoch_size=len(train_examples), world_size=world, on_gpu=on_gpu)
    say_plan(talk, assembled, plan, recipe.train, world_size=world, examples=len(train_examples))
    if options.dry_run:
        return {"command": "finetune", "dry_run": True, "max_steps": plan.max_steps}
    source = FinetuneSource(
        train_examples,
        plan.batch_size,
        accumulate=plan.accumulate,
        rank=accelerator.process_index,
        world_size=world,
        seed=recipe.seed,
        max_steps=plan.max_steps,
        grouped=recipe.data.order == "grouped",
    )
    with open_session(loaded, options, talk=talk, accelerator=accelerator) as session:
        work = Work(
            model=assembled.model,
            tokenizer=tokenizer,
            objective=task.objective(),
            source=source,
            plan=plan,
            data_fingerprint=train_examples.fingerprint(),
            evaluate=lambda _step: _ask(session, assembled, task, scored_examples(task, encoded)),
            measure=lambda answers: _measured(task, answers),
            higher_is_better=task.best_metric not in task.smaller_is_better,
            train_line=_train_line,
        )
        trained = run_training(session, recipe, work)
        return _finish(session, work, assembled, trained, task, encoded, metrics)


def _training_examples(task: Task, encoded: dict[str, Examples]) -> Examples:
    if "train" not in encoded:
        raise DataError(
            f"the data of {task.name} has no split 'train', only {', '.join(encoded)}",
            hint="add the file, or name the one to use with data.split.train=NAME",
        )
    if not encoded["train"].is_labelled:
        raise DataError("the train split has rows without a label", hint="remove them, or name a labelled split")
    return encoded["train"]


def _ask(session: Session, assembled: Assembled, task: Task, encoded: dict[str, Examples]) -> dict[str, Any]:
    return ask(assembled.model, task, encoded, accelerator=session.accelerator, stop=session.stop)


def _measured(task: Task, answers: dict[str, Any]) -> Measured:
    lines = {split: {"loss": said.loss, **task.scores(split, said)} for split, said in answers.items()}
    return Measured(lines, score=lines[task.dev_splits[0]][task.best_metric])


def _train_line(window: Window) -> dict[str, float]:
    losses, sums = window.read()
    last = window.last
    assert last is not None
    values = {"loss": sum(losses.values())}
    if "correct" in sums:
        values["accuracy"] = sums["correct"] / max(sums[f"{next(iter(losses))}_count"], 1.0)
    return {**values, "learning_rate": last.learning_rate, "gradient_norm": float(last.gradient_norm)}


def _finish(
    session: Session,
    work: Work,
    assembled: Assembled,
    trained: Any,
    task: Task,
    encoded: dict[str, Examples],
    metrics: dict[str, Any],
) -> dict[str, Any]:
    """Score the best weights with intervals, write predictions of dev and test, the model and its card."""
    splits = {name: encoded[name] for name in (*task.dev_splits, *task.test_splits)}
    answers = _ask(session, assembled, task, splits)
    best_split = task.dev_splits[0]
    assembled.model.config.extra.update(task.settle(best_split, answers[best_split]))
    scores: list[Score] = []
    for split, said in answers.items():
        if session.run.writes:
            task.write(session.run.predictions_path(""), split, said)
        if encoded[split].is_labelled:
            scores += final_scores(task, split, said, metrics, session.talk)
    for found in scores:
        session.talk.say(f"{found.split}  {found.name}  {score_text(found)}  (n = {found.num_examples:,})")
    trivial = task.baseline(best_split)
    if trivial is not None:
        session.talk.say(f"{best_split}  {trivial.name}  {trivial.metric} {100 * trivial.value:.2f}")
    rows = {f"{name} rows": len(data) for name, data in task.splits.items()}
    result = {"scores": by_split(scores), "baseline": None if trivial is None else trivial.value}
    return finish_run(session, work, assembled, trained, scores=scores, data=rows, result=result)
