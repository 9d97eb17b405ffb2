"""How is one update made? Gradients of the whole batch, over micro-batches and processes, clipped and applied.

Losses are summed and divided once. Each process sends two small vectors a step: denominators and requests to stop
before the forward pass, losses and warnings after the update. Their sums are read when they have long arrived, so that
no step waits for the device: a bad loss is known one step later.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from albert_cli.data.batching import PackedBatch
from albert_cli.errors import TrainingError
from albert_cli.training.guards import Guard, TrainingFault
from albert_cli.training.interrupt import StopFlag
from albert_cli.training.memory import MicroBatchTooLarge, memory_explained
from albert_cli.training.objectives import Objective
from albert_cli.training.sharing import Team

# fp16: updates skipped in a row before we say that no scale fits (the scale halves at each).
_MAX_SKIPPED_IN_A_ROW = 30
_LESS_MEMORY = (
    "a smaller train.batch_size with more train.accumulate learns the same; runtime.recompute=true saves, too"
)


@dataclass(frozen=True)
class StepReport:
    """One update.

    Attributes:
        step: updates made so far, this one included.
        learning_rate: of the first parameter group.
        loss: 0-d, sum of ``losses``.
        losses: by name, 0-d, mean over the batch of all processes.
        metrics: by name, 0-d, sum over the batch of all processes.
        counts: by name, 0-d, denominators of the losses over the batch of all processes.
        gradient_norm: 0-d, before clipping.
        tokens: 0-d, tokens of all processes.
        skipped_steps: updates left out since the start, because fp16 gradients overflowed.
        waited: seconds that this process waited for the step's micro-batches.
    """

    step: int
    learning_rate: float
    loss: Tensor
    losses: dict[str, Tensor]
    metrics: dict[str, Tensor]
    counts: dict[str, Tensor]
    gradient_norm: Tensor
    tokens: Tensor
    skipped_steps: int = 0
    waited: float = 0.0


def step_seed(seed: int, step: int, rank: int) -> int:
    """Seed of torch's generators at one step of one process: unlike for every other step, process and seed."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def seed_dropout(number: int, device: torch.device) -> None:
    """Seed the generators of the processor and of the device; torch's own call writes down a stack trace each time."""
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        torch.cuda.manual_seed(number)
    elif device.type == "mps":
        torch.mps.manual_seed(number)


