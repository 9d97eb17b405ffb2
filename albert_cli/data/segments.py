"""How an epoch's training examples are cut out of the documents: two segments and the order they stand in (paper 3.1).

A document is cut into chunks of whole sentences, each just as long as the target length or a little longer. A chunk
falls into two segments between two sentences. The pair is shortened to fit, piece by piece from the longer one, from
its front or its back by a coin. What label the pair gets is the affair of the task:

- ``sop``: half of the pairs stand swapped (label 1), the others in order (0). A chunk of one sentence is parted inside
  the sentence, so that its order can be asked for too. Sentences longer than an example are cut.
- ``sop_original``: as the original code does by default. The same, but a chunk of one sentence is paired with text from
  another document and counts as swapped, which makes part of the task a matter of topic; what is longer than an example
  is lost; and the target length is drawn for a document, not for a chunk.
- ``nsp``: BERT's task, the original's other setting. B follows A (0) or comes from another document (1); the sentences
  that B would have had are used again.
- ``none``: one segment, no label.

Everything is a table of places in the token array, so an epoch costs a few numbers for each example and no text is
copied. Every random number hangs on (seed, epoch, place), see ``random``.

Shapes: N examples, U units (sentences, or parts of too long ones), D documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from albert_cli.data.random import below, draw, heads, stream_key, uniform
from albert_cli.errors import DataError

SentenceTask = Literal["sop", "sop_original", "nsp", "none"]

_BLOCK_SENTENCES = 1 << 20  # planned at a time: bounds the memory, leaves the result alone
_MIN_TARGET = 2


@dataclass(frozen=True)
class InstancePlan:
    """The examples of one epoch, as places in the token array.

    Attributes:
        first_start: (N,) int64, where the first segment begins.
        first_end: (N,) int64, and ends.
        second_start: (N,) int64, the same of the second segment; an empty range where there is none.
        second_end: (N,) int64.
        label: (N,) int8, 0 in order, 1 swapped or random.
        single: (N,) bool, whether the chunk had one sentence only.
        dropped: chunks left out because a single piece cannot make two segments.
    """

    first_start: np.ndarray
    first_end: np.ndarray
    second_start: np.ndarray
    second_end: np.ndarray
    label: np.ndarray
    single: np.ndarray
    dropped: int

    def __len__(self) -> int:
        """N."""
        return len(self.label)


def plan_epoch(
    sentence_offsets: np.ndarray,
    documents: np.ndarray,
    *,
    max_length: int,
    short_seq_prob: float,
    sentence: SentenceTask,
    seed: int,
    epoch: int,
    repetition: int = 0,
) -> InstancePlan:
    """Cut documents into examples.

    Args:
        sentence_offsets: (S + 1,) int64, first token of each sentence in the token array, and the end of the last.
        documents: (D, 2) int64, first sentence of each document and the end of its last.
        max_length: most tokens of an example, special tokens included.
        short_seq_prob: share of chunks with a random shorter target length.
        sentence: what to make of the order of segments.
        seed: of the run.
        epoch: from 0; each epoch cuts anew.
        repetition: of documents that are seen several times in an epoch; each cuts anew.

    Returns:
        The examples in the order of the text; shuffling is the sampler's affair.
    """
    room = max_length - (2 if sentence == "none" else 3)
    law = _Law(room, short_seq_prob, sentence, seed, epoch, f" {repetition}" if repetition else "")
    blocks = _blocks(sentence_offsets, documents)
    parts = [_cut_block(block, sentence_offsets, documents, law) for block in blocks]
    if not parts:
        raise DataError("no documents to make examples of", hint="check data.path, data.limit and data.held_out")
    return join_plans(parts)


def join_plans(parts: Sequence[InstancePlan]) -> InstancePlan:
    """Examples of several plans, one after another."""
    if len(parts) == 1:
        return parts[0]
    names = [f.name for f in fields(InstancePlan) if f.name != "dropped"]
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return InstancePlan(**columns, dropped=sum(part.dropped for part in parts))


@dataclass(frozen=True)
class _Law:
    """What the steps of the plan share: ``budget`` is the most content pieces of an example."""

    budget: int
    short_seq_prob: float
    task: SentenceTask
    seed: int
    epoch: int
    again: str = ""

    def bits(self, purpose: str, places: np.ndarray) -> np.ndarray:
        """Random bits for places (token offsets) of the corpus, (n,) uint64."""
        return draw(stream_key(self.seed, self.epoch, f"segments{self.again}/{purpose}"), places)

    def coin(self, purpose: str, places: np.ndarray) -> np.ndarray:
        """Numbers in [0, 1) for places of the corpus."""
        return uniform(self.bits(purpose, places))


@dataclass(frozen=True)
class _Block:
    """Adjoining units of the corpus.

    Attributes:
        offsets: (u + 1,) int64, first token of each unit, and the end of the last.
        bounds: (d, 2) int64, units where each document begins and ends. Units between documents belong to none.
        first_document: number of the first document of the block.
    """

    offsets: np.ndarray
    bounds: np.ndarray
    first_document: int

    def document_of(self) -> np.ndarray:
        """(u,) document of each unit, from 0 within the block; units between documents count to the next one."""
        return np.repeat(np.arange(len(self.bounds)), np.diff(self.bounds[:, 1], prepend=0))


def _blocks(sentence_offsets: np.ndarray, documents: np.ndarray) -> Iterator[_Block]:
    """Runs of documents with about ``_BLOCK_SENTENCES`` sentences."""
    begin = 0
    while begin < len(documents):
        low = int(documents[begin, 0])
        end = int(np.searchsorted(documents[:, 1], low + _BLOCK_SENTENCES, side="right"))
        end = max(end, begin + 1)
        offsets = np.asarray(sentence_offsets[low : int(documents[end - 1, 1]) + 1], dtype=np.int64)
        yield _Block(offsets, documents[begin:end] - low, begin)
        begin = end


@dataclass(frozen=True)
class _Chunks:
    """Chunks of a block, as units.

    Attributes:
        begin: (n,) int64, first unit.
        middle: (n,) int64, unit where the second segment begins; ``end`` if the chunk has one unit.
        end: (n,) int64, unit after the last.
        target: (n,) int64, content pieces the chunk was to reach.
        other: (n,) bool, whether the second segment is to come from another document.
    """

    begin: np.ndarray
    middle: np.ndarray
    end: np.ndarray
    target: np.ndarray
    other: np.ndarray


def _cut_block(block: _Block, sentence_offsets: np.ndarray, documents: np.ndarray, law: _Law) -> InstancePlan:
    """Examples of one block."""
    if law.task in ("sop", "none"):
        block = _part_long_units(block, law.budget)
    chunks = _find_chunks(block, law)
    place = block.offsets[chunks.begin]
    single = chunks.end - chunks.begin == 1
    start = place, block.offsets[chunks.middle]
    end = start[1], block.offsets[chunks.end]
    if law.task == "none":
        start, end = (place, end[1]), (end[1], end[1])
    if law.task == "sop":
        inside = place + below(law.bits("inside", place), np.maximum(end[1] - place - 1, 1)) + 1
        inside = np.where(single, np.minimum(inside, end[1]), start[1])
        start, end = (place, inside), (inside, end[1])
    if chunks.other.any():
        drawn = _text_of_another(chunks, block, end[0] - place, sentence_offsets, documents, law)
        start = place, np.where(chunks.other, drawn[0], start[1])
        end = end[0], np.where(chunks.other, drawn[1], end[1])
    swap = ~chunks.other & (law.coin("order", place) < 0.5) & (law.task in ("sop", "sop_original"))
    pair = np.stack([start, end])  # (2 ends, 2 segments, n)
    pair = np.where(swap, pair[:, ::-1], pair)
    pair = _shorten(pair, place, law)
    keep = (pair[1] > pair[0]).all(axis=0) | (law.task == "none")
    (first_start, second_start), (first_end, second_end) = pair[:, :, keep]
    label = (swap | chunks.other)[keep].astype(np.int8)
    return InstancePlan(first_start, first_end, second_start, second_end, label, single[keep], int((~keep).sum()))


def _part_long_units(block: _Block, budget: int) -> _Block:
    """Cut units longer than an example into parts that fill one each and a rest, so that their text is not lost."""
    sizes = np.diff(block.offsets)
    parts = -(-sizes // budget)
    if len(parts) == 0 or parts.max() <= 1:
        return block
    number = np.concatenate([[0], np.cumsum(parts)])
    within = np.arange(number[-1]) - np.repeat(number[:-1], parts)
    cuts = np.repeat(block.offsets[:-1], parts) + within * budget
    return _Block(np.append(cuts, block.offsets[-1]), number[block.bounds], block.first_document)


def _find_chunks(block: _Block, law: _Law) -> _Chunks:
    """Where chunks begin and end: what would follow from every unit, and then the units that are reached."""
    place = block.offsets[:-1]
    unit = np.arange(len(place))
    document = block.document_of()
    drawn_at = place if law.task in ("sop", "none") else block.offsets[block.bounds[document, 0]]
    shorter = _MIN_TARGET + below(law.bits("target", drawn_at), max(law.budget - _MIN_TARGET + 1, 1))
    target = np.where(law.coin("short", drawn_at) < law.short_seq_prob, shorter, law.budget)
    end = np.minimum(np.searchsorted(block.offsets, place + target), block.bounds[document, 1])
    middle = unit + 1 + below(law.bits("middle", place), np.maximum(end - unit - 1, 1))
    other = np.zeros(len(unit), dtype=bool)
    if law.task in ("sop_original", "nsp"):
        other = (end - unit == 1) | ((law.coin("next", place) < 0.5) & (law.task == "nsp"))
    begin = _follow(np.where(other, middle, end), block.bounds)
    return _Chunks(begin, middle[begin], end[begin], target[begin], other[begin])


def _follow(resume: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Units where chunks begin: the first of each document, then ``resume`` of that, and so on to its end."""
    step = resume.tolist()
    begins: list[int] = []
    for unit, end in bounds.tolist():
        while unit < end:
            begins.append(unit)
            unit = step[unit]
    return np.asarray(begins, dtype=np.int64)


