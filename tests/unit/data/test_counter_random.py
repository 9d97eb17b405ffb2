"""Counter-based random numbers: same coordinates, same number; and the numbers look random."""

from __future__ import annotations

import numpy as np

from albert_cli.data.random import below, draw, heads, scramble, stream_key, uniform

N = 200_000


def test_the_generator_is_splitmix64() -> None:
    # First outputs of SplitMix64 from seed 1234567 (test vector of Rosetta Code, "Splitmix64").
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert draw(1234567, np.arange(5)).tolist() == expected


def test_a_number_does_not_depend_on_what_else_is_asked() -> None:
    key = stream_key(7, 3, "masks")
    together = draw(key, np.arange(1000))
    assert draw(key, [517])[0] == together[517]
    assert np.array_equal(draw(key, np.arange(500, 1000)), together[500:])


def test_streams_of_other_seeds_epochs_and_purposes_differ() -> None:
    keys = {stream_key(s, e, p) for s in range(5) for e in range(5) for p in ("a", "b")}
    assert len(keys) == 50
    overlap = np.intersect1d(draw(stream_key(0, 0, "a"), np.arange(N)), draw(stream_key(0, 1, "a"), np.arange(N)))
    assert len(overlap) == 0


def test_scramble_leaves_its_input_alone() -> None:
    values = np.arange(10, dtype=np.uint64)
    scramble(values)
    assert values.tolist() == list(range(10))


def test_uniform_numbers_fill_the_interval_evenly() -> None:
    numbers = uniform(draw(stream_key(1, 0, "x"), np.arange(N)))
    assert numbers.min() >= 0.0
    assert numbers.max() < 1.0
    counts = np.histogram(numbers, bins=100, range=(0, 1))[0]
    chi_square = ((counts - N / 100) ** 2 / (N / 100)).sum()
    assert chi_square < 99 + 5 * np.sqrt(2 * 99)
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 5 / np.sqrt(N)


def test_below_is_uniform_over_its_range() -> None:
    numbers = below(draw(stream_key(2, 0, "x"), np.arange(N)), np.full(N, 7))
    counts = np.bincount(numbers, minlength=7)
    assert len(counts) == 7
    assert ((counts - N / 7) ** 2 / (N / 7)).sum() < 6 + 5 * np.sqrt(12)
    assert below(draw(0, np.arange(50)), np.ones(50)).max() == 0


def test_heads_is_binomial_for_few_and_for_many_coins() -> None:
    for tosses in (1, 5, 64, 65, 300):
        counts = heads(stream_key(3, 0, str(tosses)), np.arange(20_000), np.full(20_000, tosses))
        assert counts.min() >= 0
        assert counts.max() <= tosses
        error = np.sqrt(tosses / 4 / 20_000)
        assert abs(counts.mean() - tosses / 2) < 5 * error
        assert abs(counts.var() - tosses / 4) < 5 * tosses / 4 * np.sqrt(2 / 20_000) + 0.02
    assert heads(1, np.arange(3), np.zeros(3)).tolist() == [0, 0, 0]


def test_heads_of_one_draw_do_not_depend_on_the_others() -> None:
    tosses = np.array([3, 130, 0, 64])
    together = heads(9, np.arange(4), tosses)
    assert [int(heads(9, [i], [t])[0]) for i, t in enumerate(tosses)] == together.tolist()
