"""Batches of fine-tuning: their layout, their order, and that the cut into processes changes nothing."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from albert_cli.data.features import EncodedTask
from albert_cli.data.finetuning import FinetuneSource, evaluation_batches
from albert_cli.data.label_report import count_labels, length_histogram, split_report


def encoded(size=23, *, labels=None, kind="classification"):
    """Row i has i % 7 + 4 tokens, all of them i; its first segment has 3."""
    lengths = np.arange(size) % 7 + 4
    return EncodedTask(
        ids=np.repeat(np.arange(size), lengths).astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        first_lengths=np.full(size, 3, np.int32),
        labels=np.arange(size) % 2 if labels is None else labels,
        rows=np.arange(size, dtype=np.int64),
        truncated=np.zeros(size, bool),
        kind=kind,
    )


def source(**options):
    return FinetuneSource(encoded(), options.pop("batch_size", 4), **{"seed": 5, "max_steps": 12, **options})


def test_rows_are_laid_one_after_another():
    batch = encoded().pack(np.array([2, 0]), with_labels=True)
    assert batch.input_ids.tolist() == [2] * 6 + [0] * 4
    assert batch.token_type_ids.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 1]
    assert batch.lengths == (6, 4)
    assert batch.indices.tolist() == [2, 0]
    assert batch.targets["labels"].tolist() == [0, 0]
    kinds = {batch.input_ids.dtype, batch.token_type_ids.dtype, batch.indices.dtype, batch.targets["labels"].dtype}
    assert kinds == {torch.int64}


def test_scores_and_label_sets_are_float32():
    numbers = encoded(2, labels=np.array([0.5, 1.5], np.float32), kind="regression")
    scores = numbers.pack(np.arange(2), with_labels=True)
    assert (scores.targets["labels"].dtype, tuple(scores.targets["labels"].shape)) == (torch.float32, (2,))
    sets = encoded(2, labels=np.eye(2, 3, dtype=np.float32)).pack(np.arange(2), with_labels=True)
    assert (sets.targets["labels"].dtype, tuple(sets.targets["labels"].shape)) == (torch.float32, (2, 3))


def test_every_epoch_shows_each_row_once_in_an_order_of_its_own():
    seen = [index for step in source(batch_size=23, max_steps=3) for index in step[0].indices.tolist()]
    epochs = [seen[start : start + 23] for start in (0, 23, 46)]
    assert all(sorted(epoch) == list(range(23)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_batches_are_full_across_the_border_of_epochs():
    assert [len(step[0].lengths) for step in source(batch_size=10, max_steps=5)] == [10] * 5


@pytest.mark.parametrize(
    ("batch_size", "accumulate", "world_size"), [(8, 1, 1), (2, 4, 1), (4, 1, 2), (1, 2, 4), (2, 1, 4)]
)
def test_a_step_holds_the_same_rows_however_it_is_cut(batch_size, accumulate, world_size):
    whole = source(batch_size=8)
    for step in range(len(whole)):
        order = [None] * accumulate * world_size
        for rank in range(world_size):
            part = source(batch_size=batch_size, accumulate=accumulate, rank=rank, world_size=world_size)[step]
            order[rank::world_size] = [batch.indices.tolist() for batch in part]
        assert list(chain.from_iterable(order)) == whole[step][0].indices.tolist()


def test_order_hangs_on_the_seed():
    def first(seed):
        return source(seed=seed)[0][0].indices.tolist()

    assert first(1) == first(1) != first(2)


def test_steps_can_be_asked_for_in_any_order_and_in_other_processes():
    ours = source(max_steps=6)
    forwards = [ours[step][0].indices.tolist() for step in range(6)]
    assert [ours[step][0].indices.tolist() for step in reversed(range(6))] == forwards[::-1]
    again = pickle.loads(pickle.dumps(ours))
    assert [again[step][0].indices.tolist() for step in range(6)] == forwards
    loader = DataLoader(ours, batch_size=None, num_workers=2)
    assert [step[0].indices.tolist() for step in loader] == forwards


def test_steps_end():
    assert len(source(max_steps=3)) == len(list(source(max_steps=3))) == 3
    with pytest.raises(IndexError):
        source(max_steps=3)[-1]


@pytest.mark.parametrize("labels", [np.array([0, -1]), np.array([0.5, np.nan], np.float32)])
def test_training_needs_labels(labels):
    with pytest.raises(ValueError, match="label"):
        FinetuneSource(encoded(2, labels=labels), 1, seed=0, max_steps=1)


def test_evaluation_covers_each_row_once_within_the_tokens():
    batches = evaluation_batches(encoded(), max_tokens=24)
    assert sorted(index for batch in batches for index in batch.indices.tolist()) == list(range(23))
    assert all(batch.num_tokens <= 24 for batch in batches)
    longest = [max(batch.lengths) for batch in batches]
    assert longest == sorted(longest, reverse=True)
    assert all("labels" in batch.targets for batch in batches)
    assert [b.indices.tolist() for b in pickle.loads(pickle.dumps(batches))] == [b.indices.tolist() for b in batches]


def test_processes_share_the_evaluation():
    whole = [batch.indices.tolist() for batch in evaluation_batches(encoded(), max_tokens=24)]
    parts = [evaluation_batches(encoded(), max_tokens=24, rank=rank, world_size=3) for rank in range(3)]
    assert [[batch.indices.tolist() for batch in part] for part in parts] == [whole[rank::3] for rank in range(3)]


def test_rows_without_labels_leave_the_targets_out():
    batches = evaluation_batches(encoded(3, labels=np.array([0, 1, -1])), max_tokens=4)
    assert [batch.targets for batch in batches] == [{}, {}, {}]


def test_report_of_a_split():
    task = replace(encoded(4, labels=np.array([1, 1, 0, -1])), truncated=np.array([True, False, False, False]))
    labels = count_labels(task.labels, ("no", "yes"))
    assert split_report(task, num_rows=2, labels=labels) == {
        "examples": 2,
        "labels": {"no": 1, "yes": 2},
        "truncated_fraction": 0.25,
        "windows_per_example": 2.0,
        "tokens": 4 + 5 + 6 + 7,
        "length_histogram": {"16": 4},
        "longest": 7,
        "mean_length": 5.5,
    }


def test_counts_of_label_sets_and_the_range_of_scores():
    assert count_labels(np.array([[1, 0], [1, 1], [-1, -1]], np.float32), ("x", "y")) == {"x": 2, "y": 1}
    expected = {"min": 1.0, "mean": 2.5, "max": 4.0, "std": 1.5}
    assert count_labels(np.array([1.0, 4.0, np.nan], np.float32), ()) == expected


def test_histogram_bins_end_at_multiples_of_sixteen():
    assert length_histogram(np.array([16, 17, 64])) == {"16": 1, "32": 1, "48": 0, "64": 1}
    assert length_histogram(np.array([], dtype=int)) == {}
