"""`albert finetune`: labelled examples in, scored model out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accelerate import Accelerator

from albert_cli.data.examples import Examples
from albert_cli.data.finetuning import FinetuneSource
from albert_cli.data.token_batches import TokenBudgetSource
from albert_cli.errors import DataError
from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.requests import RunOptions
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.report.card import Score, score_text
from albert_cli.report.console import Talk, result_json
from albert_cli.stages.answering import ask, by_split, intervals
from albert_cli.stages.assemble import Assembled, build_model
from albert_cli.stages.attempts import Attempts
from albert_cli.stages.breakdown import details, mistakes
from albert_cli.stages.class_weights import training_objective
from albert_cli.stages.collapse import sign_of_collapse
from albert_cli.stages.dry_run import DryRun, dry_run
from albert_cli.stages.finish import finish_run
from albert_cli.stages.follow import Measured, Window
from albert_cli.stages.official import final_scores, load_metrics
from albert_cli.stages.optimisation import TrainPlan, plan_training
from albert_cli.stages.plan_report import best_rule, say_plan
from albert_cli.stages.resuming import places_of
from albert_cli.stages.seeds import run_seeds
from albert_cli.stages.session import Session, open_session, start_processes
from albert_cli.stages.tasks.facts import Explained, WordScored
from albert_cli.stages.tasks.open import open_task
from albert_cli.stages.tasks.protocol import Task, scored_examples
from albert_cli.stages.tokenizers import load_tokenizer
from albert_cli.stages.training_run import Trained, Work, run_training
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.interrupt import stop_between_runs
from albert_cli.training.waiting import first_on_each_machine

_MISTAKES_SHOWN = 20


def run(loaded: LoadedRecipe, options: RunOptions, *, seeds: Sequence[int] | None = None) -> int:
    """Fine-tune as a recipe says, once, or once for each seed.

    Returns:
        Exit code 0.

    Raises:
        AlbertError: with the exit code that its kind has.
    """
    with Talk(quiet=options.quiet) as talk, stop_between_runs():
        result = execute(loaded, options, talk) if seeds is None else run_seeds(loaded, options, talk, seeds, execute)
        if options.json and talk.is_main:
            result_json(result)
    return 0


def execute(loaded: LoadedRecipe, options: RunOptions, talk: Talk) -> dict[str, Any]:
    """One run; the result is what ``--json`` prints."""
    recipe = loaded.recipe
    assert isinstance(recipe, FinetuneRecipe)
    accelerator = start_processes(recipe.runtime, talk, dry_run=options.dry_run)
    tokenizer = load_tokenizer(recipe)
    with first_on_each_machine(accelerator):
        task = open_task(recipe, talk)
    metrics = load_metrics(recipe.metrics, talk)
    assembled = build_model(recipe, task.model_class, tokenizer=tokenizer, labels=task.head_fields())
    with first_on_each_machine(accelerator):  # the others find the features in the cache
        encoded = task.encode(tokenizer, list(task.splits))
    train_examples = _training_examples(task, encoded)
    scored_examples(task, encoded)
    cut = train_examples.truncated_fraction
    if cut:
        talk.say(f"{cut:.1%} of the training rows are cut to {recipe.data.max_length} tokens")
    world = recipe.runtime.nproc if options.dry_run else accelerator.num_processes
    on_gpu = accelerator.device.type == "cuda"
    plan = plan_training(
        recipe.train,
        epoch_size=len(train_examples),
        world_size=world,
        on_gpu=on_gpu,
        parts_of_epoch=_parts_of_epoch(recipe, train_examples),
    )
    say_plan(talk, assembled, plan, recipe.train, world_size=world, examples=len(train_examples))
    split, metric = task.dev_splits[0], task.best_metric
    higher = metric not in task.smaller_is_better
    rule = best_rule(recipe.train, plan, split=split, metric=metric, higher_is_better=higher)
    talk.say(f"best checkpoint: {rule}")
    if options.dry_run:
        return _dry_run(loaded, talk, accelerator, assembled, tokenizer, task, encoded, plan)
    with open_session(loaded, options, talk=talk, accelerator=accelerator) as session:
        attempts = Attempts(session, recipe)
        while True:
            now = attempts.recipe
            if now.seed != recipe.seed:
                assembled = build_model(now, task.model_class, tokenizer=tokenizer, labels=task.head_fields())
            work = _work(
                session, now, assembled, tokenizer, task, encoded, plan, rule, gives_up=attempts.may_begin_anew
            )
            trained = run_training(session, now, work)
            if not attempts.begin_anew(trained.course):
                return _finish(session, work, assembled, trained, task, encoded, metrics)


def _work(
    session: Session,
    recipe: FinetuneRecipe,
    assembled: Assembled,
    tokenizer: AlbertTokenizer,
    task: Task,
    encoded: dict[str, Examples],
    plan: TrainPlan,
    rule: str,
    *,
    gives_up: bool,
) -> Work:
    examples = encoded["train"]
    dev = scored_examples(task, encoded)
    return Work(
        model=assembled.model,
        tokenizer=tokenizer,
        objective=training_objective(task, examples, recipe.train.class_weights, session.talk),
        source=_source(session.accelerator, recipe, examples, plan),
        plan=plan,
        data_fingerprint=examples.fingerprint(),
        scored={f"{split} data": found.fingerprint() for split, found in dev.items()},
        places=places_of(recipe, tuple(f"{split} data" for split in dev)),
        evaluate=lambda _step: _ask(session, assembled, task, dev),
        measure=lambda answers: _measured(task, dev, answers),
        higher_is_better=task.best_metric not in task.smaller_is_better,
        train_line=_train_line,
        rule=rule,
        gives_up=gives_up,
    )


def _dry_run(
    loaded: LoadedRecipe,
    talk: Talk,
    accelerator: Accelerator,
    assembled: Assembled,
    tokenizer: AlbertTokenizer,
    task: Task,
    encoded: dict[str, Examples],
    plan: TrainPlan,
) -> dict[str, Any]:
    recipe, examples = loaded.recipe, encoded["train"]
    assert isinstance(recipe, FinetuneRecipe)
    rows = {split: len(data) for split, data in task.splits.items()}
    cut = {split: found.truncated_fraction for split, found in encoded.items()}
    return dry_run(
        DryRun(
            loaded=loaded,
            assembled=assembled,
            tokenizer=tokenizer,
            objective=training_objective(task, examples, recipe.train.class_weights, talk),
            source=_source(accelerator, recipe, examples, plan),
            plan=plan,
            accelerator=accelerator,
            data={"rows": rows, "truncated_fraction": cut},
            evaluated_tokens=sum(int(found.lengths.sum()) for found in scored_examples(task, encoded).values()),
        ),
        talk,
    )


def _source(
    accelerator: Accelerator, recipe: FinetuneRecipe, examples: Examples, plan: TrainPlan
) -> FinetuneSource | TokenBudgetSource:
    rank, world = accelerator.process_index, accelerator.num_processes
    how = {"accumulate": plan.accumulate, "rank": rank, "world_size": world, "max_steps": plan.max_steps}
    if recipe.train.batch_tokens is not None:
        return TokenBudgetSource(examples, recipe.train.batch_tokens, seed=recipe.seed, **how)
    grouped = recipe.data.order == "grouped"
    return FinetuneSource(examples, plan.batch_size, seed=recipe.seed, grouped=grouped, **how)


def _parts_of_epoch(recipe: FinetuneRecipe, examples: Examples) -> int | None:
    """Micro-batches of the first epoch where tokens are counted; None where examples are."""
    budget = recipe.train.batch_tokens
    if budget is None:
        return None
    return TokenBudgetSource(examples, budget, seed=recipe.seed, max_steps=1).micro_batches_of_an_epoch()


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


def _measured(task: Task, dev: dict[str, Examples], answers: dict[str, Any]) -> Measured:
    lines = {split: {"loss": said.loss, **task.scores(split, said)} for split, said in answers.items()}
    first = task.dev_splits[0]
    labels = task.label_counts(first, dev[first])
    collapse = sign_of_collapse(task.records(first, answers[first]), labels, answers[first].loss)
    return Measured(lines, score=lines[first][task.best_metric], collapse=collapse)


def _train_line(window: Window) -> dict[str, float]:
    losses, sums = window.read()
    last = window.last
    assert last is not None
    values = {"loss": sum(losses.values())}
    if "correct" in sums:
        values["accuracy"] = sums["correct"] / max(sums.get("examples", sums[f"{next(iter(losses))}_count"]), 1.0)
    return {**values, "learning_rate": last.learning_rate, "gradient_norm": float(last.gradient_norm)}


def _finish(
    session: Session,
    work: Work,
    assembled: Assembled,
    trained: Trained,
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
    words = task.word_baseline(best_split) if isinstance(task, WordScored) and session.talk.is_main else None
    for known in (trivial, words):
        if known is not None:
            session.talk.say(f"{best_split}  {known.name}  {known.metric} {100 * known.value:.2f}")
    rows = {f"{name} rows": len(data) for name, data in task.splits.items()}
    result = {
        "scores": by_split(scores),
        "intervals": intervals(scores),
        "chosen_by": _chosen_by(work, task, scores),
        "smaller_is_better": sorted(task.smaller_is_better),
        "baseline": None if trivial is None else trivial.value,
        "word_baseline": None if words is None else words.value,
        "seed": session.loaded.seed,
        "collapse": trained.course.collapse if trained.course.collapsed else None,
    }
    explained = _explained(task, best_split, answers[best_split]) if session.run.writes else {}
    return finish_run(session, work, assembled, trained, scores=scores, data=rows, result=result, explained=explained)


def _explained(task: Task, split: str, answers: Any) -> dict[str, Any]:
    """Where the model is right and where wrong on the split that chose it, for the report."""
    _, worst = mistakes(task, split, answers, _MISTAKES_SHOWN)
    found = details(task, split, answers)[1] if isinstance(task, Explained) else {}
    return {"explained": {"split": split, "mistakes": worst, **found}}


def _chosen_by(work: Work, task: Task, scores: list[Score]) -> dict[str, Any]:
    """The score that chose the best checkpoint, as it is now."""
    split, metric = task.dev_splits[0], task.best_metric
    value = next(one.value for one in scores if (one.split, one.name) == (split, metric))
    return {"split": split, "metric": metric, "value": value, "higher_is_better": work.higher_is_better}
