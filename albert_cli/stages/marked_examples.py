"""Examples as the model sees them, with what it is asked marked: hidden words, answers, tags, labels.

Shapes: B examples of a batch, T packed tokens, M marked tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from albert_cli.data.batching import PackedBatch
from albert_cli.data.examples import Examples
from albert_cli.report.marks import Kind, Marked
from albert_cli.tokenization.tokenizer import AlbertTokenizer

_OUTSIDE = "O"
Span = tuple[int, int, Kind, str]  # first token, one after the last, why it is marked, what is said about it


def masked_examples(batch: PackedBatch, tokenizer: AlbertTokenizer) -> Iterator[list[Marked]]:
    """Pretraining examples: runs of predicted pieces, each with what stood there, and the order of the segments."""
    positions = batch.targets["masked_positions"].tolist()
    hidden = dict(zip(positions, batch.targets["masked_labels"].tolist(), strict=True))
    order = batch.targets.get("sentence_order_label")
    for place, (start, end) in enumerate(_borders(batch.lengths)):
        runs = _runs([at for at in positions if start <= at < end])
        spans: list[Span] = [
            (first, last, "masked", _pieces([hidden[at] for at in range(first, last)], tokenizer))
            for first, last in runs
        ]
        parts = _with_spans(batch, (start, end), spans, tokenizer)
        if order is not None:
            parts.append(Marked("swapped" if int(order[place]) else "in order", "label"))
        yield parts


def task_examples(
    examples: Examples, tokenizer: AlbertTokenizer, *, names: Mapping[int, str], count: int
) -> Iterator[list[Marked]]:
    """The first examples of a task.

    Args:
        examples: a split.
        tokenizer: of its ids.
        names: of the classes or tags, by number; empty where there are none.
        count: of examples.
    """
    for number in range(min(count, len(examples))):
        batch = examples.pack(np.array([number]), with_labels=examples.is_labelled)
        targets = batch.targets
        whole = (0, len(batch.input_ids))
        if "word_positions" in targets:
            yield _with_spans(batch, whole, _tags(targets, whole[1], names), tokenizer)
        elif "p_mask" in targets:
            yield _answered(batch, tokenizer)
        elif "choices" in targets:
            yield _choices(batch, tokenizer)
        else:
            label = _label(targets["labels"][0].tolist(), names) if "labels" in targets else "no label"
            yield [*_with_spans(batch, whole, [], tokenizer), Marked(label, "label")]


def _answered(batch: PackedBatch, tokenizer: AlbertTokenizer) -> list[Marked]:
    """A window of a text with the answer in it."""
    whole = (0, len(batch.input_ids))
    if "start_positions" not in batch.targets:
        return [*_with_spans(batch, whole, [], tokenizer), Marked("no label", "label")]
    first, last = (int(batch.targets[name][0]) for name in ("start_positions", "end_positions"))
    if int(batch.targets["is_impossible"][0]) or not 0 < first <= last:
        return [*_with_spans(batch, whole, [], tokenizer), Marked("no answer here", "label")]
    return _with_spans(batch, whole, [(first, last + 1, "answer", "")], tokenizer)


def _choices(batch: PackedBatch, tokenizer: AlbertTokenizer) -> list[Marked]:
    """The choices of a question one after another; the right one has a label."""
    right = int(batch.targets["labels"][0]) if "labels" in batch.targets else None
    parts: list[Marked] = []
    for number, border in enumerate(_borders(batch.lengths)):
        label = f"{number}, right" if number == right else str(number)
        parts += [Marked(label, "label"), *_with_spans(batch, border, [], tokenizer)]
    return parts


def _tags(targets: Mapping[str, Any], tokens: int, names: Mapping[int, str]) -> list[Span]:
    """Runs of words with a tag; a word reaches to the next one, or to the last [SEP]."""
    if "labels" not in targets:
        return []
    places = [*targets["word_positions"].tolist(), tokens - 1]
    spans: list[Span] = []
    for at, number in enumerate(targets["labels"].tolist()):
        name = names.get(int(number), str(number)) if number >= 0 else _OUTSIDE
        prefix, _, kind = name.rpartition("-")
        if name == _OUTSIDE:
            continue
        goes_on = bool(spans) and prefix in ("I", "E") and spans[-1][1] == places[at] and spans[-1][3] == kind
        if goes_on:
            spans[-1] = (spans[-1][0], places[at + 1], "tag", kind)
        else:
            spans.append((places[at], places[at + 1], "tag", kind))
    return spans


def _label(value: Any, names: Mapping[int, str]) -> str:
    if isinstance(value, list):
        return ", ".join(names.get(number, str(number)) for number, has in enumerate(value) if has) or "none"
    return names.get(value, str(value)) if isinstance(value, int) else f"{value:.4g}"


def _borders(lengths: Sequence[int]) -> list[tuple[int, int]]:
    ends = np.cumsum(lengths).tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _runs(positions: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Neighbouring positions together: first, and one after the last."""
    first = last = None
    for at in positions:
        if last is not None and first is not None and at > last:
            yield first, last
            first = at
        first, last = at if first is None else first, at + 1
    if first is not None and last is not None:
        yield first, last


def _with_spans(
    batch: PackedBatch, border: tuple[int, int], spans: Sequence[Span], tokenizer: AlbertTokenizer
) -> list[Marked]:
    """A stretch of the batch, the spans in it marked."""
    ids = batch.input_ids.tolist()
    special = {tokenizer.cls_token_id, tokenizer.sep_token_id}
    parts: list[Marked] = []
    at, end = border

    def plain(until: int) -> None:
        for piece in ids[at:until]:
            parts.append(Marked(_pieces([piece], tokenizer), "special" if piece in special else "plain"))

    for first, last, kind, note in spans:
        plain(first)
        parts.append(Marked(_pieces(ids[first:last], tokenizer), kind, note))
        at = last
    plain(end)
    return parts


def _pieces(ids: Sequence[int], tokenizer: AlbertTokenizer) -> str:
    return " ".join(tokenizer.id_to_piece(int(piece)) for piece in ids)
