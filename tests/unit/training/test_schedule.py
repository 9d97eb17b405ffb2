"""Learning rates at single steps; reference values: the original schedule computed by hand."""

from __future__ import annotations

import pytest
import torch

from albert_cli.training.optim import AlbertAdamW
from albert_cli.training.schedule import learning_rate_factor, polynomial_decay_with_warmup

PAPER = {
    0: 0.0,
    1: 5.632e-7,
    3124: 0.0017594368,
    3125: 0.001716,
    62500: 0.00088,
    124999: 1.408e-8,
    125000: 0.0,
    130000: 0.0,
}


@pytest.mark.parametrize(("step", "rate"), PAPER.items())
def test_paper_schedule_at_its_corners(step, rate):
    factor = learning_rate_factor(step, total_steps=125000, warmup_steps=3125)
    assert 0.00176 * factor == pytest.approx(rate, rel=1e-9, abs=1e-15)


def test_rate_falls_where_the_warm_up_ends():
    rates = [learning_rate_factor(step, total_steps=100, warmup_steps=20) for step in (19, 20)]
    assert rates == [0.95, 0.8]


def test_power_bends_the_decay():
    assert learning_rate_factor(5, total_steps=10, power=2.0) == 0.25


def test_rates_before_a_late_warm_up_are_zero_unless_asked():
    settings = {"total_steps": 100, "warmup_steps": 10, "start_warmup_step": 40}
    assert learning_rate_factor(30, **settings) == 0.0
    assert learning_rate_factor(30, allow_negative=True, **settings) == -1.0
    assert learning_rate_factor(45, **settings) == 0.5
    assert learning_rate_factor(50, **settings) == 0.5


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("linear", [0.0, 0.5, 1.0, 0.5, 0.0]), ("cosine", [0.0, 0.5, 1.0, 0.5, 0.0]), ("constant", [0, 0.5, 1, 1, 1])],
)
def test_other_schedules_decay_from_the_end_of_the_warm_up(kind, expected):
    steps = (0, 5, 10, 55, 100)
    rates = [learning_rate_factor(step, kind=kind, total_steps=100, warmup_steps=10) for step in steps]
    assert rates == pytest.approx(expected)


def test_cosine_differs_from_linear_between_its_ends():
    assert learning_rate_factor(25, kind="cosine", total_steps=100) == pytest.approx(0.8535533906)


def test_unknown_schedule_and_negative_counts_are_refused():
    with pytest.raises(ValueError, match="unknown schedule 'step'"):
        learning_rate_factor(5, kind="step", total_steps=10)
    with pytest.raises(ValueError, match="must not be negative"):
        learning_rate_factor(5, total_steps=10, warmup_steps=-1)


def test_torch_scheduler_sets_the_rate_of_every_group():
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (0.00176, 1.0)]
    optimizer = AlbertAdamW(groups)
    scheduler = polynomial_decay_with_warmup(optimizer, num_training_steps=500, num_warmup_steps=50)
    seen = {}
    for step in range(500):
        seen[step] = [group["lr"] for group in optimizer.param_groups]
        optimizer.step()
        scheduler.step()
    assert seen[0] == [0.0, 0.0]
    assert seen[1] == pytest.approx([3.52e-5, 0.02])
    assert seen[50] == pytest.approx([0.00176 * 0.9, 0.9])
    assert scheduler.get_last_lr() == [0.0, 0.0]
