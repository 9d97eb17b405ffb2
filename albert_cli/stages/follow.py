"""The short ``for`` around the training loop: write metrics, move the bar, save, keep the best, stop early."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from albert_cli.errors import Interrupted
from albert_cli.report.progress import Progress
from albert_cli.stages.session import Session
from albert_cli.training.loop import EvalReport, Event, RolledBack, SavePoint, SmallerBatches, StepReport, Stopped

# Evaluations that must all find a collapsed model before a run is ended early.
_SIGNS_TO_GIVE_UP = 3


@dataclass(frozen=True)
class Measured:
    """An evaluation in the words of metrics.jsonl.

    Attributes:
        lines: values by split ("dev", "dev_mismatched", "held_out").
        score: what the best checkpoint is chosen by.
        collapse: what says that the model no longer looks at its input; None for one that does.
    """

    lines: Mapping[str, Mapping[str, float]]
    score: float
    collapse: str | None = None


@dataclass
class Course:
    """How far a run is, apart from the weights; it travels in every checkpoint.

    Attributes:
        step: updates made.
        best_score: of the best evaluation so far; None before the first.
        best_step: when that was.
        misses: evaluations since then.
        evaluation_due: an interruption left out the evaluation of ``step``.
        window: sums of the log interval that an interruption cut in two.
        evaluations: made so far.
        sound: whether the model looked at its input in any of them.
        collapse: what the best one said against it.
        changes: how the run was resumed although something had changed.
    """

    step: int = 0
    best_score: float | None = None
    best_step: int | None = None
    misses: int = 0
    evaluation_due: bool = False
    window: dict[str, float] = field(default_factory=dict)
    evaluations: int = 0
    sound: bool = False
    collapse: str | None = None
    changes: list[str] = field(default_factory=list)

    @property
    def collapsed(self) -> bool:
        """Whether the best evaluation found the model collapsed, so that what the run leaves is of no use."""
        return self.collapse is not None


class Window:
    """Sums over the steps since the last line, checkpoint or evaluation, left on the device until somebody reads them.

    It starts anew at checkpoints, so that a resumed run writes the same lines as one that was never interrupted. Where
    someone asked to stop, between two of them, its sums travel in the checkpoint.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._began = time.monotonic()
        self.steps = 0
        self.last: StepReport | None = None

    def restart(self, sums: Mapping[str, float] | None = None) -> None:
        """Forget everything, or go on from the sums of an interrupted interval."""
        self._sums = {name: torch.tensor(value, dtype=torch.float64) for name, value in (sums or {}).items()}
        self._began, self.steps, self.last = time.monotonic(), 0, None

    def add(self, report: StepReport) -> None:
        """Add a step."""
        parts = {f"count/{name}": value for name, value in report.counts.items()}
        parts |= {f"loss/{name}": value * report.counts[name] for name, value in report.losses.items()}
        parts |= {f"metric/{name}": value for name, value in report.metrics.items()}
        parts["tokens"] = report.tokens
        for name, value in parts.items():
            before = self._sums.get(name)
            self._sums[name] = value.detach() if before is None else before.to(value) + value.detach()
        self.steps += 1
        self.last = report

    def sums(self) -> dict[str, float]:
        """All sums, by names that `restart` knows."""
        values = torch.stack([value.double() for value in self._sums.values()]).tolist() if self._sums else []
        return dict(zip(self._sums, values, strict=True))

    def read(self) -> tuple[dict[str, float], dict[str, float]]:
        """Mean of each loss, and each metric's sum."""
        sums = self.sums()
        losses = {
            name.removeprefix("loss/"): value / max(sums["count/" + name.removeprefix("loss/")], 1.0)
            for name, value in sums.items()
            if name.startswith("loss/")
        }
        metrics = {name.removeprefix("metric/"): value for name, value in sums.items() if name.startswith("metric/")}
        counts = {f"{name.removeprefix('count/')}_count": v for name, v in sums.items() if name.startswith("count/")}
        return losses, metrics | counts

    def tokens(self) -> float:
        """Tokens computed."""
        return float(self._sums["tokens"])

    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began


