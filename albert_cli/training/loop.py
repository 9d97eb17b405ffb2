"""How does a model train? One generator that yields what happened; it prints nothing and saves nothing.

The caller's ``for`` writes metrics, moves the bar, saves and keeps the best. Reports hold device tensors: reading one
waits for the device, so read them at the log interval. What must be decided on all processes together (stop, give up)
is decided here, from numbers summed over them (training/update.py).

The order of examples is the source's, a function of the step; dropout is one, too, because every step seeds torch anew.
So a run's position is its step and the few ranges of data that it leaves out (training/guards.py), and going on from a
checkpoint repeats the uninterrupted run bit by bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from accelerate import Accelerator
from torch import nn
from torch.optim.optimizer import Optimizer

from albert_cli.data.batching import PackedBatch
from albert_cli.data.sampler import Divisible, in_parts
from albert_cli.errors import TrainingError
from albert_cli.training.evaluation import EvaluationStopped
from albert_cli.training.guards import Guard, Places, RolledBack, TrainingFault
from albert_cli.training.interrupt import StopFlag
from albert_cli.training.loading import Indexed, fetch
from albert_cli.training.memory import MicroBatchTooLarge, smaller_cut
from albert_cli.training.objectives import Objective
from albert_cli.training.update import StepReport, Updates

__all__ = ["EvalReport", "Event", "RolledBack", "SavePoint", "SmallerBatches", "StepReport", "Stopped", "train"]


@dataclass(frozen=True)
class EvalReport:
    """An evaluation after ``step`` updates; ``result`` is what the caller's function gave after so many ``seconds``."""

    step: int
    result: Any
    seconds: float = 0.0


@dataclass(frozen=True)
class SavePoint:
    """The state after ``step`` updates is sound and due to be saved.

    Attributes:
        step: updates made.
        final: the run ends here.
        time_is_up: it ends before its last step, because its time is over.
    """

    step: int
    final: bool
    time_is_up: bool = False


@dataclass(frozen=True)
class SmallerBatches:
    """Micro-batches did not fit into memory; from here on they are smaller and more, and a step sees the same examples.

    Attributes:
        step: updates made.
        batch_size: examples of a micro-batch from now on.
        accumulate: micro-batches of a step from now on.
    """

    step: int
    batch_size: int
    accumulate: int


@dataclass(frozen=True)
class Stopped:
    """Someone asked to stop; the state after ``step`` updates is sound and should be saved.

    Attributes:
        step: updates made.
        signal_number: the signal that asked.
        evaluation_due: an evaluation belonged here and did not happen; pass it on as ``evaluate_first`` when resuming.
    """

    step: int
    signal_number: int
    evaluation_due: bool


Event = StepReport | EvalReport | SavePoint | SmallerBatches | RolledBack | Stopped


def train(
    *,
    model: nn.Module,
    objective: Objective,
    source: Indexed[list[PackedBatch]],
    optimizer: Optimizer,
    schedule: Callable[[int], float],
    accelerator: Accelerator,
    max_steps: int,
    start_step: int = 0,
    clip: float | None = 1.0,
    seed: int = 42,
    evaluate: Callable[[int], Any] | None = None,
    eval_every: int | None = None,
    save_every: int | None = None,
    evaluate_first: bool = False,
    guard: Guard | None = None,
    stop: StopFlag | None = None,
    max_seconds: float = math.inf,
    workers: int = 0,
) -> Iterator[Event]:
    """Train and say what happens. Call it on all processes, and take all events on all of them.

    Args:
        model: bare; it is moved to the device and trained in place. Several processes start from the weights of the
            first.
        objective: losses and metrics of a micro-batch.
        source: micro-batches of each step, for this process; its length is the steps it has.
        optimizer: over the model's parameters; its groups' ``initial_lr`` (else ``lr``) are the base rates.
        schedule: factor of the base rates at a step, counted from 0.
        accelerator: device, precision and the other processes.
        max_steps: updates of the whole run.
        start_step: updates made before, when resuming.
        clip: largest norm of the gradient of the whole batch; None leaves it alone.
        seed: of dropout.
        evaluate: called with the number of updates made, in eval mode, on all processes; at the end, too.
        eval_every: updates between evaluations.
        save_every: updates between save points; there is one at the end in any case.
        evaluate_first: begin with the evaluation that an interruption left out.
        guard: watches the losses and knows how to go back to a checkpoint; None gives up at the first fault.
        stop: looked at after each step.
        max_seconds: time after which to end as if the last step had been made; the schedule takes no notice.
        workers: data-loading processes.

    Yields:
        A `StepReport` for each update; `EvalReport` and `SavePoint` where they fall due, the evaluation first;
        `SmallerBatches` before a step whose micro-batches a GPU had no memory for, if the source can be cut (one
        process); `RolledBack` after a fault, when the state is that of an earlier step; `Stopped` as the last event if
        someone asked to stop.

    Raises:
        TrainingError: a fault that there is no way back from: a loss or gradient that is not finite, or a loss that
            rises and stays up (found at the latest one step later, and always before an evaluation or a save point);
            no data left; fp16 gradients that overflow at any scale, or no memory for a single example.
        ValueError: more steps than the source has.
    """
    if max_steps > len(source):
        raise ValueError(f"{max_steps} steps asked for, the source has {len(source)}")
    deadline = time.monotonic() + max_seconds
    guard = guard or Guard()
    run = Updates(
        model,
        objective,
        optimizer,
        schedule,
        accelerator,
        clip=clip,
        seed=seed,
        stop=stop,
        guard=guard,
        deadline=deadline,
    )
    supply = _Supply(source, max_steps, guard, workers=workers, pin=accelerator.device.type == "cuda")
    supply.start_at(start_step)
    course = _Course(start_step, max_steps, evaluate, eval_every, save_every, evaluate_first)
    yield from _events(run, supply, course)


