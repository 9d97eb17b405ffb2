"""One training run, whatever the objective: optimiser, resume, loop, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from albert_cli.data.batching import PackedBatch
from albert_cli.errors import CheckpointError
from albert_cli.files.checksum import verify_manifest
from albert_cli.files.limits import require_free_space
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.recipe.schema import FinetuneRecipe, PretrainRecipe
from albert_cli.recipe.training import PretrainTrain
from albert_cli.report.progress import Progress
from albert_cli.stages.follow import Course, Follower, Measured, Window, course_from, shown_while_evaluating
from albert_cli.stages.limit_share import limit_share
from albert_cli.stages.machine import settle, settled, take_up
from albert_cli.stages.optimisation import TrainPlan, build_optimizer, build_schedule
from albert_cli.stages.resuming import Identity, division, refuse, resumed_anyway, versions
from albert_cli.stages.session import Session
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.checkpoint import (
    Found,
    TrainState,
    checkpoint_name,
    find_checkpoint,
    forget_later,
    list_checkpoints,
    load_on_all,
    mend_links,
    on_main_process,
    save_checkpoint,
    step_of,
)
from albert_cli.training.device import resolve_attention
from albert_cli.training.guards import Guard
from albert_cli.training.loading import Indexed
from albert_cli.training.loop import train
from albert_cli.training.objectives import Objective


@dataclass(frozen=True)
class Work:
    """What a run trains and how it is judged.

    Attributes:
        model: with the task's head, on the CPU.
        tokenizer: saved beside the weights.
        objective: losses and metrics.
        source: micro-batches by step.
        plan: steps and rates.
        data_fingerprint: changes when the training examples do.
        scored: digests of the other data that a run must find again, by what they are (`dev data`).
        places: where the data and the tokenizer are, for messages.
        evaluate: measures the model; called on all processes. None when there is nothing to measure on: then the last
            weights count as the best.
        measure: what the result says, and the score that picks the best checkpoint.
        higher_is_better: direction of that score.
        train_line: values of a line of metrics.jsonl from the sums of a log interval.
        evaluate_first: measure before the first step, for weights that should know something already.
        rule: how the best checkpoint is chosen, in words; None where the last one counts.
        gives_up: whether to end half-way when every evaluation found the model collapsed.
        position: where the source has to be taken up at a step, for sources that are read in order; kept in
            checkpoints. Called on all processes.
        seek: brings the source to such a position.
        remember: what those who watch the figures keep in a checkpoint, JSON values.
        take_up: gives it back to them, when a run is resumed or goes back.
    """

    model: AlbertPreTrainedModel
    tokenizer: AlbertTokenizer
    objective: Objective
    source: Indexed[list[PackedBatch]]
    plan: TrainPlan
    data_fingerprint: str
    evaluate: Callable[[int], Any] | None
    measure: Callable[[Any], Measured]
    higher_is_better: bool
    train_line: Callable[[Window], dict[str, float]]
    evaluate_first: bool = False
    rule: str | None = None
    gives_up: bool = False
    position: Callable[[int], dict[str, Any]] | None = None
    seek: Callable[[dict[str, Any]], None] | None = None
    remember: Callable[[], dict[str, Any]] = dict
    take_up: Callable[[dict[str, Any]], None] | None = None
    scored: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """How a run went.

    Attributes:
        course: where it ended and what was best; the model holds the best weights now.
        seconds: time of this part of the run, evaluations and checkpoints included.
        guard: how often it went back, and what it left out.
    """

    course: Course
    seconds: float
    guard: Guard


def run_training(session: Session, recipe: PretrainRecipe | FinetuneRecipe, work: Work) -> Trained:
    """Train from the start or from the newest sound checkpoint, and leave the best weights in the model.

    Raises:
        TrainingError: training cannot go on.
        Interrupted: someone asked to stop; the state is saved.
        CheckpointError: nothing sound to resume from, or other data.
    """
    accelerator, plan = session.accelerator, work.plan
    kind = resolve_attention(recipe.runtime.attention, device=accelerator.device, precision=recipe.runtime.precision)
    work.model.set_attention(kind)
    settle(work.model, recipe.runtime)
    optimizer = build_optimizer(work.model, recipe.train, learning_rate=plan.learning_rate)
    guard = _guard(recipe)
    on_main_process(accelerator, lambda: _require_room(session, work.model))
    course = _resume(session, recipe, work, optimizer, guard) if session.options.resume else _first(work)
    guard.restore = _restorer(session, work, optimizer, course, guard)
    save = _saver(session, recipe, work, optimizer, course, guard)
    follower = _follower(session, recipe, work, course, save)
    began = time.monotonic()
    if _goes_on(course, plan, recipe.train.early_stop):
        with Progress(session.talk, total=plan.max_steps, start=course.step) as progress:
            follower.follow(
                train(
                    model=work.model,
                    objective=work.objective,
                    source=work.source,
                    optimizer=optimizer,
                    schedule=build_schedule(recipe.train, max_steps=plan.max_steps),
                    accelerator=accelerator,
                    max_steps=plan.max_steps,
                    start_step=course.step,
                    clip=recipe.train.clip,
                    seed=recipe.seed,
                    evaluate=shown_while_evaluating(work.evaluate, progress),
                    eval_every=plan.eval_every if work.evaluate is not None else None,
                    save_every=plan.save_every,
                    evaluate_first=course.evaluation_due,
                    guard=guard,
                    stop=session.stop,
                    max_seconds=_seconds_left(session, recipe.train.max_hours),
                    workers=recipe.runtime.workers,
                ),
                progress,
            )
    accelerator.wait_for_everyone()
    chosen = "last" if work.evaluate is None else "best"
    load_on_all(accelerator, session.run.checkpoints_path / chosen, model=work.model)
    return Trained(course, time.monotonic() - began, guard)


def _follower(
    session: Session,
    recipe: PretrainRecipe | FinetuneRecipe,
    work: Work,
    course: Course,
    save: Callable[[bool], None],
) -> Follower:
    main, precision = session.accelerator.is_main_process, recipe.runtime.precision
    return Follower(
        session=session,
        course=course,
        save=save,
        train_line=work.train_line,
        measure=work.measure,
        higher_is_better=work.higher_is_better,
        log_every=recipe.train.log_every,
        early_stop=recipe.train.early_stop,
        give_up_from=work.plan.max_steps // 2 if work.gives_up else None,
        limit_share=limit_share(work.model.config, session.accelerator, precision) if main else None,
    )


def _seconds_left(session: Session, max_hours: float | None) -> float:
    """Time that training may take; attempts that were given up have used some."""
    return math.inf if max_hours is None else max_hours * 3600 - (time.monotonic() - session.began)


def _goes_on(course: Course, plan: TrainPlan, early_stop: int | None) -> bool:
    """Whether there is anything left to do; a resumed run may have been at its end."""
    if early_stop is not None and course.misses >= early_stop:
        return False
    return course.step < plan.max_steps or course.evaluation_due


def save_model_files(folder: Path, model: AlbertPreTrainedModel, tokenizer: AlbertTokenizer) -> None:
    """Write everything but the weights of the ``hf`` layout: configuration and tokenizer."""
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _resume(
    session: Session,
    recipe: PretrainRecipe | FinetuneRecipe,
    work: Work,
    optimizer: torch.optim.Optimizer,
    guard: Guard,
) -> Course:
    accelerator = session.accelerator
    found = on_main_process(accelerator, lambda: find_checkpoint(session.run.checkpoints_path))
    for path, problem in found.skipped:
        session.talk.warn(f"checkpoint {path.name} is damaged ({problem}); the one before it is used")
    if found.path is None:
        if found.skipped:
            raise CheckpointError(
                f"no sound checkpoint in {session.run.checkpoints_path}", hint="start anew with another --out"
            )
        session.talk.say("no checkpoint was written yet: starting from the first step")
        session.run.drop_metrics_after(-1)
        return _first(work)
    state = load_on_all(accelerator, found.path, model=work.model, optimizer=optimizer)
    course = course_from(state.extra["course"])
    _accept(session, recipe, work, state, course)
    _find_best(session, course, found)
    session.run.drop_metrics_after(state.step)
    guard.take_up(state.extra.get("guard", {}))
    if work.seek is not None and state.extra.get("position"):
        work.seek(state.extra["position"])
    _give_back(work, state)
    take_up(work.model, recipe.runtime, state.extra.get("machine", {}), session.talk)
    session.talk.say(f"continuing after step {state.step}")
    return course


def _identity(session: Session, recipe: PretrainRecipe | FinetuneRecipe, work: Work) -> Identity:
    world, plan = session.accelerator.num_processes, work.plan
    return Identity(
        data={"training data": work.data_fingerprint, **work.scored},
        tokenizer=work.tokenizer.fingerprint,
        versions=versions(),
        step_holds=division(recipe, effective_batch=plan.effective_batch, accumulate=plan.accumulate, world=world),
        processes=world,
        places=work.places,
    )


def _accept(
    session: Session, recipe: PretrainRecipe | FinetuneRecipe, work: Work, state: TrainState, course: Course
) -> None:
    """Go on with what has changed only if that was asked for, and note it.

    Raises:
        CheckpointError: something has changed that decides about the numbers.
    """
    identity, talk = _identity(session, recipe, work), session.talk
    changes = [*session.changes.other, *identity.changes(state, session.changes.divided)]
    if changes and not session.options.resume_anyway:
        raise refuse(changes)
    if changes:
        course.changes.append(resumed_anyway(state.step, changes))
        talk.warn(course.changes[-1])
    others = identity.other_processes(state)
    if others is not None:
        course.changes.append(f"after step {state.step}: {others}")
        talk.warn(others)


def _find_best(session: Session, course: Course, found: Found) -> None:
    """Make sure of the best checkpoint so far before the run goes on: its weights are what the run will leave.

    Raises:
        CheckpointError: it is damaged.
    """
    folder, path = session.run.checkpoints_path, found.path
    assert path is not None
    if course.best_step is not None and not session.options.resume_anyway:
        on_main_process(session.accelerator, lambda: _require_best(folder, checkpoint_name(course.best_step or 0)))
    problem = on_main_process(session.accelerator, lambda: mend_links(folder, path, best_step=course.best_step))
    if problem is not None:
        session.talk.warn(
            f"the best checkpoint so far, of step {course.best_step}, is lost ({problem}); "
            "the best of the evaluations to come counts"
        )
        course.best_score, course.best_step, course.misses = None, None, 0


def _require_best(folder: Path, name: str) -> None:
    """Nothing is amiss if a later checkpoint was the best: it is made again, and no worse."""
    if not (folder / name).is_dir():
        return
    problem = verify_manifest(folder / name)
    if problem is not None:
        raise CheckpointError(
            f"the best checkpoint so far, {folder / name}, is damaged ({problem})",
            hint="restore it, or start anew with another --out; --resume-anyway chooses among the evaluations to come",
        )


def _require_room(session: Session, model: AlbertPreTrainedModel) -> None:
    """Find out before the first step that no checkpoint will fit: weights and the optimiser's two moments."""
    size = 3 * sum(weight.numel() * weight.element_size() for weight in model.parameters())
    require_free_space(session.run.checkpoints_path, size * 11 // 10 + 2**22, what="a checkpoint")


def _give_back(work: Work, state: TrainState) -> None:
    if work.take_up is not None:
        work.take_up(state.extra.get("watch", {}))


def _first(work: Work) -> Course:
    return Course(evaluation_due=work.evaluate_first)


def _guard(recipe: PretrainRecipe | FinetuneRecipe) -> Guard:
    """What to look out for; fine-tuning gives up at the first fault, its runs are short."""
    train = recipe.train
    return Guard(spike=train.spike, most=train.rollbacks) if isinstance(train, PretrainTrain) else Guard()


def _restorer(
    session: Session, work: Work, optimizer: torch.optim.Optimizer, course: Course, guard: Guard
) -> Callable[[int | None], int | None]:
    """A function that brings back an earlier checkpoint; all processes call it. See `guards.Guard`."""

    def restore(before: int | None) -> int | None:
        chosen = on_main_process(session.accelerator, lambda: _earlier(session.run.checkpoints_path, before))
        if chosen is None:
            return None
        state = load_on_all(session.accelerator, Path(chosen), model=work.model, optimizer=optimizer)
        for name, value in vars(course_from(state.extra["course"])).items():
            setattr(course, name, value)
        guard.recent = list(state.extra.get("guard", {}).get("recent", []))
        _give_back(work, state)
        session.run.drop_metrics_after(state.step)
        return state.step

    return restore


def _earlier(folder: Path, before: int | None) -> str | None:
    """The newest sound checkpoint of before a step, or the newest at all; those made after it are removed."""
    sound = [path for path in list_checkpoints(folder) if verify_manifest(path) is None]
    older = [path for path in sound if before is None or step_of(path) < before]
    if not sound:
        return None
    chosen = (older or sound)[-1]
    forget_later(folder, chosen)
    return str(chosen)


def _saver(
    session: Session,
    recipe: PretrainRecipe | FinetuneRecipe,
    work: Work,
    optimizer: torch.optim.Optimizer,
    course: Course,
    guard: Guard,
) -> Callable[[bool], None]:
    """A function that saves a checkpoint; all processes call it."""

    identity = _identity(session, recipe, work)

    def write(best: bool, position: dict[str, Any]) -> Path:
        state = TrainState(
            step=course.step,
            seed=recipe.seed,
            best_score=course.best_score,
            best_step=course.best_step,
            data_fingerprint=work.data_fingerprint,
            versions=versions(),
            extra={
                "identity": identity.kept(),
                "course": asdict(course),
                "machine": settled(work.model),
                "guard": guard.state(),
                "position": position,
                "watch": work.remember(),
            },
        )
        return save_checkpoint(
            session.run.checkpoints_path,
            model=work.model,
            optimizer=optimizer,
            state=state,
            scaler=session.accelerator.scaler,
            keep=recipe.train.keep,
            best=best,
            more=lambda folder: save_model_files(folder, work.model, work.tokenizer),
        )

    def save(best: bool) -> None:
        position = {} if work.position is None else work.position(guard.place(course.step))
        on_main_process(session.accelerator, lambda: str(write(best, position)))

    return save
