"""From the ``train`` section of a recipe to numbers and objects: steps, batch, learning rate, optimiser, schedule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn
from torch.optim.optimizer import Optimizer

from albert_cli.errors import UsageError
from albert_cli.recipe.training import FinetuneTrain, PretrainTrain, Train
from albert_cli.training.optim import AlbertAdamW, Lamb, parameter_groups
from albert_cli.training.parts import rates_by_part, split_by_rate
from albert_cli.training.schedule import learning_rate_factor

# Micro-batch that `auto` starts from where running out of memory cannot be survived; what a processor's caches like.
_CPU_MICRO_BATCH = 32


@dataclass(frozen=True)
class TrainPlan:
    """What a run is going to do.

    Attributes:
        batch_size: examples of a micro-batch, or its tokens where `batch_tokens` counts those.
        accumulate: micro-batches of an update on each process.
        effective_batch: examples of one update, over all processes and micro-batches.
        max_steps: updates of the whole run.
        steps_per_epoch: updates that see every example once, as a real number.
        learning_rate: highest rate, after scaling for the batch.
        eval_every: updates between evaluations.
        save_every: updates between checkpoints.
    """

    batch_size: int
    accumulate: int
    effective_batch: int
    max_steps: int
    steps_per_epoch: float
    learning_rate: float
    eval_every: int
    save_every: int


def micro_batches(
    train: Train, *, world_size: int, on_gpu: bool = False, longest: int | None = None
) -> tuple[int, int]:
    """Examples of a micro-batch, and micro-batches of an update on each process.

    Args:
        train: the recipe's section.
        world_size: processes.
        on_gpu: where memory runs short in a way that the loop survives, ``auto`` begins with the whole batch.
        longest: tokens that every sequence may have, where ``batch_tokens`` is to be counted in sequences.

    Raises:
        UsageError: the whole batch cannot be divided so.
    """
    size, whole = train.batch_size, train.effective_batch
    if train.batch_tokens is not None:
        return max(1, train.batch_tokens // (longest or 1)), train.accumulate
    assert size is not None, "a checked recipe has batch_size or batch_tokens"
    if whole is None:
        assert isinstance(size, int)
        return size, train.accumulate
    if whole % world_size or (isinstance(size, int) and whole % (size * world_size)):
        cut = f"{world_size} processes" + (f" x batch_size {size}" if isinstance(size, int) else "")
        raise UsageError(
            f"train.effective_batch {whole} is not a multiple of {cut}", hint="choose numbers that divide each other"
        )
    mine = whole // world_size
    if isinstance(size, int):
        return size, mine // size
    most = mine if on_gpu else min(mine, _CPU_MICRO_BATCH)
    found = next(number for number in range(most, 0, -1) if mine % number == 0)
    return found, mine // found


def plan_training(
    train: Train,
    *,
    epoch_size: int | None,
    world_size: int,
    on_gpu: bool = False,
    longest: int | None = None,
    parts_of_epoch: int | None = None,
) -> TrainPlan:
    """Work out steps, batch and learning rate.

    Args:
        train: the recipe's section.
        epoch_size: examples of the first epoch; None where nobody knows and the recipe says how many steps.
        world_size: processes.
        on_gpu: as for `micro_batches`.
        longest: as for `micro_batches`.
        parts_of_epoch: micro-batches of the first epoch where they hold so many tokens; the effective batch is then
            the examples of an update on average.
    """
    batch_size, accumulate = micro_batches(train, world_size=world_size, on_gpu=on_gpu, longest=longest)
    effective = batch_size * accumulate * world_size
    per_epoch = math.nan if epoch_size is None else epoch_size / effective
    if parts_of_epoch is not None and epoch_size is not None:
        per_epoch = parts_of_epoch / (accumulate * world_size)
        effective = max(1, round(epoch_size / per_epoch))
    steps = train.max_steps if train.max_steps is not None else max(1, math.ceil((train.epochs or 0) * per_epoch))
    whole_epoch = steps if train.max_steps is not None else max(1, round(per_epoch))
    eval_every = min(train.eval_every or whole_epoch, steps)
    return TrainPlan(
        batch_size=batch_size,
        accumulate=accumulate,
        effective_batch=effective,
        max_steps=steps,
        steps_per_epoch=per_epoch,
        learning_rate=scaled_rate(train, effective),
        eval_every=eval_every,
        save_every=min(train.save_every or eval_every, steps),
    )


def scaled_rate(train: Train, effective_batch: int) -> float:
    """Learning rate for a batch: the LAMB paper's square-root rule where the recipe names the batch of its rate."""
    if train.learning_rate_for_batch is None:
        return train.learning_rate
    return train.learning_rate * math.sqrt(effective_batch / train.learning_rate_for_batch)


def build_optimizer(model: nn.Module, train: Train, *, learning_rate: float) -> Optimizer:
    """Make the optimiser of a recipe over a model's trainable parameters."""
    groups = parameter_groups(model, train.weight_decay)
    if isinstance(train, FinetuneTrain) and (train.layer_decay != 1 or train.head_learning_rate is not None):
        head = train.head_learning_rate
        rate = rates_by_part(
            learning_rate=learning_rate,
            num_groups=model.config.num_hidden_groups,  # type: ignore[union-attr, arg-type]
            layer_decay=train.layer_decay,
            head_learning_rate=None if head is None else head * learning_rate / train.learning_rate,
        )
        groups = split_by_rate(model, groups, rate, usual=learning_rate)
    kind = Lamb if train.optimizer == "lamb" else AlbertAdamW
    return kind(
        groups,
        lr=learning_rate,
        betas=(0.9, train.beta2),
        weight_decay=train.weight_decay,
        bias_correction=train.bias_correction,
    )


def build_schedule(train: Train, *, max_steps: int) -> Callable[[int], float]:
    """Factor of the learning rate at a step, counted from 0."""
    more: dict[str, Any] = {}
    if isinstance(train, PretrainTrain):
        more = {
            "power": train.power,
            "start_warmup_step": train.start_warmup_step,
            "allow_negative": train.negative_rates == "keep",
        }
    return partial(
        learning_rate_factor,
        kind=train.schedule,
        total_steps=max_steps,
        warmup_steps=train.warmup_steps,
        **more,
    )
