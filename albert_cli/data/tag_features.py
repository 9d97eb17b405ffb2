"""From tagged sentences to token ids: which token speaks for which word?

Every word is tokenised by itself and its first piece carries its tag. A word of which the tokenizer leaves nothing (a
blank character, a zero-width sign) is an unknown piece, so that it is read and tagged like any other. A sentence longer
than the model reads becomes several windows that overlap; each word is trained and predicted once, in the window that
shows more of its neighbourhood.

Shapes: S sentences, W words, N windows, T tokens of all windows, M words of a batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from albert_cli.data.batching import PackedBatch

UNLABELLED = -1
DEFAULT_OVERLAP = 32

Integers = npt.NDArray[np.int64]


class WordTokenizer(Protocol):
    """What is needed of a tokenizer."""

    cls_token_id: int
    sep_token_id: int
    unk_token_id: int

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, without special tokens."""
        ...


@dataclass(frozen=True)
class Window:
    """A stretch of a sentence that the model reads at once, and the words that it answers for.

    Attributes:
        first: first word that is read.
        last: the word behind the last that is read.
        own_first: first word that is answered here.
        own_last: the word behind the last that is answered here.
    """

    first: int
    last: int
    own_first: int
    own_last: int


def plan_windows(pieces: Sequence[int], *, room: int, overlap: int = DEFAULT_OVERLAP) -> list[Window]:
    """Cut a sentence into windows at borders of words.

    Args:
        pieces: pieces of each word, at least one.
        room: most pieces of a window.
        overlap: pieces that two neighbouring windows share at most; never more than half of the room.

    Returns:
        Windows that cover every word; of the words that two share, each answers for the half farther from its border.
        A word of more pieces than the room has a window of its own.
    """
    if sum(pieces) <= room:
        return [Window(0, len(pieces), 0, len(pieces))] if len(pieces) else []
    reads: list[tuple[int, int]] = []
    start = 0
    while True:
        end, used = start, 0
        while end < len(pieces) and (end == start or used + pieces[end] <= room):
            used += pieces[end]
            end += 1
        reads.append((start, end))
        if end == len(pieces):
            break
        # The next word must fit behind what is shared, so that every window reads farther than the one before.
        start = _next_start(pieces, start, end, overlap=min(overlap, room // 2, room - pieces[end]))
    borders = [0, *((after[0] + before[1]) // 2 for before, after in pairwise(reads)), len(pieces)]
    return [Window(first, last, borders[number], borders[number + 1]) for number, (first, last) in enumerate(reads)]


def _next_start(pieces: Sequence[int], start: int, end: int, *, overlap: int) -> int:
    """Go back from the end of a window by words of at most ``overlap`` pieces, but always forward as a whole."""
    begin, shared = end, 0
    while begin - 1 > start and shared + pieces[begin - 1] <= overlap:
        begin -= 1
        shared += pieces[begin]
    return begin


@dataclass(frozen=True)
class TagExamples:
    """Tagged sentences as windows of token ids (`data.examples.Examples`).

    Attributes:
        ids: (T,) int32, the windows one after another.
        offsets: (N + 1,) int64, window i is ``ids[offsets[i]:offsets[i + 1]]``.
        positions: (W,) int32, place in its window of the first piece of each word; the words of all sentences in their
            order, each once.
        word_offsets: (N + 1,) int64, window i answers for the words ``word_offsets[i]:word_offsets[i + 1]``.
        labels: (W,) int32 tag numbers, -1 unlabelled.
        sentences: (N,) int64, sentence of each window.
        truncated: (N,) bool, windows of a single word that lost pieces.
    """

    ids: npt.NDArray[np.int32]
    offsets: Integers
    positions: npt.NDArray[np.int32]
    word_offsets: Integers
    labels: npt.NDArray[np.int32]
    sentences: Integers
    truncated: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.sentences)

    @property
    def lengths(self) -> Integers:
        """(N,) tokens of each window."""
        return np.diff(self.offsets)

    @property
    def is_labelled(self) -> bool:
        """Whether every word has a tag."""
        return bool((self.labels != UNLABELLED).all())

    @property
    def truncated_fraction(self) -> float:
        """Share of the windows that lost pieces."""
        return float(np.mean(self.truncated)) if len(self) else 0.0

    def fingerprint(self) -> str:
        """Changes when any id, place or label does."""
        digest = hashlib.sha256()
        for array in (self.ids, self.offsets, self.positions, self.word_offsets, self.labels):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def pack(self, chosen: np.ndarray, *, with_labels: bool) -> PackedBatch:
        """Lay windows one after another.

        Args:
            chosen: (B,) int64, which windows.
            with_labels: whether ``targets`` holds ``labels``.

        Returns:
            A micro-batch whose ``targets`` hold ``word_positions`` (M,) int64 into its tokens, ``word_counts`` (B,)
            int64 words of each window, and ``labels`` (M,) int64.
        """
        chosen = np.asarray(chosen, dtype=np.int64)
        lengths, counts = self.lengths[chosen], np.diff(self.word_offsets)[chosen]
        starts = np.cumsum(lengths) - lengths  # (B,)
        words = _ranges(self.word_offsets[chosen], counts)  # (M,)
        positions = self.positions[words].astype(np.int64) + np.repeat(starts, counts)
        ids = self.ids[_ranges(self.offsets[chosen], lengths)].astype(np.int64)
        targets = {"word_positions": torch.from_numpy(positions), "word_counts": torch.from_numpy(counts)}
        if with_labels:
            targets["labels"] = torch.from_numpy(self.labels[words].astype(np.int64))
        return PackedBatch(
            input_ids=torch.from_numpy(ids),
            token_type_ids=torch.zeros(len(ids), dtype=torch.int64),
            lengths=tuple(lengths.tolist()),
            indices=torch.from_numpy(chosen),
            targets=targets,
        )


def _ranges(starts: Integers, counts: Integers) -> Integers:
    """``starts[i], starts[i] + 1, ...`` for each i, ``counts[i]`` of them, one after another."""
    within = np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(np.repeat(starts, counts) + within)


def encode_tags(
    dataset: Any, tokenizer: WordTokenizer, *, max_length: int, overlap: int = DEFAULT_OVERLAP
) -> TagExamples:
    """Tokenise tagged sentences.

    Args:
        dataset: a ``datasets.Dataset`` with ``tokens`` and ``tags`` (null where a sentence has none).
        tokenizer: gives ids without special tokens; ``[MASK]`` and the like are text.
        max_length: most tokens of a window, special ones included; 3 at least.
        overlap: pieces that neighbouring windows of a long sentence share.

    Returns:
        Windows in the order of the sentences; a sentence without words has none.

    Raises:
        ValueError: ``max_length`` has no room for a word.
    """
    if max_length < 3:
        raise ValueError(f"max_length {max_length} has no room for [CLS] word [SEP]")
    rows = dataset[:]
    sentences: list[list[str]] = rows["tokens"]
    pieces = word_pieces(sentences, tokenizer)
    room = max_length - 2
    made = _Maker(tokenizer.cls_token_id, tokenizer.sep_token_id, room)
    for number, words in enumerate(sentences):
        ids = [pieces[word] for word in words]
        for window in plan_windows([len(one) for one in ids], room=room, overlap=overlap):
            made.add(number, ids, window)
    labels = [
        label
        for words, tags in zip(sentences, rows["tags"], strict=True)
        for label in (tags if tags is not None else [UNLABELLED] * len(words))
    ]
    return made.examples(np.asarray(labels, dtype=np.int32))


def word_pieces(sentences: Sequence[Sequence[str]], tokenizer: WordTokenizer) -> dict[str, list[int]]:
    """Ids of every different word; the unknown piece where the tokenizer leaves nothing of it."""
    distinct = list(dict.fromkeys(word for words in sentences for word in words))
    unknown = [tokenizer.unk_token_id]
    return {word: ids or unknown for word, ids in zip(distinct, tokenizer.encode_batch(distinct), strict=True)}


class _Maker:
    """Collects windows."""

    def __init__(self, cls: int, sep: int, room: int) -> None:
        self._cls, self._sep, self._room = cls, sep, room
        self._ids: list[int] = []
        self._positions: list[int] = []
        self._lengths: list[int] = []
        self._counts: list[int] = []
        self._sentences: list[int] = []
        self._truncated: list[bool] = []

    def add(self, sentence: int, ids: Sequence[list[int]], window: Window) -> None:
        """Add one window of a sentence whose words have these ids."""
        line = [self._cls]
        for word in range(window.first, window.last):
            if window.own_first <= word < window.own_last:
                self._positions.append(len(line))
            line += ids[word]
        self._truncated.append(len(line) - 1 > self._room)
        line = [*line[: self._room + 1], self._sep]
        self._ids += line
        self._lengths.append(len(line))
        self._counts.append(window.own_last - window.own_first)
        self._sentences.append(sentence)

    def examples(self, labels: npt.NDArray[np.int32]) -> TagExamples:
        """All windows, with the labels of all words."""
        return TagExamples(
            ids=np.asarray(self._ids, dtype=np.int32),
            offsets=np.concatenate([[0], np.cumsum(self._lengths)]).astype(np.int64),
            positions=np.asarray(self._positions, dtype=np.int32),
            word_offsets=np.concatenate([[0], np.cumsum(self._counts)]).astype(np.int64),
            labels=labels,
            sentences=np.asarray(self._sentences, dtype=np.int64),
            truncated=np.asarray(self._truncated, dtype=np.bool_),
        )
