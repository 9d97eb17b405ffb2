"""Cutting documents into examples: whole sentences, pairs that fit, orders and labels."""

from __future__ import annotations

import random

import numpy as np
import pytest

from albert_cli.data.segments import InstancePlan, SentenceTask, _Law, _shorten, plan_epoch
from albert_cli.errors import DataError

TASKS: tuple[SentenceTask, ...] = ("sop", "sop_original", "nsp", "none")


def make_corpus(*, documents: int, seed: int, longest: int = 30) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sentences = rng.integers(1, 25, size=documents)
    ends = np.cumsum(sentences)
    lengths = rng.integers(1, longest, size=ends[-1])
    return np.concatenate([[0], np.cumsum(lengths)]), np.stack([ends - sentences, ends], axis=1)


def plan(offsets: np.ndarray, documents: np.ndarray, task: SentenceTask = "sop", **changes: float) -> InstancePlan:
    settings = {"max_length": 64, "short_seq_prob": 0.1, "seed": 1, "epoch": 0, **changes}
    return plan_epoch(offsets, documents, sentence=task, **settings)  # type: ignore[arg-type]


def total_length(made: InstancePlan, task: SentenceTask) -> np.ndarray:
    sizes = (made.first_end - made.first_start) + (made.second_end - made.second_start)
    return sizes + (2 if task == "none" else 3)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("max_length", [8, 64, 512])
def test_examples_fit_and_have_two_segments_where_the_task_needs_them(task: SentenceTask, max_length: int) -> None:
    offsets, documents = make_corpus(documents=300, seed=0, longest=60)
    made = plan(offsets, documents, task, max_length=max_length)
    assert len(made) > 100
    assert total_length(made, task).max() <= max_length
    assert (made.first_end > made.first_start).all()
    assert ((made.second_end > made.second_start) == (task != "none")).all()


@pytest.mark.parametrize("task", ["sop", "none"])
def test_segments_come_from_one_document(task: SentenceTask) -> None:
    offsets, documents = make_corpus(documents=200, seed=1)
    made = plan(offsets, documents, task)
    edges = offsets[documents[:, 0]]
    home = np.searchsorted(edges, made.first_start, side="right")
    assert np.array_equal(home, np.searchsorted(edges, made.first_end - 1, side="right"))
    if task == "sop":
        assert np.array_equal(home, np.searchsorted(edges, made.second_end - 1, side="right"))


def test_sop_label_says_which_segment_stands_first_in_the_text() -> None:
    offsets, documents = make_corpus(documents=4000, seed=2)
    made = plan(offsets, documents, "sop")
    assert len(made) > 10_000
    in_order = made.first_end <= made.second_start
    assert np.array_equal(in_order, made.label == 0)
    assert abs(made.label.mean() - 0.5) < 4 * 0.5 / np.sqrt(len(made))


def test_sop_asks_for_the_order_of_single_sentences_too() -> None:
    offsets = np.arange(0, 2001, 20)
    documents = np.stack([np.arange(100), np.arange(100) + 1], axis=1)  # documents of one sentence
    made = plan(offsets, documents, "sop")
    assert len(made) == 100
    assert made.single.all()
    assert (total_length(made, "sop") == 23).all()
    assert 25 < made.label.sum() < 75
    cut = np.where(made.label == 0, made.first_end, made.second_end) % 20
    assert len(np.unique(cut)) > 10  # cut anywhere inside


def test_a_piece_that_cannot_be_parted_is_counted_and_left_out() -> None:
    made = plan(np.array([0, 1, 11]), np.array([[0, 1], [1, 2]]), "sop")
    assert (len(made), made.dropped) == (1, 1)
    assert made.first_start.min() >= 1


@pytest.mark.parametrize("task", ["sop", "none"])
def test_no_text_is_lost_but_the_overhang_of_chunks(task: SentenceTask) -> None:
    """Sentences longer than an example are cut, so that every piece of them is used."""
    offsets = np.array([0, 1000, 1300])
    made = plan(offsets, np.array([[0, 2]]), task, short_seq_prob=0.0)
    used = np.zeros(1300, dtype=int)
    for begin, end in ((made.first_start, made.first_end), (made.second_start, made.second_end)):
        for b, e in zip(begin, end, strict=True):
            used[b:e] += 1
    assert used.max() == 1
    assert used.sum() >= 1300 - 64 * 2


def test_an_epoch_cuts_anew_and_the_same_epoch_cuts_alike() -> None:
    offsets, documents = make_corpus(documents=100, seed=3)
    first, again, other = (plan(offsets, documents, epoch=epoch) for epoch in (0, 0, 1))
    assert all(np.array_equal(getattr(first, n), getattr(again, n)) for n in ("first_start", "second_end", "label"))
    assert len(first) != len(other) or not np.array_equal(first.first_end, other.first_end)
    assert not np.array_equal(plan(offsets, documents, seed=2).label[:50], first.label[:50])


