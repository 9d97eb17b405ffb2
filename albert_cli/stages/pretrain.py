"""`albert pretrain`: raw text in, model out."""

from __future__ import annotations

from typing import Any

from accelerate import Accelerator

from albert_cli.data.live import LiveSource
from albert_cli.models.heads import AlbertForMaskedLM, AlbertForPreTraining
from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.requests import RunOptions
from albert_cli.recipe.schema import PretrainRecipe
from albert_cli.report.console import Talk, result_json
from albert_cli.stages.assemble import Assembled
from albert_cli.stages.dry_run import DryRun, dry_run
from albert_cli.stages.each_node import Machines, machines_with_texts_of_their_own, places_in_texts
from albert_cli.stages.finish import finish_run
from albert_cli.stages.optimisation import TrainPlan, micro_batches, plan_training
from albert_cli.stages.plan_report import say_plan
from albert_cli.stages.pretraining_data import PretrainingData, Team, open_text, pretraining_data
from albert_cli.stages.pretraining_watch import Watch, final_scores, measured
from albert_cli.stages.resuming import places_of
from albert_cli.stages.session import Session, open_session, start_processes
from albert_cli.stages.start import build_start
from albert_cli.stages.suspicions import Collapse, Suspicions
from albert_cli.stages.tokenizers import load_tokenizer
from albert_cli.stages.training_run import Trained, Work, run_training
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.interrupt import stop_between_runs
from albert_cli.training.objectives import PretrainingObjective
from albert_cli.training.waiting import first_on_each_machine

# Steps after the warm-up in which new weights may still come down to knowing nothing.
_STEPS_TO_SETTLE = 100


def run(loaded: LoadedRecipe, options: RunOptions) -> int:
    """Pretrain as a recipe says.

    Returns:
        Exit code 0.

    Raises:
        AlbertError: with the exit code that its kind has.
    """
    with Talk(quiet=options.quiet) as talk, stop_between_runs():
        result = execute(loaded, options, talk)
        if options.json and talk.is_main:
            result_json(result)
    return 0


def execute(loaded: LoadedRecipe, options: RunOptions, talk: Talk) -> dict[str, Any]:
    """Do the work of `run`; the result is what ``--json`` prints."""
    recipe = loaded.recipe
    assert isinstance(recipe, PretrainRecipe)
    accelerator = start_processes(recipe.runtime, talk, dry_run=options.dry_run)
    tokenizer = load_tokenizer(recipe)
    kind = AlbertForMaskedLM if recipe.objective.sentence == "none" else AlbertForPreTraining
    assembled = build_start(recipe, kind, tokenizer=tokenizer)
    place = None if options.dry_run else machines_with_texts_of_their_own(recipe.data)
    with first_on_each_machine(accelerator):
        shards = open_text(recipe, tokenizer, talk, place)
    world = recipe.runtime.nproc if options.dry_run else accelerator.num_processes
    on_gpu = accelerator.device.type == "cuda"
    longest = recipe.data.max_length
    batch_size, accumulate = micro_batches(recipe.train, world_size=world, on_gpu=on_gpu, longest=longest)
    team = Team(batch_size, accumulate, accelerator.process_index, world)
    data = pretraining_data(recipe, tokenizer, shards, team, place)
    plan = plan_training(recipe.train, epoch_size=data.epoch_size, world_size=world, on_gpu=on_gpu, longest=longest)
    say_plan(talk, assembled, plan, recipe.train, world_size=world, examples=data.epoch_size)
    for remark in data.remarks:
        talk.say(remark)
    if options.dry_run:
        return _dry_run(loaded, talk, accelerator, assembled, tokenizer, plan, data)
    with open_session(loaded, options, talk=talk, accelerator=accelerator) as session:
        return _train(session, recipe, assembled, tokenizer, plan, data, place)


def _objective(recipe: PretrainRecipe, data: PretrainingData) -> PretrainingObjective:
    return PretrainingObjective(sentence_order=recipe.objective.sentence != "none", unigram_log_probs=data.unigram)


def _dry_run(
    loaded: LoadedRecipe,
    talk: Talk,
    accelerator: Accelerator,
    assembled: Assembled,
    tokenizer: AlbertTokenizer,
    plan: TrainPlan,
    data: PretrainingData,
) -> dict[str, Any]:
    recipe = loaded.recipe
    assert isinstance(recipe, PretrainRecipe)
    return dry_run(
        DryRun(
            loaded=loaded,
            assembled=assembled,
            tokenizer=tokenizer,
            objective=_objective(recipe, data),
            source=data.make_source(plan.max_steps),
            plan=plan,
            accelerator=accelerator,
            data=data.facts,
            evaluated_tokens=sum(batch.num_tokens for batch in data.held_out),
        ),
        talk,
    )


def _train(
    session: Session,
    recipe: PretrainRecipe,
    assembled: Assembled,
    tokenizer: AlbertTokenizer,
    plan: TrainPlan,
    data: PretrainingData,
    place: Machines | None,
) -> dict[str, Any]:
    objective = _objective(recipe, data)
    train = recipe.train
    watch = Watch(
        session=session,
        model=assembled.model,
        objective=objective,
        held_out=data.held_out,
        max_steps=plan.max_steps,
        suspicions=Suspicions(continued=assembled.start is not None),
        collapse=Collapse(train.start_warmup_step + train.warmup_steps + _STEPS_TO_SETTLE),
    )
    source = data.make_source(plan.max_steps)
    position, seek = None, None
    if isinstance(source, LiveSource):
        position, seek = places_in_texts(source, data.text, session.accelerator, place)
    work = Work(
        model=assembled.model,
        tokenizer=tokenizer,
        objective=objective,
        source=source,
        plan=plan,
        data_fingerprint=data.fingerprint,
        places=places_of(recipe),
        evaluate=watch.measure if data.held_out else None,
        measure=measured,
        higher_is_better=False,
        train_line=watch.train_line,
        evaluate_first=assembled.start is not None and bool(data.held_out),
        position=position,
        seek=seek,
        remember=watch.state,
        take_up=watch.take_up,
    )
    return _finish(session, work, assembled, run_training(session, recipe, work), watch, data)


def _finish(
    session: Session,
    work: Work,
    assembled: Assembled,
    trained: Trained,
    watch: Watch,
    data: PretrainingData,
) -> dict[str, Any]:
    """Measure the best weights, say what they know, and leave them behind."""
    scores = final_scores(watch.measure(trained.course.step)) if data.held_out else []
    for score in scores:
        if score.name == "sop_accuracy" and score.low is not None and score.high is not None:
            session.talk.say(
                f"sentence order of {score.num_examples:,} held-out pairs: {score.value:.1%} "
                f"(95 % interval {score.low:.1%} to {score.high:.1%})"
            )
    return finish_run(
        session,
        work,
        assembled,
        trained,
        scores=[score for score in scores if "accuracy" in score.name],
        data=dict(data.facts),
        result={
            "held_out": {score.name: score.value for score in scores},
            "intervals": {score.name: [score.low, score.high] for score in scores if score.low is not None},
            "rollbacks": trained.guard.number,
            "skipped_steps": [[begin, end - 1] for begin, end in trained.guard.skipped],
            "data": {name: value for name, value in data.facts.items() if isinstance(value, int)},
        },
    )
