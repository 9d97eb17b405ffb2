"""One batch through forward, backward and update on the real device: how long does it take, what does it keep?

First a small part of a batch, which is safe; what it keeps for the backward pass is counted, and grows with the tokens.
Then a whole micro-batch, where that will not take long. Nothing is saved, but the weights have moved afterwards.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from albert_cli.data.batching import PackedBatch
from albert_cli.data.sampler import Divisible, in_parts
from albert_cli.models.albert import AlbertModel
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.recipe.schema import FinetuneRecipe, PretrainRecipe
from albert_cli.report.process_memory import peak_bytes, resident_bytes
from albert_cli.stages.machine import settle
from albert_cli.stages.optimisation import TrainPlan, build_optimizer, build_schedule
from albert_cli.training.device import resolve_attention
from albert_cli.training.loading import Indexed
from albert_cli.training.loop import SmallerBatches, StepReport, train
from albert_cli.training.objectives import Objective

_SMALL_TOKENS = 512
_LONGEST_SECONDS = 10.0  # that a whole micro-batch may take on a processor
_SLOW_SECONDS = 20.0  # of a first small step; it is not made a second time


@dataclass(frozen=True)
class Step:
    """One update that was tried.

    Attributes:
        tokens: of its micro-batch.
        seconds: that it took.
        is_whole: whether the micro-batch was one of the run's.
    """

    tokens: int
    seconds: float
    is_whole: bool


@dataclass(frozen=True)
class Rehearsal:
    """What was found.

    Attributes:
        update_tokens: tokens of the run's first update on this process.
        micro_batch: lengths of the sequences of its first micro-batch.
        kept: bytes for the backward pass of that micro-batch; None where nothing was tried.
        resident: bytes that the process held after a small part of it, gradients and the optimiser's state included;
            None on a GPU, and where nothing was tried.
        step: the best step to judge the time by; None where nothing was tried.
        peak: bytes at the peak of a step with a whole micro-batch: of the process, or of a GPU's memory; None where
            none was tried.
        fits: examples of a micro-batch that fit into the GPU where the recipe's did not; None where they did.
    """

    update_tokens: int
    micro_batch: tuple[int, ...]
    kept: int | None = None
    resident: int | None = None
    step: Step | None = None
    peak: int | None = None
    fits: int | None = None

    @property
    def update_seconds(self) -> float | None:
        """Seconds of an update of the run, were all like the first."""
        return None if self.step is None else self.step.seconds * self.update_tokens / self.step.tokens


@dataclass
class Rehearsed:
    """What is rehearsed, and with what.

    Args:
        model: of the run; its weights move.
        objective: of the run.
        source: of the run.
        recipe: of the run.
        plan: of the run.
        accelerator: device and precision.
    """

    model: AlbertPreTrainedModel
    objective: Objective
    source: Indexed[list[PackedBatch]]
    recipe: PretrainRecipe | FinetuneRecipe
    plan: TrainPlan
    accelerator: Accelerator


def look(work: Rehearsed) -> Rehearsal:
    """What the first update holds; nothing is computed."""
    batches = work.source[0]
    return Rehearsal(sum(batch.num_tokens for batch in batches), batches[0].lengths)


def rehearse(work: Rehearsed, seen: Rehearsal) -> Rehearsal:
    """Try a step or three.

    Args:
        work: what to try.
        seen: what `look` gave.

    Raises:
        TrainingError: the loss is not finite, or a single example does not fit into the GPU.
    """
    runtime = work.recipe.runtime
    device = work.accelerator.device
    work.model.set_attention(resolve_attention(runtime.attention, device=device, precision=runtime.precision))
    settle(work.model, runtime)
    optimizer = build_optimizer(work.model, work.recipe.train, learning_rate=work.plan.learning_rate)
    tokens = sum(seen.micro_batch)
    on_gpu = device.type == "cuda"
    small: Any = _FirstPart(work.source)
    if isinstance(small.source, Divisible) and tokens > _SMALL_TOKENS:
        parts = min(small.batch_size, math.ceil(tokens / _SMALL_TOKENS))
        small = in_parts(small, parts)
    with _keeping_everything(work.model):
        kept, step = _small_steps(work, optimizer, small, tokens)
    resident = None if on_gpu else resident_bytes()
    peak, fits = None, None
    if on_gpu or step.seconds * tokens / step.tokens <= _LONGEST_SECONDS:
        _begin_peak(device)
        step, fits = _whole_step(work, optimizer)
        peak = _peak(device)
    return Rehearsal(seen.update_tokens, seen.micro_batch, kept, resident, step, peak, fits)


class _FirstPart:
    """The first micro-batch of a source, at every step; it can be cut like the source itself."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.batch_size = source.batch_size if isinstance(source, Divisible) else 1
        self.accumulate = 1

    def __len__(self) -> int:
        return 4

    def __getitem__(self, _: int) -> list[PackedBatch]:
        source = self.source
        if isinstance(source, Divisible):
            source = in_parts(self.source, max(1, self.source.batch_size // max(1, self.batch_size)))
        return list(source[0][:1])


def _steps(work: Rehearsed, optimizer: torch.optim.Optimizer, source: Any, count: int) -> Iterator[Any]:
    return iter(
        train(
            model=work.model,
            objective=work.objective,
            source=source,
            optimizer=optimizer,
            schedule=build_schedule(work.recipe.train, max_steps=work.plan.max_steps),
            accelerator=work.accelerator,
            max_steps=count,
            clip=work.recipe.train.clip,
            seed=work.recipe.seed,
        )
    )


def _small_steps(work: Rehearsed, optimizer: torch.optim.Optimizer, source: Any, whole_tokens: int) -> tuple[int, Step]:
    """Bytes that a micro-batch of so many tokens keeps, and the second of two small steps, or the first if slow."""
    tokens = source[0][0].num_tokens
    keeping = _Keeping(work.model)
    events = _steps(work, optimizer, source, 2)
    with keeping.counted():
        seconds = _seconds_of_a_step(events, work.accelerator.device)
    if seconds < _SLOW_SECONDS:
        seconds = _seconds_of_a_step(events, work.accelerator.device)
    return keeping.at(whole_tokens / tokens), Step(tokens, seconds, tokens == whole_tokens)


def _whole_step(work: Rehearsed, optimizer: torch.optim.Optimizer) -> tuple[Step, int | None]:
    """A step with a whole micro-batch; and the examples that fit where it is too large for the GPU."""
    source = _FirstPart(work.source)
    tokens = source[0][0].num_tokens
    fits = None
    began = time.monotonic()
    for event in _steps(work, optimizer, source, 1):
        if isinstance(event, SmallerBatches):
            fits, began = event.batch_size, time.monotonic()
        elif isinstance(event, StepReport):
            _wait(work.accelerator.device)
            break
    seconds = time.monotonic() - began
    if fits is not None:
        tokens = max(1, tokens * fits // source.batch_size)
    return Step(tokens, seconds, fits is None), fits


def _seconds_of_a_step(events: Iterator[Any], device: torch.device) -> float:
    _wait(device)
    began = time.monotonic()
    next(event for event in events if isinstance(event, StepReport))
    _wait(device)
    return time.monotonic() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _begin_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        resident_bytes(reset_peak=True)


def _peak(device: torch.device) -> int | None:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_bytes()


@dataclass
class _Keeping:
    """Counts what a step keeps for its backward pass: what grows with the tokens, and what is as large as weights."""

    model: torch.nn.Module
    growing: int = 0
    fixed: int = 0
    _seen: set[int] = field(default_factory=set)

    def at(self, times: float) -> int:
        """Bytes with so many times the tokens."""
        return int(self.growing * times) + self.fixed

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count what is kept inside."""
        weights = {part.untyped_storage().data_ptr() for part in self.model.parameters()}
        shapes = {tuple(part.shape) for part in self.model.parameters()}
        widest = max((shape[-1] for shape in shapes if len(shape) == 2), default=0)
        held: list[Tensor] = []  # a place in memory is counted once, so it must not be given to another

        def pack(kept: Tensor) -> Tensor:
            storage = kept.untyped_storage()
            address = storage.data_ptr()
            if address not in weights and address not in self._seen:
                self._seen.add(address)
                held.append(kept.detach())
                of_weights = kept.dim() == 2 and (tuple(kept.shape) in shapes or kept.shape[0] == 3 * kept.shape[1])
                if of_weights and kept.shape[1] <= widest:
                    self.fixed += storage.nbytes()
                else:
                    self.growing += storage.nbytes()
            return kept

        with torch.autograd.graph.saved_tensors_hooks(pack, _as_it_is):
            yield
        held.clear()


def _as_it_is(kept: Tensor) -> Tensor:
    return kept


@contextmanager
def _keeping_everything(model: AlbertPreTrainedModel) -> Iterator[None]:
    """Let no layer be recomputed inside: what a layer that is recomputed keeps cannot be seen from outside."""
    encoders = [part for part in model.modules() if isinstance(part, AlbertModel) and part.recompute]
    for encoder in encoders:
        encoder.recompute = False
    try:
        yield
    finally:
        for encoder in encoders:
            encoder.recompute = True
