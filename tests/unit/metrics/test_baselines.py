"""Baselines: frequencies and bags of words, against scikit-learn and numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from albert_cli.metrics.baselines import (
    bag_of_words_accuracy,
    bag_of_words_similarity,
    majority_accuracy,
    unigram_baseline,
)


def test_unigram_cross_entropy_by_hand() -> None:
    # counts 3, 0, 1 with one added: shares 4/7, 1/7, 2/7
    found = unigram_baseline(np.array([3, 0, 1]), np.array([0, 0, 1, 2]))
    assert found.cross_entropy == pytest.approx(-(2 * math.log(4 / 7) + math.log(1 / 7) + math.log(2 / 7)) / 4)
    assert found.accuracy == 0.5


def test_unigram_cross_entropy_on_its_own_text_is_the_entropy() -> None:
    counts = np.array([500_000, 300_000, 200_000])
    shares = counts / counts.sum()
    found = unigram_baseline(counts, np.repeat(np.arange(3), counts))
    assert found.cross_entropy == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-6)


def test_naive_bayes_agrees_with_scikit_learn() -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text")
    bayes = pytest.importorskip("sklearn.naive_bayes")
    rng = np.random.default_rng(0)
    vocabulary = np.array([f"word{number}" for number in range(200)])
    shares = rng.dirichlet(np.full(200, 0.3), size=4)
    labels = rng.choice(4, size=600, p=[0.4, 0.3, 0.2, 0.1])
    texts = [" ".join(rng.choice(vocabulary, size=rng.integers(1, 6), p=shares[label])) for label in labels]
    names = [f"class {label}" for label in labels]
    ours = bag_of_words_accuracy(texts[:300], names[:300], texts[300:], names[300:])
    bags = text.CountVectorizer()
    model = bayes.MultinomialNB().fit(bags.fit_transform(texts[:300]), names[:300])
    assert ours == pytest.approx(model.score(bags.transform(texts[300:]), names[300:]))
    assert 0.5 < ours < 1


def test_words_never_seen_leave_the_prior() -> None:
    assert bag_of_words_accuracy(["a b", "a", "c"], ["x", "x", "y"], ["new", ""], ["x", "x"]) == 1.0


def test_similarity_by_hand() -> None:
    found = bag_of_words_similarity(["A cat, a dog", "one", "", "x y"], ["a dog", "two", "three", "Y x"])
    # counts a 2, cat 1, dog 1 against a 1, dog 1
    assert found.tolist() == pytest.approx([3 / math.sqrt(6 * 2), 0, 0, 1])


def test_majority() -> None:
    assert majority_accuracy(["a", "a", "b"], ["a", "b", "b", "b"]) == 0.25
