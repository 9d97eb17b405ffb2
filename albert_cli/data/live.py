"""Pretraining on text that is read while training, in its own order, with nothing stored (``data.order: as_read``).

The text is read in blocks of about a million characters. Each is turned into ids, cut into examples in the order of the
text, and masked as always. At the end the text begins again, cut and masked anew. Nothing is shuffled: a position in
the stream is a number of documents and of examples, and continuing there is exact. (A buffer that shuffles a stream
would lose some examples and repeat others when a run is continued.)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from albert_cli.data.batching import PackedBatch
from albert_cli.data.corpus import Corpus
from albert_cli.data.parts import Encoder, Part, PartLaw, encode_part
from albert_cli.data.pretraining import ExampleLaw, Packed, join_packed, mask_and_batch, pack
from albert_cli.data.sampler import micro_batch_starts
from albert_cli.data.segments import InstancePlan, plan_epoch
from albert_cli.data.text_files import Document
from albert_cli.errors import DataError

_BLOCK_CHARACTERS = 1_000_000
_BLOCKS_OF_A_PASS = 1 << 32  # more than there will ever be; keeps the random numbers of passes apart


@dataclass(frozen=True)
class Mark:
    """A place in the stream, from which it can be read on.

    Attributes:
        first: examples before it.
        documents: documents of this pass before it.
        number: of the next block, from 0; each pass begins at a multiple of 2**32.
    """

    first: int
    documents: int
    number: int


@dataclass(frozen=True)
class Block:
    """Some documents as ids.

    Attributes:
        mark: where they stand in the stream.
        documents_read: documents that were read for it, those without ids included.
        ids: (T,) int32.
        sentence_offsets: (S + 1,) int64.
        documents: (D, 2) int64 sentence ranges.
    """

    mark: Mark
    documents_read: int
    ids: np.ndarray
    sentence_offsets: np.ndarray
    documents: np.ndarray


class LiveText:
    """Blocks of a text, from any mark on, pass after pass.

    Args:
        corpora: the text, one source after another.
        tokenizer: turns sentences into ids.
        skip: documents at the beginning of each pass that are left out.
    """

    def __init__(self, corpora: Sequence[Corpus], tokenizer: Encoder, *, skip: int = 0) -> None:
        self._corpora = corpora
        self._encode = tokenizer.flat_encoder()
        self._unk = tokenizer.unk_token_id
        self.skip = skip

    def start(self) -> Mark:
        """The beginning."""
        return Mark(0, self.skip, 0)

    def blocks(self, mark: Mark) -> Iterator[Block]:
        """Blocks of one pass from a mark on; their marks count no examples yet."""
        number, before = mark.number, mark.documents
        for corpus, chunk in self._chunks(before):
            law = PartLaw(corpus.sentences, corpus.language, "keep", "")
            part = encode_part([document.text for document in chunk], law, encode=self._encode, unk=self._unk)
            yield _block(part, Mark(0, before, number), len(chunk))
            number, before = number + 1, before + len(chunk)

    def _chunks(self, begin: int) -> Iterator[tuple[Corpus, list[Document]]]:
        """Runs of documents of one source each, from a document of the text on."""
        read = 0
        for corpus in self._corpora:
            chunk: list[Document] = []
            size = 0
            for document in corpus.read():
                read += 1
                if read <= begin:
                    continue
                chunk.append(document)
                size += len(document.text)
                if size >= _BLOCK_CHARACTERS:
                    yield corpus, chunk
                    chunk, size = [], 0
            if chunk:
                yield corpus, chunk


def _block(part: Part, mark: Mark, documents_read: int) -> Block:
    ends = np.cumsum(part.document_sentences, dtype=np.int64)
    return Block(
        mark=mark,
        documents_read=documents_read,
        ids=part.ids,
        sentence_offsets=np.concatenate([[0], np.cumsum(part.sentence_tokens, dtype=np.int64)]),
        documents=np.stack([ends - part.document_sentences, ends], axis=1),
    )


@dataclass
class _Open:
    """The block that examples are taken from, and what comes after it."""

    mark: Mark
    block: Block
    plan: InstancePlan
    rest: Iterator[Block]

    @property
    def end(self) -> int:
        return self.mark.first + len(self.plan)


class LiveSource:
    """The batches of every step, by number; quick when asked in order.

    Args:
        text: what to read.
        law: how text becomes examples.
        batch_size: examples of a micro-batch.
        max_steps: length of the run.
        accumulate: micro-batches of a step.
        rank: number of this process.
        world_size: number of processes; each reads all of the text.
    """

    def __init__(
        self,
        text: LiveText,
        *,
        law: ExampleLaw,
        batch_size: int,
        max_steps: int,
        accumulate: int = 1,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.text = text
        self.law = law
        self.batch_size = batch_size
        self.accumulate = accumulate
        self.max_steps = max_steps
        self.rank = rank
        self.world_size = world_size
        self._marks = [text.start()]
        self._open: _Open | None = None

    def __len__(self) -> int:
        """Number of steps."""
        return self.max_steps

    def __getitem__(self, step: int) -> list[PackedBatch]:
        """This process's micro-batches of a step, a pure function of (seed, step) and of the text.

        Raises:
            IndexError: no such step.
            DataError: the text cannot be read, or gives no example.
        """
        if not 0 <= step < self.max_steps:
            raise IndexError(f"step {step} of {self.max_steps}")
        starts = micro_batch_starts(
            step,
            batch_size=self.batch_size,
            accumulate=self.accumulate,
            rank=self.rank,
            world_size=self.world_size,
        )
        parts = [part for start in starts for part in self._take(start, self.batch_size)]
        return mask_and_batch(join_packed(parts), self.law, batch_size=self.batch_size)

    def position(self, step: int) -> dict[str, int]:
        """From where the text has to be read for a step and those after it; as far as it was read already."""
        first = step * self.batch_size * self.accumulate * self.world_size
        return asdict(self._mark_before(first))

    def seek(self, position: Mapping[str, int]) -> None:
        """Begin at a position that ``position`` gave, without encoding what comes before it."""
        self._marks = [self.text.start(), Mark(**position)]
        self._open = None

    def _mark_before(self, place: int) -> Mark:
        return self._marks[bisect_right(self._marks, place, key=lambda mark: mark.first) - 1]

    def _take(self, start: int, count: int) -> Iterator[Packed]:
        while count > 0:
            opened = self._block_of(start)
            place = start - opened.mark.first
            numbers = np.arange(place, min(place + count, len(opened.plan)))
            yield pack(opened.block, opened.plan, numbers, self.law, opened.mark.number)
            start, count = start + len(numbers), count - len(numbers)

    def _block_of(self, place: int) -> _Open:
        """The block that holds an example of the stream."""
        opened = self._open
        if opened is None or place < opened.mark.first:
            mark = self._mark_before(place)
            opened = self._open = self._next(mark, self.text.blocks(mark))
        while place >= opened.end:
            following = Mark(
                opened.end, opened.block.mark.documents + opened.block.documents_read, opened.mark.number + 1
            )
            opened = self._open = self._next(following, opened.rest)
        return opened

    def _next(self, mark: Mark, rest: Iterator[Block]) -> _Open:
        """The next block that gives an example; where the text ends, it begins again."""
        begun = False
        while True:
            block = next(rest, None)
            if block is None:
                if begun:
                    raise DataError("the text gives no example", hint="check data.path and data.held_out")
                begun = True
                number = (mark.number // _BLOCKS_OF_A_PASS + 1) * _BLOCKS_OF_A_PASS
                mark = Mark(mark.first, self.text.skip, number)
                rest = self.text.blocks(mark)
                continue
            plan = self._plan(block) if len(block.documents) else None
            if plan is not None and len(plan):
                if mark.first > self._marks[-1].first:
                    self._marks.append(Mark(mark.first, block.mark.documents, block.mark.number))
                return _Open(Mark(mark.first, block.mark.documents, block.mark.number), block, plan, rest)

    def _plan(self, block: Block) -> InstancePlan:
        return plan_epoch(
            block.sentence_offsets,
            block.documents,
            max_length=self.law.max_length,
            short_seq_prob=self.law.short_seq_prob,
            sentence=self.law.sentence,
            seed=self.law.seed,
            epoch=block.mark.number,
        )
