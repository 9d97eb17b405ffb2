"""When has a run gone wrong, where does it go back to, and which data does it leave out from then on?

A run is wrong when a loss or gradient is not finite, or when the loss rises and stays up: the median of 8 steps lies a
nat (``spike``) above that of the up to 100 steps before. It then goes back to the last checkpoint and takes other
data in place of those that led there. Which ones is a short list of ranges of the source; together with seed and step
it says what every later step sees, so that going on after an interruption stays exact.

All processes see the same summed losses, so all decide alike. On a GPU a loss is looked at one step late.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from albert_cli.errors import TrainingError

_SHORT = 8  # steps that must be high together: a single odd batch is no spike
_LONG = 100  # steps to compare with
_FEWEST = 24  # of them, to know their noise
_SIGMAS = 8.0  # by which the rise must stand out from the noise of small batches

_ADVICE = (
    "lower train.learning_rate (to a tenth, say) or lengthen train.warmup_steps; keep train.clip on; with "
    "runtime.precision=fp16 try bf16 or fp32; look at the data with `albert data inspect`"
)


class TrainingFault(TrainingError):  # noqa: N818 - it may be got over
    """A step went wrong; the run may go on from an earlier checkpoint.

    Args:
        message: what was seen.
        step: updates made when it was seen first, the wrong one included.
        hint: what to do about it.
    """

    def __init__(self, message: str, *, step: int, hint: str = _ADVICE) -> None:
        super().__init__(message, hint=hint)
        self.step = step


@dataclass(frozen=True)
class RolledBack:
    """The run is back at an earlier checkpoint and leaves out what led to the fault.

    Attributes:
        step: updates of the checkpoint; the run goes on from here.
        fault: what had happened.
        skipped: first and last source step that are left out from now on.
        number: how many times this run has gone back.
    """

    step: int
    fault: TrainingFault
    skipped: tuple[int, int]
    number: int


@dataclass
class Guard:
    """Looks at every loss, and remembers what the run leaves out.

    Attributes:
        spike: rise in nats that is a spike; None looks at finiteness alone.
        most: times to go back before giving up.
        restore: loads the newest sound checkpoint made before a step (None: the newest at all) into model and
            optimiser, forgets newer ones, and returns its step; None where there is none. Called on all processes.
        number: times gone back.
        skipped: ranges of source steps that are left out, ascending and apart, the ends not included.
        recent: losses of the last steps.
    """

    spike: float | None = None
    most: int = 0
    restore: Callable[[int | None], int | None] | None = None
    number: int = 0
    skipped: list[tuple[int, int]] = field(default_factory=list)
    recent: list[float] = field(default_factory=list)
    back_at: int | None = None

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, JSON values."""
        return {"number": self.number, "skipped": [list(part) for part in self.skipped], "recent": list(self.recent)}

    def take_up(self, state: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint kept."""
        self.number = int(state.get("number", 0))
        self.skipped = [(int(begin), int(end)) for begin, end in state.get("skipped", [])]
        self.recent = [float(loss) for loss in state.get("recent", [])]

    def look(self, loss: float, *, step: int, learning_rate: float) -> None:
        """Take in the loss of a step.

        Raises:
            TrainingFault: it has risen and stays up.
        """
        if self.spike is None:
            return
        self.recent = [*self.recent, loss][-(_SHORT + _LONG) :]
        before, now = self.recent[:-_SHORT], self.recent[-_SHORT:]
        if len(before) < _FEWEST:
            return
        level = median(before)
        spread = 1.48 * median(abs(value - level) for value in before)
        rise = median(now) - level
        if rise > max(self.spike, _SIGMAS * spread / math.sqrt(_SHORT)):
            raise TrainingFault(
                f"the loss rose by {rise:.2f} nats, from {level:.2f}, in the {_SHORT} steps up to {step} "
                f"(learning rate {learning_rate:.3g})",
                step=step,
            )

    def saved(self) -> None:
        """A checkpoint has been written; the next fault goes back to it."""
        self.back_at = None

    def place(self, step: int) -> int:
        """Source step that a step of the run sees: ranges that are left out do not count."""
        return place_of(step, self.skipped)

    def go_back(self, fault: TrainingFault) -> RolledBack:
        """Return to a checkpoint and leave out what came after it, up to the fault.

        A second fault before a new checkpoint goes one checkpoint further back: the last one may be wrong already.

        Raises:
            TrainingFault: there is no checkpoint, or it has been tried often enough.
        """
        if self.restore is None or self.number >= self.most:
            raise _given_up(fault, self.number) from fault
        last = self.place(fault.step - 1)
        step = self.restore(self.back_at)
        if step is None:
            raise TrainingFault(
                f"{fault.message}, before the first checkpoint", step=fault.step, hint=fault.hint or _ADVICE
            ) from fault
        first = self.place(step)
        self.skipped = _joined([*self.skipped, (first, last + 1)])
        self.back_at = step
        self.number += 1
        return RolledBack(step, fault, (first, last), self.number)


def place_of(step: int, skipped: Sequence[tuple[int, int]]) -> int:
    """Source step that a step of a run sees, when some ranges (ascending, apart, ends not included) are left out."""
    for begin, end in skipped:
        if begin <= step:
            step += end - begin
    return step


def _given_up(fault: TrainingFault, number: int) -> TrainingFault:
    if not number:
        return fault
    times = f"{number} return{'s' if number > 1 else ''} to an earlier checkpoint with other data"
    return TrainingFault(
        f"{fault.message}, and {times} did not help: the learning rate is too high for this model and batch, most "
        "likely",
        step=fault.step,
        hint=fault.hint or _ADVICE,
    )


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The union of ranges, ascending and apart."""
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(ranges):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


@dataclass(frozen=True)
class Places:
    """Source steps of the run's steps from ``start`` to ``stop``, as a sequence that is never written out."""

    skipped: tuple[tuple[int, int], ...]
    start: int
    stop: int

    def __len__(self) -> int:
        """Number of steps."""
        return max(self.stop - self.start, 0)

    def __getitem__(self, number: int) -> int:
        """Source step of the numbered step."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        return place_of(self.start + number, self.skipped)
