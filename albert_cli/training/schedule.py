"""How large is the learning rate at a step? Every schedule as a pure function of the step.

A factor multiplies the base learning rate. Step t counts the updates already made, so the first update uses factor(0).
"""

from __future__ import annotations

import math
from typing import Literal

from torch.optim.lr_scheduler import LambdaLR
from torch.optim.optimizer import Optimizer

ScheduleKind = Literal["albert", "linear", "cosine", "constant"]


def learning_rate_factor(
    step: int,
    *,
    kind: ScheduleKind = "albert",
    total_steps: int,
    warmup_steps: int = 0,
    power: float = 1.0,
    start_warmup_step: int = 0,
    allow_negative: bool = False,
) -> float:
    """Share of the base learning rate at a step.

    ``albert`` is the original's schedule: the decay counts from step 0 and the warm-up *replaces* it, so the rate steps
    down a little where the warm-up ends. ``linear`` and ``cosine`` decay from the end of the warm-up; ``constant``
    stays at 1.

    Args:
        step: updates made before this one, from 0.
        kind: ``albert``, ``linear``, ``cosine`` or ``constant``.
        total_steps: step at which the decay ends; from there the factor is 0 (``constant``: 1).
        warmup_steps: length of the linear rise from 0.
        power: exponent of the decay (``albert`` only).
        start_warmup_step: step at which the warm-up begins.
        allow_negative: keep the negative factors that the original has before ``start_warmup_step``; else they are 0.

    Returns:
        The factor, at least 0 unless ``allow_negative``.

    Raises:
        ValueError: an unknown kind or a negative count.
    """
    if total_steps < 0 or warmup_steps < 0 or start_warmup_step < 0:
        raise ValueError("total_steps, warmup_steps and start_warmup_step must not be negative")
    since_start = step - start_warmup_step
    if since_start < warmup_steps:
        factor = since_start / warmup_steps
        return factor if allow_negative else max(factor, 0.0)
    if kind == "constant":
        return 1.0
    if kind == "albert":
        return polynomial_decay(step, total_steps=total_steps, power=power)
    warm = start_warmup_step + warmup_steps
    left = polynomial_decay(step - warm, total_steps=max(total_steps - warm, 0))
    if kind == "linear":
        return left
    if kind == "cosine":
        return 0.5 * (1.0 - math.cos(math.pi * left))
    raise ValueError(f"unknown schedule {kind!r}")


def polynomial_decay(step: int, *, total_steps: int, power: float = 1.0) -> float:
    """``(1 - step / total_steps) ** power``, and 0 from ``total_steps`` on.

    Args:
        step: from 0.
        total_steps: where it reaches 0.
        power: 1 is a straight line.
    """
    if step >= total_steps:
        return 0.0
    return float((1.0 - step / total_steps) ** power)


def polynomial_decay_with_warmup(
    optimizer: Optimizer,
    *,
    num_training_steps: int,
    num_warmup_steps: int = 0,
    power: float = 1.0,
    start_warmup_step: int = 0,
    allow_negative: bool = False,
    last_epoch: int = -1,
) -> LambdaLR:
    """The original ALBERT schedule as a torch scheduler: call ``scheduler.step()`` after ``optimizer.step()``.

    Args:
        optimizer: its groups' ``lr`` are the base learning rates.
        num_training_steps: step at which the rate is 0.
        num_warmup_steps: length of the linear rise from 0, which replaces the decay while it lasts.
        power: exponent of the decay.
        start_warmup_step: step at which the warm-up begins.
        allow_negative: keep the original's negative rates before ``start_warmup_step``; else they are 0.
        last_epoch: last step made, when resuming with groups that hold ``initial_lr``.

    Returns:
        A `torch.optim.lr_scheduler.LambdaLR`.

    Example:
        >>> import torch
        >>> from albert_cli.training.optim import AlbertAdamW
        >>> optimizer = AlbertAdamW([torch.nn.Parameter(torch.zeros(2))], lr=0.00176)
        >>> scheduler = polynomial_decay_with_warmup(optimizer, num_training_steps=125000, num_warmup_steps=3125)
        >>> scheduler.get_last_lr()
        [0.0]
    """

    def factor(step: int) -> float:
        return learning_rate_factor(
            step,
            kind="albert",
            total_steps=num_training_steps,
            warmup_steps=num_warmup_steps,
            power=power,
            start_warmup_step=start_warmup_step,
            allow_negative=allow_negative,
        )

    return LambdaLR(optimizer, factor, last_epoch=last_epoch)
