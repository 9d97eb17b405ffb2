"""From the rows of a task to token ids, all in a few flat arrays.

A row becomes ``[CLS] A [SEP]`` or ``[CLS] A [SEP] B [SEP]``. A pair that is too long loses one token at a time from the
end of its longer text, from the second where both are equally long; what remains is computed in closed form.

Shapes: N rows, B rows of a batch, T tokens of all rows (of the batch) together, C classes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from albert_cli.data.batching import PackedBatch
from albert_cli.data.parallel import encoding_processes, map_parts
from albert_cli.data.tasks.spec import Kind

# Rows whose texts are tokenised and laid out at a time; bounds the memory that Python lists of ids take.
_ROWS_AT_ONCE = 8192
# A process takes two seconds to start, in which one encodes about that many rows.
_ROWS_OF_A_PROCESS = 65536

Integers = npt.NDArray[np.int64]


class PairTokenizer(Protocol):
    """What is needed of a tokenizer."""

    cls_token_id: int
    sep_token_id: int

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, without special tokens."""
        ...


@dataclass(frozen=True)
class EncodedTask:
    """A split as token ids.

    Attributes:
        ids: (T,) int32, the rows one after another.
        offsets: (N + 1,) int64, row i is ``ids[offsets[i]:offsets[i + 1]]``.
        first_lengths: (N,) int32, tokens of token type 0: [CLS], the first text and its [SEP].
        labels: classification (N,) int64, -1 unlabelled; regression (N,) float32, NaN unlabelled; multi-label (N, C)
            float32 of 0 and 1, rows of -1 unlabelled.
        rows: (N,) int64, place of each row in the ``datasets.Dataset``.
        truncated: (N,) bool, rows that lost tokens.
        kind: of the task.
    """

    ids: npt.NDArray[np.int32]
    offsets: Integers
    first_lengths: npt.NDArray[np.int32]
    labels: npt.NDArray[Any]
    rows: Integers
    truncated: npt.NDArray[np.bool_]
    kind: Kind

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> Integers:
        """(N,) tokens of each row."""
        return np.diff(self.offsets)

    @property
    def truncated_fraction(self) -> float:
        """Share of the rows that lost tokens."""
        return float(np.mean(self.truncated)) if len(self) else 0.0

    @property
    def is_labelled(self) -> bool:
        """Whether every row has a label."""
        return bool(labelled_rows(self.labels).all())

    def pack(self, chosen: np.ndarray, *, with_labels: bool) -> PackedBatch:
        """Lay rows one after another.

        Args:
            chosen: (B,) int64, which rows.
            with_labels: whether ``targets`` holds ``labels``.
        """
        chosen = np.asarray(chosen, dtype=np.int64)
        lengths = self.lengths[chosen]  # (B,)
        starts = np.cumsum(lengths) - lengths
        within = np.arange(int(lengths.sum()), dtype=np.int64) - np.repeat(starts, lengths)  # (T,) place in its row
        ids = self.ids[np.repeat(self.offsets[chosen], lengths) + within]
        types = within >= np.repeat(self.first_lengths[chosen], lengths)
        targets = {"labels": torch.from_numpy(self.labels[chosen])} if with_labels else {}
        return PackedBatch(
            input_ids=torch.from_numpy(ids.astype(np.int64)),
            token_type_ids=torch.from_numpy(types.astype(np.int64)),
            lengths=tuple(lengths.tolist()),
            indices=torch.from_numpy(self.rows[chosen]),
            targets=targets,
        )

    def fingerprint(self) -> str:
        """Changes when any id or label does."""
        digest = hashlib.sha256()
        for array in (self.ids, self.offsets, self.first_lengths, np.ascontiguousarray(self.labels)):
            digest.update(array.tobytes())
        return digest.hexdigest()