@dataclass
class Spent:
    """Where the time went besides computing: seconds since some moment.

    Attributes:
        data: waiting for batches.
        saving: checkpoints.
        evaluating: evaluations.
        began: that moment, on the monotonic clock.
    """

    data: float = 0.0
    saving: float = 0.0
    evaluating: float = 0.0
    began: float = field(default_factory=lambda: float(time.monotonic()))

    def add(self, *, data: float = 0.0, saving: float = 0.0, evaluating: float = 0.0) -> None:
        """Add seconds."""
        self.data, self.saving, self.evaluating = self.data + data, self.saving + saving, self.evaluating + evaluating

    def shares(self) -> dict[str, float]:
        """Shares of the time that has passed: ``data_share``, ``saving_share``, ``evaluating_share``."""
        passed = max(time.monotonic() - self.began, 1e-9)
        parts = {"data": self.data, "saving": self.saving, "evaluating": self.evaluating}
        return {f"{name}_share": seconds / passed for name, seconds in parts.items()}


@dataclass
class Follower:
    """Turns loop events into files and talk.

    Args:
        session: run directory, talk, processes.
        course: where the run stands; updated in place.
        save: writes a checkpoint (all processes call it); its argument says whether it is the best.
        train_line: names and values of metrics.jsonl from the sums of a log interval.
        measure: what an evaluation's result says.
        higher_is_better: direction of the score.
        log_every: updates between lines.
        early_stop: evaluations without a better score after which to end; None never does.
        give_up_from: updates from which on to end when every evaluation found the model collapsed; None never does.
        limit_share: share of the machine's limit that so many tokens a second are; None where nobody knows.
    """

    session: Session
    course: Course
    save: Callable[[bool], None]
    train_line: Callable[[Window], dict[str, float]]
    measure: Callable[[Any], Measured]
    higher_is_better: bool
    log_every: int
    early_stop: int | None
    give_up_from: int | None = None
    limit_share: Callable[[float], float] | None = None
    saved_at: int = -1
    saved_best: bool = False
    window: Window = field(default_factory=Window)
    since_line: Spent = field(default_factory=Spent)
    since_start: Spent = field(default_factory=Spent)

    def follow(self, events: Iterable[Event], progress: Progress) -> None:
        """Take all events.

        Raises:
            Interrupted: someone asked to stop; the state is saved.
        """
        self.since_line, self.since_start = Spent(), Spent()
        progress.evaluated("", self._best())  # of a run that is continued
        self._take(events, progress)
        shares = self.since_start.shares()
        self.session.talk.say(
            f"time: {1 - sum(shares.values()):.1%} computing, {shares['data_share']:.1%} waiting for data, "
            f"{shares['evaluating_share']:.1%} evaluating, {shares['saving_share']:.1%} saving"
        )

    def _spent(self, **seconds: float) -> None:
        for spent in (self.since_line, self.since_start):
            spent.add(**seconds)

    def _take(self, events: Iterable[Event], progress: Progress) -> None:
        self.window.restart(self.course.window)
        self.course.window = {}
        for event in events:
            if isinstance(event, StepReport):
                self._step(event, progress)
            elif isinstance(event, EvalReport):
                self._evaluated(event, progress)
                if self.early_stop is not None and self.course.misses >= self.early_stop:
                    self._save()
                    self.session.talk.say(
                        f"no better score in {self.course.misses} evaluations: stopped early at step {event.step}"
                    )
                    return
                if self._is_lost():
                    return
            elif isinstance(event, SavePoint):
                self.course.step = event.step
                self._save()
                self.window.restart()
                if event.time_is_up:
                    self.session.ended = f"stopped: train.max_hours, after step {event.step}"
                    self.session.talk.say(f"{self.session.ended}; --resume goes on from here")
            elif isinstance(event, RolledBack):
                self._rolled_back(event)
            elif isinstance(event, SmallerBatches):
                self.session.talk.warn(
                    f"out of memory at step {event.step + 1}: from here on micro-batches of {event.batch_size}, "
                    f"{event.accumulate} for each step; the effective batch stays"
                )
            else:
                self._stopped(event)

    def _is_lost(self) -> bool:
        course = self.course
        enough = self.give_up_from is not None and course.step >= self.give_up_from
        return enough and course.evaluations >= _SIGNS_TO_GIVE_UP and not course.sound

    def _step(self, report: StepReport, progress: Progress) -> None:
        self.course.step = report.step
        self.course.evaluation_due = False
        self.window.add(report)
        self._spent(data=report.waited)
        if report.step % self.log_every:
            progress.update(report.step)
            return
        line = self.train_line(self.window)
        seconds, tokens = self.window.seconds(), self.window.tokens()
        line["tokens_per_second"] = tokens / seconds if seconds > 0 else 0.0
        line |= self.since_line.shares()
        self.since_line = Spent()
        self.session.run.append_metrics({"step": report.step, "split": "train", **line})
        self.session.trackers.log({f"train/{name}": value for name, value in line.items()}, step=report.step)
        shown = ("loss", "mlm_loss_masked", "sop_accuracy", "accuracy", "learning_rate", "tokens_per_second")
        fields = {name: line[name] for name in shown if name in line}
        if self.limit_share is not None:
            fields["limit_share"] = self.limit_share(line["tokens_per_second"])
        progress.update(report.step, fields)
        self.window.restart()

    def _evaluated(self, report: EvalReport, progress: Progress) -> None:
        self._spent(evaluating=report.seconds)
        measured = self.measure(report.result)
        course = self.course
        course.step, course.evaluation_due = report.step, False
        course.evaluations += 1
        course.sound = course.sound or measured.collapse is None
        for split, values in measured.lines.items():
            self.session.run.append_metrics({"step": report.step, "split": split, **values})
            self.session.trackers.log({f"{split}/{name}": value for name, value in values.items()}, step=report.step)
            text = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
            self.session.talk.say(f"step {report.step}  {split}  {text}")
        if course.best_score is None or self._better(measured.score, course.best_score):
            course.best_score, course.best_step, course.misses = measured.score, report.step, 0
            course.collapse = measured.collapse
            self._save(best=True)
        else:
            course.misses += 1
        self._show_evaluation(measured, progress)
        self.window.restart()

    def _show_evaluation(self, measured: Measured, progress: Progress) -> None:
        course = self.course
        split, values = next(iter(measured.lines.items()), ("", {}))
        last = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
        progress.evaluated(f"step {course.step:,}  {split}  {last}", self._best())

    def _best(self) -> str:
        course = self.course
        return "" if course.best_score is None else f"{course.best_score:.4f} (step {course.best_step:,})"

    def _rolled_back(self, event: RolledBack) -> None:
        first, last = event.skipped
        self.session.talk.warn(
            f"{event.fault.message}; back to the checkpoint of step {event.step}, leaving out the data of steps "
            f"{first} to {last} ({event.number}. time)"
        )
        self.course.step, self.saved_at = event.step, event.step
        self.window.restart()

    def _better(self, score: float, best: float) -> bool:
        if math.isnan(best):
            return not math.isnan(score)
        return score > best if self.higher_is_better else score < best

    def _save(self, *, best: bool = False) -> None:
        if self.saved_at == self.course.step and (self.saved_best or not best):
            return
        began = time.monotonic()
        self.save(best)
        self._spent(saving=time.monotonic() - began)
        self.saved_at, self.saved_best = self.course.step, best

    def _stopped(self, event: Stopped) -> None:
        self.course.step, self.course.evaluation_due = event.step, event.evaluation_due
        self.course.window = self.window.sums()
        self._save()
        raise Interrupted(
            event.signal_number,
            f"stopped by a signal after step {event.step}; the state is saved in {self.session.run.path}",
            hint=f"continue with --resume --out {self.session.run.path}",
        )


def course_from(values: Mapping[str, Any]) -> Course:
    """Read what a checkpoint kept."""
    return replace(Course(), **values)


def shown_while_evaluating(evaluate: Callable[[int], Any] | None, progress: Progress) -> Callable[[int], Any] | None:
    """The same evaluation, during which the progress says what goes on; None stays None."""
    if evaluate is None:
        return None

    def shown(step: int) -> Any:
        with progress.doing("evaluating"):
            return evaluate(step)

    return shown
