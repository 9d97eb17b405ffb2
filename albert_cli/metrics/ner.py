"""How well were spans of words found? Precision, recall and F1 as conlleval and seqeval count them.

A span counts as found if its first word, last word and type are all right. Counts are kept for each sentence, so that
intervals come from drawing sentences anew.

Shapes: W words, S sentences, Y types, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from albert_cli.metrics.tag_spans import OUTSIDE, Integers, Spans, TagTable, find_spans, part_tag

Floats = npt.NDArray[np.float64]

_DRAWN_AT_ONCE = 2**21  # sentence numbers; 16 MiB


@dataclass(frozen=True)
class SpanCounts:
    """What was found, said and true in each sentence.

    Attributes:
        found: (S, Y) int64, spans that are right.
        said: (S, Y) int64, spans of the predictions.
        true: (S, Y) int64, spans of the truth.
        right_words: (S,) int64, words whose tag is right.
        words: (S,) int64.
        type_names: Y types.
    """

    found: Integers
    said: Integers
    true: Integers
    right_words: Integers
    words: Integers
    type_names: tuple[str, ...]


@dataclass(frozen=True)
class MeasuredValue:
    """A score with the interval that drawing sentences anew gives it; NaN at both ends without sentences."""

    value: float
    low: float
    high: float
    support: int


def count_spans(predictions: Integers, truth: Integers, offsets: Integers, table: TagTable) -> SpanCounts:
    """Compare predicted with true tags.

    Args:
        predictions: (W,) int64 tag numbers of all sentences one after another.
        truth: (W,) int64, likewise.
        offsets: (S + 1,) int64, where each sentence begins.
        table: what the numbers mean.

    Raises:
        ValueError: different numbers of words.
    """
    if predictions.shape != truth.shape or len(truth) != offsets[-1]:
        raise ValueError(f"{predictions.shape} predictions for {truth.shape} words")
    said, true = find_spans(predictions, offsets, table), find_spans(truth, offsets, table)
    types = len(table.type_names)
    right = np.concatenate([[0], np.cumsum(predictions == truth)])
    return SpanCounts(
        found=_by_sentence(_common(said, true), offsets, types),
        said=_by_sentence(said, offsets, types),
        true=_by_sentence(true, offsets, types),
        right_words=right[offsets[1:]] - right[offsets[:-1]],
        words=np.diff(offsets),
        type_names=table.type_names,
    )


def _common(said: Spans, true: Spans) -> Spans:
    """Spans that both have. Spans of one side do not overlap, so their first words tell them apart."""
    places = np.searchsorted(true.starts, said.starts)
    inside = np.minimum(places, max(len(true) - 1, 0))
    if len(true) == 0:
        same = np.zeros(len(said), dtype=np.bool_)
    else:
        same = (
            (true.starts[inside] == said.starts) & (true.ends[inside] == said.ends) & (true.types[inside] == said.types)
        )
    return Spans(said.starts[same], said.ends[same], said.types[same])


def _by_sentence(spans: Spans, offsets: Integers, types: int) -> Integers:
    table = np.zeros((len(offsets) - 1, types), dtype=np.int64)
    sentences = np.searchsorted(offsets, spans.starts, side="right") - 1
    np.add.at(table, (sentences, spans.types), 1)
    return table


def span_scores(counts: SpanCounts) -> dict[str, float]:
    """Scores of all spans together, fractions of 1; what divides by nothing is 0.

    Returns:
        ``f1``, ``precision``, ``recall``, and ``accuracy`` of the words' tags.
    """
    precision, recall, f1 = _triple(counts.found.sum(), counts.said.sum(), counts.true.sum())
    accuracy = _share(counts.right_words.sum(), counts.words.sum())
    return {"f1": float(f1), "precision": float(precision), "recall": float(recall), "accuracy": float(accuracy)}


def type_scores(counts: SpanCounts) -> dict[str, dict[str, float]]:
    """``precision``, ``recall``, ``f1`` and ``support`` (true spans) of each type."""
    found, said, true = counts.found.sum(axis=0), counts.said.sum(axis=0), counts.true.sum(axis=0)
    precision, recall, f1 = _triple(found, said, true)
    return {
        name: {
            "precision": float(precision[number]),
            "recall": float(recall[number]),
            "f1": float(f1[number]),
            "support": int(true[number]),
        }
        for number, name in enumerate(counts.type_names)
    }


def macro_f1(counts: SpanCounts) -> float:
    """Mean F1 of the types that occur in the truth or in the predictions."""
    return float(_macro(counts.found.sum(axis=0), counts.said.sum(axis=0), counts.true.sum(axis=0)))


def span_intervals(
    counts: SpanCounts, *, resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> dict[str, MeasuredValue]:
    """Every score with its percentile bootstrap interval over sentences.

    Args:
        counts: of `count_spans`.
        resamples: R, how many test sets of S sentences are drawn with replacement.
        confidence: share of the resamples inside the interval.
        seed: of the draws.

    Returns:
        The names of `span_scores`, ``macro_f1``, then for each type ``f1_PER``, ``precision_PER``, ``recall_PER``. The
        support is the true spans; for ``accuracy`` the words.
    """
    names = counts.type_names
    types = len(names)
    columns = np.concatenate(
        [counts.found, counts.said, counts.true, counts.right_words[:, None], counts.words[:, None]], axis=1
    ).astype(np.float64)  # (S, 3 Y + 2)
    drawn = np.concatenate([columns.sum(axis=0, keepdims=True), _resampled(columns, resamples, seed)])  # (R + 1, ...)
    found, said, true = drawn[:, :types], drawn[:, types : 2 * types], drawn[:, 2 * types : 3 * types]
    whole = dict(zip(("precision", "recall", "f1"), _triple(found.sum(1), said.sum(1), true.sum(1)), strict=True))
    single = dict(zip(("precision", "recall", "f1"), _triple(found, said, true), strict=True))
    spans, supports = int(true[0].sum()), true[0].astype(np.int64).tolist()
    values = {name: _measured(whole[name], confidence, spans) for name in ("f1", "precision", "recall")}
    accuracy = _share(drawn[:, -2], drawn[:, -1])
    values["accuracy"] = _measured(accuracy, confidence, int(drawn[0, -1]))
    values["macro_f1"] = _measured(_macro(found, said, true), confidence, spans)
    for number, name in enumerate(names):
        for score in ("f1", "precision", "recall"):
            values[f"{score}_{name}"] = _measured(single[score][:, number], confidence, supports[number])
    return values


def _resampled(columns: Floats, resamples: int, seed: int) -> Floats:
    """(R, ...) sums over sentences drawn with replacement."""
    sentences = len(columns)
    if sentences == 0:
        return np.empty((0, columns.shape[1]))
    draw = np.random.Generator(np.random.Philox(seed))
    block = max(1, _DRAWN_AT_ONCE // sentences)
    sums = []
    for start in range(0, resamples, block):
        rows = draw.integers(sentences, size=(min(block, resamples - start), sentences))
        weights = np.stack([np.bincount(row, minlength=sentences) for row in rows]).astype(np.float64)
        sums.append(weights @ columns)
    return np.concatenate(sums)


def _measured(values: Floats, confidence: float, support: int) -> MeasuredValue:
    """The first value is that of the whole set, the others are drawn."""
    if len(values) < 2:
        return MeasuredValue(float(values[0]), float("nan"), float("nan"), support)
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(values[1:], [tail, 1.0 - tail])
    return MeasuredValue(float(values[0]), float(low), float(high), support)


def _share(part: npt.ArrayLike, whole: npt.ArrayLike) -> Floats:
    above, below = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    return np.divide(above, below, out=np.zeros(np.broadcast(above, below).shape), where=below > 0)


def _triple(found: npt.ArrayLike, said: npt.ArrayLike, true: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and their harmonic mean 2 found / (said + true)."""
    both = np.asarray(said, dtype=np.float64) + np.asarray(true, dtype=np.float64)
    return _share(found, said), _share(found, true), _share(2.0 * np.asarray(found, dtype=np.float64), both)