@dataclass
class Updates:
    """Makes updates and remembers what to look at later.

    Attributes:
        signal_number: signal that asked any process to stop, as far as known; 0 for none.
        time_is_up: whether ``deadline`` has passed on any process.
        skipped: updates left out, because fp16 gradients overflowed.
    """

    model: nn.Module
    objective: Objective
    optimizer: Optimizer
    schedule: Callable[[int], float]
    accelerator: Accelerator
    clip: float | None = field(kw_only=True)
    seed: int = field(kw_only=True)
    stop: StopFlag | None = field(kw_only=True)
    guard: Guard = field(default_factory=Guard, kw_only=True)
    deadline: float = field(default=math.inf, kw_only=True)
    signal_number: int = 0
    time_is_up: bool = False
    skipped: int = 0
    skipped_in_a_row: int = 0
    warnings: list[_Warning] = field(default_factory=list)

    def __post_init__(self) -> None:
        device = self.accelerator.device
        self.model.to(device).train()
        _move_state(self.optimizer, device)
        for group in self.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self.team = Team(self.model, self.parameters, self.accelerator)

    def step(self, step: int, micro_batches: list[PackedBatch]) -> StepReport:
        """One update from the micro-batches of this process.

        Raises:
            MicroBatchTooLarge: out of a GPU's memory, on any process and then on all of them; nothing has changed, and
                the step may be made anew from smaller ones.
        """
        rank = self.accelerator.process_index
        seed_dropout(step_seed(self.seed, step, rank), self.accelerator.device)
        counts, tokens, request = self._agree(micro_batches)
        losses, metrics = self._gradients(micro_batches, counts)
        learning_rate = self._set_learning_rate(step)
        with memory_explained("in the update of the weights", hint="use a smaller model or another GPU"):
            norm = self._update()
        report = self._report(step + 1, learning_rate, (losses, metrics, counts), norm=norm, tokens=tokens)
        *signals, late = request.read()
        self.signal_number, self.time_is_up = _signal(signals), bool(late)
        self.check(before=step + 1)
        return report

    def _agree(self, micro_batches: list[PackedBatch]) -> tuple[dict[str, Tensor], Tensor, _OnItsWay]:
        """Denominators over all processes, tokens, and whether any process was asked to stop."""
        counts: dict[str, float] = {}
        for batch in micro_batches:
            for name, count in self.objective.counts(batch).items():
                counts[name] = counts.get(name, 0.0) + count
        number = self.stop.signal_number if self.stop is not None else None
        requests = [float(number == signal.SIGINT), float(number not in (None, signal.SIGINT))]
        requests.append(float(time.monotonic() >= self.deadline))
        numbers = [*counts.values(), float(sum(batch.num_tokens for batch in micro_batches)), *requests]
        device = self.accelerator.device
        total = self.team.sum(torch.tensor(numbers, dtype=_sum_type(device)).to(device, non_blocking=True))
        names = list(counts)
        return dict(zip(names, total.unbind(), strict=False)), total[len(names)], _OnItsWay(total[len(names) + 1 :])

    def _gradients(
        self, micro_batches: list[PackedBatch], counts: dict[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Gradients of the mean losses of the whole batch; sums of losses and metrics of this process."""
        most = max((len(batch.indices) for batch in micro_batches), default=0)
        found: tuple[dict[str, Tensor], dict[str, Tensor]] | None = None
        doing = f"in the forward and backward pass of {most} examples"
        # A GPU's memory: told to the others below, when the exception is gone that holds on to the activations.
        with memory_explained(doing, hint=_LESS_MEMORY), suppress(torch.OutOfMemoryError):
            found = self._backward(micro_batches, counts)
        if self.team.sum_gradients(failed=found is None) or found is None:
            raise MicroBatchTooLarge
        return found

    def _backward(
        self, micro_batches: list[PackedBatch], counts: dict[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """What this process adds to the gradients, and its sums of losses and metrics."""
        self.optimizer.zero_grad(set_to_none=True)
        losses: dict[str, Tensor] = {}
        metrics: dict[str, Tensor] = {}
        scales = {name: 1.0 / count.clamp(min=1.0) for name, count in counts.items()}
        for batch in micro_batches:
            with self.accelerator.autocast():
                sums = self.objective.sums(self.model, batch.to(self.accelerator.device))
            loss = torch.stack([(total * scales[name]).float() for name, total in sums.losses.items()]).sum()
            scaler = self.accelerator.scaler
            (loss if scaler is None else scaler.scale(loss)).backward()
            _add(losses, sums.losses)
            _add(metrics, sums.metrics)
        return losses, metrics

    def _set_learning_rate(self, step: int) -> float:
        factor = self.schedule(step)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        return float(self.optimizer.param_groups[0]["lr"])

    def _update(self) -> Tensor:
        """Clip and update; the norm before clipping, 0-d."""
        scaler = self.accelerator.scaler
        if scaler is not None:
            scaler.unscale_(self.optimizer)
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        norm = (
            torch.nn.utils.get_total_norm(gradients) if gradients else torch.zeros((), device=self.accelerator.device)
        )
        if self.clip is not None and gradients:
            # As in the original, on the gradient of the whole batch; there, a TPU core clips its own part.
            torch._foreach_mul_(gradients, self.clip / norm.clamp(min=self.clip))
        if scaler is None:
            self.optimizer.step()
            return norm
        scale = scaler.get_scale()
        scaler.step(self.optimizer)
        scaler.update()
        overflowed = scaler.get_scale() < scale
        self.skipped += overflowed
        self.skipped_in_a_row = self.skipped_in_a_row + 1 if overflowed else 0
        return norm

    def _report(
        self,
        done: int,
        learning_rate: float,
        sums: tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]],
        *,
        norm: Tensor,
        tokens: Tensor,
    ) -> StepReport:
        """Sum losses and metrics over processes and note what looks wrong."""
        losses, metrics, counts = sums
        finite_loss = torch.stack([value.isfinite() for value in losses.values()]).all()
        bad_gradient = torch.zeros_like(norm) if self.accelerator.scaler is not None else ~norm.isfinite()
        kind = _sum_type(self.accelerator.device)
        values = [*losses.values(), *metrics.values(), ~finite_loss, bad_gradient]
        total = self.team.sum(torch.stack([value.detach().to(kind) for value in values]))
        parts = iter(total.unbind())
        means = {name: next(parts) / counts[name].clamp(min=1.0) for name in losses}
        loss = torch.stack(list(means.values())).sum()
        look_at = torch.cat([total[-2:], loss.reshape(1)])
        self.warnings.append(_Warning(done, learning_rate, _OnItsWay(look_at)))
        return StepReport(
            step=done,
            learning_rate=learning_rate,
            loss=loss,
            losses=means,
            metrics={name: next(parts) for name in metrics},
            counts=counts,
            gradient_norm=norm.detach(),
            tokens=tokens,
            skipped_steps=self.skipped,
        )

    def check(self, before: int | None = None) -> None:
        """Raise a `TrainingFault` if a step looked wrong; ``before`` leaves later ones for the next time."""
        while self.warnings and (before is None or self.warnings[0].step < before):
            warning = self.warnings.pop(0)
            bad_loss, bad_gradient, loss = warning.flags.read()
            if bad_loss or bad_gradient:
                raise _not_finite("loss" if bad_loss else "gradient", warning)
            self.guard.look(loss, step=warning.step, learning_rate=warning.learning_rate)
        if self.skipped_in_a_row > _MAX_SKIPPED_IN_A_ROW:
            raise TrainingError(
                f"fp16 gradients overflowed in {self.skipped_in_a_row} steps in a row",
                hint="use runtime.precision=bf16 or fp32, or a lower train.learning_rate",
            )

    def forget(self) -> None:
        """Drop what is known of steps that an earlier checkpoint has undone."""
        self.warnings.clear()
        self.skipped_in_a_row = 0
        self.optimizer.zero_grad(set_to_none=True)

    def evaluate(self, evaluate: Callable[[int], Any], step: int) -> Any:
        """Call the caller's evaluation in eval mode."""
        self.model.eval()
        try:
            return evaluate(step)
        finally:
            self.model.train()

    def free_memory(self) -> None:
        """Give back what a step that did not fit left behind."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.accelerator.device.type == "cuda":
            torch.cuda.empty_cache()


class _OnItsWay:
    """Numbers on their way from the device to the host; only reading them waits, and only for what came before."""

    def __init__(self, numbers: Tensor) -> None:
        self._event: torch.cuda.Event | None = None
        self._host = numbers
        if numbers.is_cuda:
            self._host = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=True)
            self._host.copy_(numbers, non_blocking=True)
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record()

    def read(self) -> list[float]:
        if self._event is not None:
            self._event.synchronize()
        return [float(number) for number in self._host.tolist()]


@dataclass(frozen=True)
class _Warning:
    step: int
    learning_rate: float
    flags: _OnItsWay


def _not_finite(what: str, warning: _Warning) -> TrainingFault:
    return TrainingFault(
        f"the {what} is not finite at step {warning.step} (learning rate {warning.learning_rate:.3g})",
        step=warning.step,
    )


def _signal(requests: list[float]) -> int:
    interrupted, terminated = requests
    if terminated:
        return int(signal.SIGTERM)
    return int(signal.SIGINT) if interrupted else 0


def _sum_type(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64


def _add(total: dict[str, Tensor], part: dict[str, Tensor]) -> None:
    for name, value in part.items():
        total[name] = total[name] + value.detach() if name in total else value.detach()


def _move_state(optimizer: Optimizer, device: torch.device) -> None:
    """Bring restored state to the device that the model was moved to."""
    for state in optimizer.state.values():
        for name, value in state.items():
            if isinstance(value, Tensor):
                state[name] = value.to(device)