@dataclass
class _Supply:
    """The steps' micro-batches, fetched ahead, and cut smaller when they turn out too large."""

    source: Indexed[list[PackedBatch]]
    max_steps: int
    guard: Guard
    workers: int = field(kw_only=True)
    pin: bool = field(kw_only=True)

    def start_at(self, step: int) -> None:
        """Begin at a step, which leaves out what the guard says.

        Raises:
            TrainingError: so much is left out that the source has too few steps.
        """
        places = Places(tuple(self.guard.skipped), step, self.max_steps)
        if len(places) and places[len(places) - 1] >= len(self.source):
            raise TrainingError(
                "too much of the training data has led to faults", hint="look at them with `albert data inspect`"
            )
        self.batches = fetch(self.source, places, workers=self.workers, pin=self.pin)

    def cut(self, step: int) -> SmallerBatches:
        """Begin anew at a step with smaller micro-batches.

        Raises:
            TrainingError: they cannot be smaller.
        """
        source = self.source
        parts = smaller_cut(source.batch_size) if isinstance(source, Divisible) else None
        if parts is None or not isinstance(source, Divisible):
            raise TrainingError(
                "out of memory with a single example at a time",
                hint="shorten data.max_length, set runtime.recompute=true, or use a smaller model",
            )
        smaller = in_parts(source, parts)
        self.source = smaller
        self.start_at(step)
        return SmallerBatches(step, smaller.batch_size, smaller.accumulate)


@dataclass(frozen=True)
class _Course:
    """Where a run begins and ends, and what falls due on the way."""

    start_step: int
    max_steps: int
    evaluate: Callable[[int], Any] | None
    eval_every: int | None
    save_every: int | None
    evaluate_first: bool


@dataclass
class _Position:
    """Where the run stands.

    Attributes:
        step: updates made.
        began: step of the checkpoint that it came from, which need not be saved again.
        due: an evaluation belongs here.
    """

    step: int
    began: int
    due: bool


def _events(run: Updates, supply: _Supply, course: _Course) -> Iterator[Event]:
    due = course.evaluate is not None and course.evaluate_first and course.start_step < course.max_steps
    at = _Position(course.start_step, course.start_step, due)
    over = False
    while not over:
        try:
            over = yield from _round(run, supply, course, at)
        except TrainingFault as fault:
            back = run.guard.go_back(fault)
            run.forget()
            supply.start_at(back.step)
            at = _Position(back.step, back.step, due=False)
            yield back


def _round(run: Updates, supply: _Supply, course: _Course, at: _Position) -> Generator[Event, None, bool]:
    """What falls due, and the next step; True when that was all."""
    signal_number = run.signal_number
    at_end = at.step >= course.max_steps
    final = at_end or run.time_is_up
    due = at.due or (course.evaluate is not None and final)
    saving = final or (at.step > at.began and _falls_due(at.step, course.save_every))
    if signal_number or due or saving:
        run.check()
    if due and course.evaluate is not None and not signal_number:
        try:
            began = time.monotonic()
            result = run.evaluate(course.evaluate, at.step)
            yield EvalReport(at.step, result, time.monotonic() - began)
            due = False
        except EvaluationStopped as stopped:
            signal_number = stopped.signal_number
    if signal_number:
        yield Stopped(at.step, signal_number, evaluation_due=due)
        return True
    if saving:
        yield SavePoint(at.step, final, time_is_up=final and not at_end)
        run.guard.saved()
    if final:
        return True
    yield from _one_step(run, supply, at.step)
    at.step += 1
    at.due = course.evaluate is not None and _falls_due(at.step, course.eval_every)
    return False


def _one_step(run: Updates, supply: _Supply, step: int) -> Iterator[Event]:
    while True:
        began = time.monotonic()
        batches = next(supply.batches)
        waited = time.monotonic() - began
        try:
            report = run.step(step, batches)
        except MicroBatchTooLarge:
            report = None
        if report is not None:
            yield replace(report, waited=waited)
            return
        run.free_memory()  # after the exception is gone, which held on to the activations
        yield supply.cut(step)


def _falls_due(step: int, every: int | None) -> bool:
    return bool(every) and step % every == 0  # type: ignore[operator]
