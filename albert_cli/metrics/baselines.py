"""What one gets without learning a representation: numbers to print beside a model's.

Shapes: V vocabulary, M predictions.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class UnigramBaseline:
    """Guessing hidden pieces from how often pieces occur.

    Attributes:
        cross_entropy: of the training text's piece frequencies on the targets, in nats.
        accuracy: share of the targets that are the most frequent piece of the training text.
    """

    cross_entropy: float
    accuracy: float


def unigram_baseline(piece_counts: np.ndarray, targets: np.ndarray) -> UnigramBaseline:
    """Score a model that knows frequencies only, each piece counted once more than it was seen.

    Args:
        piece_counts: (V,) how often each piece occurs in the training text.
        targets: (M,) pieces to predict, at least one.
    """
    smoothed = np.asarray(piece_counts, dtype=np.float64) + 1.0
    log_share = np.log(smoothed) - np.log(smoothed.sum())
    targets = np.asarray(targets)
    return UnigramBaseline(
        cross_entropy=float(-log_share[targets].mean()),
        accuracy=float((targets == smoothed.argmax()).mean()),
    )


def bag_of_words_accuracy(
    train_texts: Sequence[str], train_labels: Sequence[str], dev_texts: Sequence[str], dev_labels: Sequence[str]
) -> float:
    """Accuracy of multinomial naive Bayes on lower-cased words, add-one smoothing.

    Args:
        train_texts: texts to count words in.
        train_labels: label of each.
        dev_texts: texts to label; words never seen in training are passed over.
        dev_labels: label of each; at least one.
    """
    labels = sorted(set(train_labels))
    number = {label: place for place, label in enumerate(labels)}
    words: dict[str, int] = {}
    bags = [[words.setdefault(word, len(words)) for word in _WORD.findall(text.lower())] for text in train_texts]
    counts = np.ones((len(labels), max(len(words), 1)))
    prior = np.zeros(len(labels))
    for bag, label in zip(bags, train_labels, strict=True):
        prior[number[label]] += 1
        np.add.at(counts[number[label]], np.asarray(bag, dtype=np.int64), 1)
    word_scores = np.log(counts / counts.sum(axis=1, keepdims=True))
    prior_scores = np.log(prior / prior.sum())
    right = 0
    for text, label in zip(dev_texts, dev_labels, strict=True):
        known = [words[word] for word in _WORD.findall(text.lower()) if word in words]
        scores = prior_scores + word_scores[:, known].sum(axis=1)
        right += labels[int(scores.argmax())] == label
    return right / len(dev_labels)


def bag_of_words_similarity(texts: Sequence[str], others: Sequence[str]) -> np.ndarray:
    """(N,) float64, cosine of the word counts of N pairs of texts, lower-cased; 0 where one has no words."""
    scores = np.zeros(len(texts))
    for place, pair in enumerate(zip(texts, others, strict=True)):
        first, second = (Counter(_WORD.findall(text.lower())) for text in pair)
        lengths = math.prod(sum(count**2 for count in words.values()) for words in (first, second))
        if lengths:
            scores[place] = sum(count * second[word] for word, count in first.items()) / math.sqrt(lengths)
    return scores


def majority_accuracy(train_labels: Sequence[str], dev_labels: Sequence[str]) -> float:
    """Accuracy of always answering the most frequent training label."""
    most = Counter(train_labels).most_common(1)[0][0]
    return sum(label == most for label in dev_labels) / len(dev_labels)
