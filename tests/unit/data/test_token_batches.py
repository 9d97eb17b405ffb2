"""Batches of so many tokens: what they hold, in which order, for any number of processes, and after an interruption."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from albert_cli.data.batching import PackedBatch
from albert_cli.data.sampler import ExampleStream, in_parts
from albert_cli.data.token_batches import TokenBudgetSource, _SameSize


class Rows:
    """Examples that are nothing but lengths."""

    truncated_fraction = 0.0

    def __init__(self, lengths: list[int], labelled: bool = True) -> None:
        self.lengths = np.array(lengths, dtype=np.int64)
        self.is_labelled = labelled

    def __len__(self) -> int:
        return len(self.lengths)

    def pack(self, chosen: np.ndarray, *, with_labels: bool) -> PackedBatch:
        lengths = tuple(int(self.lengths[number]) for number in chosen)
        ids = torch.zeros(sum(lengths), dtype=torch.int64)
        return PackedBatch(ids, ids, lengths, torch.from_numpy(chosen), {"labels": torch.zeros(len(chosen))})

    def fingerprint(self) -> str:
        return "rows"


def rows(count: int = 50) -> Rows:
    return Rows(np.random.default_rng(0).integers(3, 40, count).tolist())


def source(examples: Rows, budget: int = 100, **how: int) -> TokenBudgetSource:
    return TokenBudgetSource(examples, budget, **{"seed": 7, "max_steps": 60, **how})


def seen(made: TokenBudgetSource, steps: range) -> list[int]:
    return [number for step in steps for batch in made[step] for number in batch.indices.tolist()]


@settings(deadline=None, max_examples=50)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=12),
    budget=st.integers(1, 80),
    seed=st.integers(0, 5),
)
def test_micro_batches_are_full_and_the_stream_goes_through_all_of_them(
    lengths: list[int], budget: int, seed: int
) -> None:
    examples = Rows(lengths)
    made = TokenBudgetSource(examples, budget, seed=seed, max_steps=20)
    batches = [made[step][0] for step in range(20)]
    got = [number for batch in batches for number in batch.indices.tolist()]
    stream = ExampleStream(_SameSize(len(lengths)), seed=seed).take(0, len(got) + 1)
    order = [number for _, some in stream for number in some.tolist()]
    assert got == order[:-1]
    after = 0
    for batch in batches:
        after += len(batch.indices)
        assert batch.num_tokens <= budget or len(batch.indices) == 1
        assert batch.num_tokens + lengths[order[after]] > budget


def test_any_number_of_processes_sees_the_same_step() -> None:
    examples = rows()
    alone = source(examples, accumulate=4)
    team = [source(examples, accumulate=2, rank=rank, world_size=2) for rank in range(2)]
    for step in range(12):
        together = [number for each in team for batch in each[step] for number in batch.indices.tolist()]
        assert sorted(seen(alone, range(step, step + 1))) == sorted(together)


def test_going_on_in_the_middle_sees_the_same_batches() -> None:
    examples = rows()
    whole, later = source(examples), pickle.loads(pickle.dumps(source(examples)))
    assert seen(whole, range(30, 60)) == seen(later, range(30, 60))


def test_an_epoch_is_counted_in_micro_batches() -> None:
    examples = rows()
    count = source(examples).micro_batches_of_an_epoch()
    assert set(seen(source(examples), range(count))) == set(range(50))
    assert len(seen(source(examples), range(count - 1))) < 50


def test_smaller_micro_batches_hold_the_same_step() -> None:
    made = source(rows(), accumulate=2)
    smaller = in_parts(in_parts(made, 2), 50)
    assert (smaller.batch_size, smaller.accumulate) == (1, 200)
    for step in range(5):
        assert len(smaller[step]) > len(made[step])
        assert seen(smaller, range(step, step + 1)) == seen(made, range(step, step + 1))


def test_nothing_to_learn_from_and_steps_beyond_the_end_are_refused() -> None:
    with pytest.raises(ValueError, match="a label on each"):
        source(Rows([3, 4], labelled=False))
    with pytest.raises(IndexError, match="step 60 of 60"):
        source(rows())[60]