@pytest.mark.parametrize("task", TASKS)
def test_the_plan_does_not_depend_on_how_many_sentences_are_looked_at_at_a_time(
    task: SentenceTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    offsets, documents = make_corpus(documents=100, seed=4, longest=90)
    documents = documents[np.arange(100) % 7 != 3]  # others are held out
    whole = plan(offsets, documents, task)
    monkeypatch.setattr("albert_cli.data.segments._BLOCK_SENTENCES", 40)
    parts = plan(offsets, documents, task)
    for name in ("first_start", "first_end", "second_start", "second_end", "label", "single"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name


def test_documents_that_are_left_out_are_never_touched() -> None:
    offsets, documents = make_corpus(documents=60, seed=5)
    for task in TASKS:
        made = plan(offsets, documents[::2], task)
        outside = np.ones(offsets[-1], dtype=bool)
        for begin, end in documents[::2]:
            outside[offsets[begin] : offsets[end]] = False
        for begins, ends in ((made.first_start, made.first_end), (made.second_start, made.second_end)):
            assert not any(outside[b:e].any() for b, e in zip(begins, ends, strict=True))


def test_no_documents_is_an_error_of_the_data() -> None:
    with pytest.raises(DataError, match="no documents"):
        plan(np.array([0, 5]), np.zeros((0, 2), dtype=np.int64))


def shorten_piece_by_piece(first: int, second: int, budget: int) -> tuple[int, int]:
    """Lengths that are left when the longer segment loses a piece until both fit; the second when they are equal."""
    while first + second > budget:
        if first > second:
            first -= 1
        else:
            second -= 1
    return first, second


def test_pairs_lose_pieces_from_the_longer_segment_at_both_ends() -> None:
    rng = np.random.default_rng(6)
    first, second = rng.integers(1, 80, size=(2, 5000))
    pair = np.array([[np.zeros(5000, int), np.full(5000, 1000)], [first, 1000 + second]])
    law = _Law(budget=51, short_seq_prob=0.0, task="sop", seed=0, epoch=0)
    short = _shorten(pair, np.arange(5000), law)
    sizes = (short[1] - short[0]).T
    assert [tuple(s) for s in sizes] == [
        shorten_piece_by_piece(int(a), int(b), 51) for a, b in zip(first, second, strict=True)
    ]
    front, removed = short[0] - pair[0], (pair[1] - pair[0]) - (short[1] - short[0])
    assert (front >= 0).all()
    assert (front <= removed).all()
    coins = removed.sum()
    assert abs(front.sum() - coins / 2) < 4 * np.sqrt(coins / 4)


def cut_like_the_original(
    documents: list[list[int]], rng: random.Random, *, budget: int, short: float, random_next: bool
) -> tuple[int, int]:
    """Examples and label-1 examples of one pass over documents given as sentence lengths: packing read aloud."""
    examples = ones = 0
    for lengths in documents:
        target = rng.randint(2, budget) if rng.random() < short else budget
        begin = 0
        while begin < len(lengths):
            end = begin
            while end < len(lengths) and sum(lengths[begin:end]) < target:
                end += 1
            middle = begin + (rng.randint(1, end - begin - 1) if end - begin > 1 else 1)
            other = end - begin == 1 or (random_next and rng.random() < 0.5)
            examples += 1
            ones += other or (not random_next and rng.random() < 0.5)
            begin = middle if other else end
    return examples, ones


@pytest.mark.parametrize(("task", "random_next"), [("sop_original", False), ("nsp", True)])
def test_packing_agrees_with_the_original_read_aloud(task: SentenceTask, random_next: bool) -> None:
    offsets, documents = make_corpus(documents=12, seed=7)
    lengths = np.diff(offsets)
    rng = random.Random(0)
    read = np.array(
        [
            cut_like_the_original(
                [lengths[b:e].tolist() for b, e in documents], rng, budget=61, short=0.3, random_next=random_next
            )
            for _ in range(600)
        ]
    )
    plans = [plan(offsets, documents, task, short_seq_prob=0.3, epoch=epoch) for epoch in range(600)]
    ours = np.array([(len(made), made.label.sum()) for made in plans])
    error = np.sqrt((read.var(axis=0) + ours.var(axis=0)) / 600)
    assert (np.abs(read.mean(axis=0) - ours.mean(axis=0)) < 4 * error).all(), (read.mean(axis=0), ours.mean(axis=0))


def test_the_other_document_is_another_one_and_fills_the_target() -> None:
    offsets, documents = make_corpus(documents=40, seed=8)
    made = plan(offsets, documents, "nsp", short_seq_prob=0.0)
    edges = offsets[documents[:, 0]]
    homes = [np.searchsorted(edges, begin, side="right") for begin in (made.first_start, made.second_start)]
    assert np.array_equal(homes[0] != homes[1], made.label == 1)
    assert len(np.unique(homes[1][made.label == 1])) > 30


def test_with_a_single_document_the_other_text_is_its_own() -> None:
    offsets, documents = make_corpus(documents=1, seed=9)
    made = plan(offsets, documents, "nsp")
    assert made.label.any()
    assert made.second_end.max() <= offsets[-1]
