"""How does a model train? One generator that yields what happened; it prints nothing and saves nothing.

The caller's ``for`` writes metrics, moves the bar, saves and keeps the best. Reports hold device tensors: reading one
waits for the device, so read them at the log interval. What must be decided on all processes together (stop, give up)
is decided here, from numbers summed over them (training/update.py).

The order of examples is the source's, a function of the step; dropout is one, too, because every step seeds torch anew.
So a run's position is its step, and going on from a checkpoint repeats the uninterrupted run bit by bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from accelerate import Accelerator
from torch import nn
from torch.optim.optimizer import Optimizer

from albert_cli.data.batching import PackedBatch
from albert_cli.data.sampler import Divisible, in_parts
from albert_cli.errors import TrainingError
from albert_cli.training.evaluation import EvaluationStopped
from albert_cli.training.interrupt import StopFlag
from albert_cli.training.loading import Indexed, fetch
from albert_cli.training.memory import MicroBatchTooLarge, smaller_cut
from albert_cli.training.objectives import Objective
from albert_cli.training.update import StepReport, Updates

__all__ = ["EvalReport", "Event", "SavePoint", "SmallerBatches", "StepReport", "Stopped", "train"]


@dataclass(frozen=True)
class EvalReport:
    """An evaluation after ``step`` updates; ``result`` is what the caller's function gave."""

    step: int
    result: Any


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


Event = StepReport | EvalReport | SavePoint | SmallerBatches | Stopped


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
        stop: looked at after each step.
        max_seconds: time after which to end as if the last step had been made; the schedule takes no notice.
        workers: data-loading processes.

    Yields:
        A `StepReport` for each update; `EvalReport` and `SavePoint` where they fall due, the evaluation first;
        `SmallerBatches` before a step whose micro-batches a GPU had no memory for, if the source can be cut (one
        process); `Stopped` as the last event if someone asked to stop.

    Raises:
        TrainingError: a loss or gradient that is not finite (found at the latest one step later, and always before an
            evaluation or a save point), fp16 gradients that overflow at any scale, or no memory for a single example.
        ValueError: more steps than the source has.
    """
    if max_steps > len(source):
        raise ValueError(f"{max_steps} steps asked for, the source has {len(source)}")
    deadline = time.monotonic() + max_seconds
    run = Updates(
        model, objective, optimizer, schedule, accelerator, clip=clip, seed=seed, stop=stop, deadline=deadline
    )
    supply = _Supply(source, max_steps, workers=workers, pin=accelerator.device.type == "cuda")
    supply.start_at(start_step)
    course = _Course(start_step, max_steps, evaluate, eval_every, save_every, evaluate_first)
    try:
        yield from _events(run, supply, course)
    finally:
        run.close()


@dataclass
class _Supply:
    """The steps' micro-batches, fetched ahead, and cut smaller when they turn out too large."""

    source: Indexed[list[PackedBatch]]
    max_steps: int
    workers: int = field(kw_only=True)
    pin: bool = field(kw_only=True)

    def start_at(self, step: int) -> None:
        self.batches = fetch(self.source, range(step, self.max_steps), workers=self.workers, pin=self.pin)

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


def _events(run: Updates, supply: _Supply, course: _Course) -> Iterator[Event]:
    step = course.start_step
    due = course.evaluate is not None and course.evaluate_first and step < course.max_steps
    while True:
        signal_number = run.signal_number
        at_end = step >= course.max_steps
        final = at_end or run.time_is_up
        due = due or (course.evaluate is not None and final)
        saving = final or (step > course.start_step and _falls_due(step, course.save_every))
        if signal_number or due or saving:
            run.check()
        if due and course.evaluate is not None and not signal_number:
            try:
                yield EvalReport(step, run.evaluate(course.evaluate, step))
                due = False
            except EvaluationStopped as stopped:
                signal_number = stopped.signal_number
        if signal_number:
            yield Stopped(step, signal_number, evaluation_due=due)
            return
        if saving:
            yield SavePoint(step, final, time_is_up=final and not at_end)
        if final:
            return
        yield from _one_step(run, supply, step)
        step += 1
        due = course.evaluate is not None and _falls_due(step, course.eval_every)


def _one_step(run: Updates, supply: _Supply, step: int) -> Iterator[Event]:
    while True:
        try:
            report = run.step(step, next(supply.batches))
        except MicroBatchTooLarge:
            report = None
        if report is not None:
            yield report
            return
        run.free_memory()  # after the exception is gone, which held on to the activations
        yield supply.cut(step)


def _falls_due(step: int, every: int | None) -> bool:
    return bool(every) and step % every == 0  # type: ignore[operator]
