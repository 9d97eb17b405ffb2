"""Steps, batch and learning rate of a run, worked out from the recipe."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from albert_cli.recipe.training import FinetuneTrain, Train
from albert_cli.stages.optimisation import build_optimizer, build_schedule, plan_training, scaled_rate
from albert_cli.training.optim import AlbertAdamW, Lamb


def train(**values: Any) -> Train:
    return Train(**{"learning_rate": 1e-3, **values})


def test_epochs_become_steps_of_the_whole_batch() -> None:
    plan = plan_training(train(epochs=3.0, batch_size=8, accumulate=2), epoch_size=100, world_size=2)
    assert plan.effective_batch == 32
    assert plan.steps_per_epoch == 100 / 32
    assert plan.max_steps == 10  # 3 x 3.125, rounded up: no example is left out
    assert plan.eval_every == plan.save_every == 3


def test_given_steps_are_evaluated_once_at_the_end() -> None:
    plan = plan_training(train(max_steps=70, batch_size=8), epoch_size=16, world_size=1)
    assert (plan.max_steps, plan.eval_every, plan.save_every) == (70, 70, 70)


def test_given_intervals_hold_and_never_pass_the_end() -> None:
    plan = plan_training(train(max_steps=70, eval_every=20, save_every=500), epoch_size=16, world_size=1)
    assert (plan.eval_every, plan.save_every) == (20, 70)


def test_less_than_one_batch_is_still_one_step() -> None:
    assert plan_training(train(epochs=0.1, batch_size=8), epoch_size=8, world_size=1).max_steps == 1


@pytest.mark.parametrize(("batch", "factor"), [(4096, 1.0), (1024, 0.5), (64, 0.125), (16384, 2.0)])
def test_the_rate_follows_the_root_of_the_batch(batch: int, factor: float) -> None:
    """You et al. 2020 (LAMB), as the paper's appendix of pretraining settings assumes: rate ~ sqrt(batch)."""
    said = train(learning_rate=1.76e-3, learning_rate_for_batch=4096, max_steps=1)
    assert scaled_rate(said, batch) == pytest.approx(1.76e-3 * factor)
    assert scaled_rate(train(learning_rate=1.76e-3, max_steps=1), batch) == 1.76e-3


def test_the_optimizer_is_the_one_asked_for() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
    lamb = build_optimizer(model, train(optimizer="lamb", weight_decay=0.02, beta2=0.98), learning_rate=0.5)
    assert isinstance(lamb, Lamb)
    assert {group["lr"] for group in lamb.param_groups} == {0.5}
    assert {group["betas"] for group in lamb.param_groups} == {(0.9, 0.98)}
    decayed = {parameter for group in lamb.param_groups if group["weight_decay"] for parameter in group["params"]}
    assert decayed == {model[0].weight}
    assert isinstance(build_optimizer(model, train(), learning_rate=0.5), AlbertAdamW)


def test_the_schedule_rises_and_falls() -> None:
    factor = build_schedule(train(warmup_steps=4, max_steps=12), max_steps=12)
    values = [factor(step) for step in range(12)]
    assert values[:4] == [0.0, 0.25, 0.5, 0.75]
    assert values[4:] == [pytest.approx(1 - step / 12) for step in range(4, 12)]


def test_a_budget_of_tokens_is_an_average_number_of_examples() -> None:
    train = FinetuneTrain(learning_rate=1e-4, epochs=3, batch_tokens=4096, accumulate=2)
    plan = plan_training(train, epoch_size=1000, world_size=2, parts_of_epoch=40)
    assert (plan.batch_size, plan.steps_per_epoch, plan.max_steps, plan.effective_batch) == (4096, 10, 30, 100)
    rows = plan_training(train, epoch_size=1000, world_size=1, longest=512)
    assert (rows.batch_size, rows.effective_batch) == (8, 16)
    assert plan_training(train, epoch_size=1000, world_size=1, longest=9000).batch_size == 1