def _macro(found: Floats | Integers, said: Floats | Integers, true: Floats | Integers) -> Floats:
    occurs = (said + true) > 0
    return _share((_triple(found, said, true)[2] * occurs).sum(axis=-1), occurs.sum(axis=-1))


def score_tag_lists(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> dict[str, object]:
    """Score lists of tags, under the names that the seqeval script of the ``evaluate`` library gives.

    Args:
        predictions: tags of each sentence.
        references: the right ones.

    Returns:
        ``overall_precision``, ``overall_recall``, ``overall_f1``, ``overall_accuracy``, and for each type a dict of
        ``precision``, ``recall``, ``f1`` and ``number``.

    Raises:
        ValueError: sentences of different lengths, or different numbers of them.
    """
    counts = _count_lists(predictions, references)
    by_type: dict[str, object] = {
        name: {"precision": one["precision"], "recall": one["recall"], "f1": one["f1"], "number": one["support"]}
        for name, one in type_scores(counts).items()
    }
    whole = span_scores(counts)
    return {**by_type, **{f"overall_{name}": whole[name] for name in ("precision", "recall", "f1", "accuracy")}}


def span_values(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """The same under the names of `span_intervals`, without intervals."""
    counts = _count_lists(predictions, references)
    single = {
        f"{score}_{name}": one[score]
        for name, one in type_scores(counts).items()
        for score in ("f1", "precision", "recall")
    }
    return {**span_scores(counts), **single}


def _count_lists(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> SpanCounts:
    if [len(tags) for tags in predictions] != [len(tags) for tags in references]:
        raise ValueError("predictions and references must have the same sentences, with as many tags in each")
    names = sorted({tag for tags in (*predictions, *references) for tag in tags})
    bare = not any(name == OUTSIDE or part_tag(name) for name in names)
    table = TagTable.of(names, scheme="none" if bare else "io")
    offsets = np.concatenate([[0], np.cumsum([len(tags) for tags in references])]).astype(np.int64)
    said, true = (
        np.array([table.numbers[tag] for tags in lists for tag in tags], dtype=np.int64)
        for lists in (predictions, references)
    )
    return count_spans(said, true, offsets, table)
