"""Batches of similar lengths: even, random, and a pure function of seed and step."""

from __future__ import annotations

import numpy as np
import pytest

from albert_cli.data.grouping import GroupedOrder
from albert_cli.data.sampler import ExampleStream

LENGTHS = np.random.default_rng(0).integers(5, 100, size=240)


def order(lengths: np.ndarray = LENGTHS, *, batch: int = 8, seed: int = 1) -> GroupedOrder:
    return GroupedOrder(ExampleStream(lambda _: len(lengths), seed=seed), lengths, batch=batch, seed=seed)


def spread(steps: list[np.ndarray]) -> float:
    return float(np.mean([np.ptp(LENGTHS[step]) for step in steps]))


def test_an_epoch_holds_every_example_once() -> None:
    """240 examples in batches of 8: one block of 30 steps is one epoch."""
    grouped = order()
    for epoch in range(2):
        seen = np.concatenate([grouped.step(30 * epoch + step) for step in range(30)])
        assert sorted(seen) == list(range(240))


def test_lengths_within_a_batch_are_alike() -> None:
    grouped = order()
    stream = ExampleStream(lambda _: 240, seed=1)
    plain = [np.concatenate([chosen for _, chosen in stream.take(8 * step, 8)]) for step in range(30)]
    assert spread([grouped.step(step) for step in range(30)]) < spread(plain) / 5


def test_batches_come_in_no_order_of_length() -> None:
    grouped = order()
    means = np.array([LENGTHS[grouped.step(step)].mean() for step in range(30)])
    assert abs(np.corrcoef(means, np.arange(30))[0, 1]) < 0.5


def test_a_step_depends_on_seed_and_number_alone() -> None:
    forwards = [order().step(step) for step in range(40)]
    asked = order()
    assert all(np.array_equal(asked.step(step), forwards[step]) for step in reversed(range(40)))
    assert not np.array_equal(order(seed=2).step(0), forwards[0])


@pytest.mark.parametrize(("examples", "batch"), [(20, 8), (7, 16), (240, 8)])
def test_no_example_meets_itself_before_its_epoch_is_over(examples: int, batch: int) -> None:
    grouped = order(LENGTHS[:examples], batch=batch)
    for step in range(20):
        _, counts = np.unique(grouped.step(step), return_counts=True)
        assert counts.max() <= -(-batch // examples) + 1
