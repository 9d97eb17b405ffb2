"""From the ``train`` section of a recipe to numbers and objects: steps, batch, learning rate, optimiser, schedule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn
from torch.optim.optimizer import Optimizer

from albert_cli.recipe.training import Train
from albert_cli.training.optim import AlbertAdamW, Lamb, parameter_groups
from albert_cli.training.schedule import learning_rate_factor


@dataclass(frozen=True)
class TrainPlan:
    """What a run is going to do.

    Attributes:
        effective_batch: examples of one update, over all processes and micro-batches.
        max_steps: updates of the whole run.
        steps_per_epoch: updates that see every example once, as a real number.
        learning_rate: highest rate, after scaling for the batch.
        eval_every: updates between evaluations.
        save_every: updates between checkpoints.
    """

    effective_batch: int
    max_steps: int
    steps_per_epoch: float
    learning_rate: float
    eval_every: int
    save_every: int


def plan_training(train: Train, *, epoch_size: int, world_size: int) -> TrainPlan:
    """Work out steps, batch and learning rate.

    Args:
        train: the recipe's section.
        epoch_size: examples of the first epoch.
        world_size: processes.
    """
    effective = train.batch_size * train.accumulate * world_size
    per_epoch = epoch_size / effective
    steps = train.max_steps if train.max_steps is not None else max(1, math.ceil((train.epochs or 0) * per_epoch))
    whole_epoch = steps if train.max_steps is not None else max(1, round(per_epoch))
    eval_every = min(train.eval_every or whole_epoch, steps)
    return TrainPlan(
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
    return partial(learning_rate_factor, kind=train.schedule, total_steps=max_steps, warmup_steps=train.warmup_steps)