def _text_of_another(
    chunks: _Chunks,
    block: _Block,
    first_length: np.ndarray,
    sentence_offsets: np.ndarray,
    documents: np.ndarray,
    law: _Law,
) -> tuple[np.ndarray, np.ndarray]:
    """Sentences of another document from a random one on, to fill what the first segment leaves of the target.

    With one document in all, its own text serves, as in the original.

    Returns:
        (n,) int64 first token and end of the text, for every chunk.
    """
    place = block.offsets[chunks.begin]
    own = block.first_document + block.document_of()[chunks.begin]
    pick = below(law.bits("other", place), max(len(documents) - 1, 1))
    pick += (pick >= own) & (len(documents) > 1)
    begin, end = documents[pick].T
    sentence = begin + below(law.bits("other start", place), end - begin)
    start = np.asarray(sentence_offsets[sentence], dtype=np.int64)
    wanted = np.maximum(chunks.target - first_length, 1)
    last = np.minimum(np.searchsorted(sentence_offsets, start + wanted), end)
    return start, np.asarray(sentence_offsets[last], dtype=np.int64)


def _shorten(pair: np.ndarray, place: np.ndarray, law: _Law) -> np.ndarray:
    """Shorten pairs to the budget as the original does piece by piece: from the longer, the second when they are equal.

    Args:
        pair: (2 ends, 2 segments, n) int64.
        place: (n,) what the coins hang on.

    Returns:
        (2, 2, n) int64; every removed piece went from the front or the back of its segment by a fair coin.
    """
    first, second = pair[1] - pair[0]
    excess = np.maximum(first + second - law.budget, 0)
    unequal = np.minimum(excess, np.abs(first - second))
    evenly = excess - unequal  # then the second, the first, the second, ...
    removed = np.stack([evenly // 2 + unequal * (first > second), evenly - evenly // 2 + unequal * (first <= second)])
    front = np.zeros_like(removed)
    long = np.flatnonzero(excess)
    for segment in range(2):
        key = stream_key(law.seed, law.epoch, f"segments{law.again}/front {segment}")
        front[segment, long] = heads(key, place[long], removed[segment, long])
    shortened: np.ndarray = pair + np.stack([front, front - removed])
    return shortened