def labelled_rows(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which rows have a label, for labels as `EncodedTask` holds them; (N,) bool."""
    if labels.ndim == 2:
        return np.asarray((labels >= 0).all(axis=-1))
    if labels.dtype.kind == "f":
        return np.asarray(~np.isnan(labels))
    return np.asarray(labels >= 0)


def encode_task(dataset: Any, tokenizer: PairTokenizer, *, max_length: int, threads: int | None = 1) -> EncodedTask:
    """Tokenise a split.

    Args:
        dataset: a ``datasets.Dataset`` with the columns of `data.tables`.
        tokenizer: gives ids without special tokens; ``[MASK]`` and the like in texts are text.
        max_length: most tokens of a row, special ones included; 4 at least.
        threads: a large split is encoded by so many processes at most; None means as many as there are cores.

    Returns:
        The rows in their order, however many processes were at work. A row whose second text has no tokens is a single
        text.

    Raises:
        ValueError: ``max_length`` has no room for a pair.
    """
    if max_length < 4:
        raise ValueError(f"max_length {max_length} has no room for [CLS] A [SEP] [SEP]")
    texts = dataset.select_columns([name for name in ("text", "text_pair") if name in dataset.features])
    parts = map_parts(
        partial(_encode_rows, tokenizer=tokenizer, max_length=max_length),
        _Slices(texts),
        processes=encoding_processes(len(dataset), enough=_ROWS_OF_A_PROCESS, threads=threads),
    )
    lengths = np.concatenate([np.empty(0, np.int64), *(part.lengths for part in parts)])
    return EncodedTask(
        ids=np.concatenate([np.empty(0, np.int32), *(part.ids for part in parts)]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        first_lengths=np.concatenate([np.empty(0, np.int32), *(part.first_lengths for part in parts)]),
        labels=_labels(dataset),
        rows=np.arange(len(dataset), dtype=np.int64),
        truncated=np.concatenate([np.empty(0, np.bool_), *(part.truncated for part in parts)]),
        kind=_kind(dataset),
    )


def kept_lengths(first: Integers, second: Integers, *, budget: int) -> tuple[Integers, Integers]:
    """Tokens that remain of each pair: one at a time goes from the longer text, from the second where both are equal.

    Args:
        first: (N,) tokens of the first texts.
        second: (N,) tokens of the second texts.
        budget: most tokens of a pair, special ones not counted.

    Returns:
        Two (N,) arrays. While one text is longer, only that one shrinks; once both are equal they shrink in turns.
    """
    shorter = np.minimum(first, second)
    half = budget // 2
    alone = 2 * shorter <= budget  # the longer text alone gives all that is too much
    kept_first = np.where(alone, np.where(first > second, budget - shorter, first), budget - half)
    kept_second = np.where(alone, np.where(first > second, second, budget - shorter), half)
    fits = first + second <= budget
    return np.where(fits, first, kept_first), np.where(fits, second, kept_second)


@dataclass(frozen=True)
class _Part:
    ids: npt.NDArray[np.int32]
    lengths: Integers
    first_lengths: npt.NDArray[np.int32]
    truncated: npt.NDArray[np.bool_]


class _Slices(Sequence[dict[str, list[Any]]]):
    """Rows of a ``datasets.Dataset``, so many at a time, read when they are asked for."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return math.ceil(len(self._dataset) / _ROWS_AT_ONCE)

    def __getitem__(self, number: Any) -> Any:
        if not 0 <= number < len(self):
            raise IndexError(number)
        return self._dataset[number * _ROWS_AT_ONCE : (number + 1) * _ROWS_AT_ONCE]


def _encode_rows(rows: dict[str, list[Any]], tokenizer: PairTokenizer, *, max_length: int) -> _Part:
    first_ids, first = _flat(tokenizer.encode_batch(rows["text"]))
    pairs = rows.get("text_pair")
    second_ids, second = (
        _flat(tokenizer.encode_batch(pairs)) if pairs is not None else _flat([[] for _ in rows["text"]])
    )
    is_pair = second > 0
    kept_first, kept_second = kept_lengths(first, second, budget=max_length - 3)
    kept_first = np.where(is_pair, kept_first, np.minimum(first, max_length - 2))
    first_lengths = kept_first + 2  # [CLS] A [SEP]
    lengths = first_lengths + np.where(is_pair, kept_second + 1, 0)  # B [SEP]
    starts = np.cumsum(lengths) - lengths

    ids = np.empty(int(lengths.sum()), np.int32)
    ids[starts] = tokenizer.cls_token_id
    ids[starts + first_lengths - 1] = tokenizer.sep_token_id
    ids[(starts + lengths - 1)[is_pair]] = tokenizer.sep_token_id
    _copy(first_ids, np.cumsum(first) - first, ids, starts + 1, counts=kept_first)
    _copy(second_ids, np.cumsum(second) - second, ids, starts + first_lengths, counts=kept_second * is_pair)
    truncated = (kept_first < first) | (is_pair & (kept_second < second))
    return _Part(ids, lengths, first_lengths.astype(np.int32), truncated)


def _flat(encoded: list[list[int]]) -> tuple[npt.NDArray[np.int32], Integers]:
    """Ids one after another, and how many each text has."""
    counts = np.fromiter((len(ids) for ids in encoded), np.int64, len(encoded))
    return np.fromiter((number for ids in encoded for number in ids), np.int32, int(counts.sum())), counts


def _copy(
    source: npt.NDArray[np.int32],
    source_starts: Integers,
    target: npt.NDArray[np.int32],
    starts: Integers,
    *,
    counts: Integers,
) -> None:
    """Copy ``counts[i]`` ids from each source start to each target start."""
    total = int(counts.sum())
    within = np.arange(total, dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    target[np.repeat(starts, counts) + within] = source[np.repeat(source_starts, counts) + within]


def _kind(dataset: Any) -> Kind:
    feature = dataset.features["label"]
    if hasattr(feature, "feature"):
        return "multi-label"
    return "classification" if hasattr(feature, "names") else "regression"


def _labels(dataset: Any) -> npt.NDArray[Any]:
    kind = _kind(dataset)
    values = dataset[:]["label"]
    if kind == "classification":
        return np.asarray(values, dtype=np.int64).reshape(len(dataset))
    if kind == "regression":
        return np.asarray([np.nan if value is None else value for value in values], dtype=np.float32)
    table = np.zeros((len(dataset), len(dataset.features["label"].feature.names)), dtype=np.float32)
    for row, classes in enumerate(values):
        table[row, [] if classes is None else classes] = 1.0
        if classes is None:
            table[row] = -1.0
    return table
