"""From token shards to the batches of a pretraining step: cut, shuffled, packed and masked, all on the way.

Nothing is prepared beforehand but the token ids. Every epoch cuts the documents anew and masks every example anew, so
there are no copies on disk (the original kept 40). What an example is hangs on (seed, epoch, its number) alone.

Shapes: B examples, T tokens of all examples together, M pieces to predict, D documents.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import get_worker_info

from albert_cli.data.batching import PackedBatch
from albert_cli.data.masking import MaskedTokens, mask_tokens
from albert_cli.data.mixture import Mixture
from albert_cli.data.random import draw, stream_key
from albert_cli.data.sampler import ExampleStream, epoch_permutation, micro_batch_starts
from albert_cli.data.segments import InstancePlan, SentenceTask, join_plans, plan_epoch
from albert_cli.data.shards import Shards
from albert_cli.data.spans import MaskingLaw, Spans
from albert_cli.data.words import PieceKinds
from albert_cli.errors import DataError

_HELD_OUT_EPOCH = -1  # of the random numbers: shares none with the epochs of training
_NOT_PICKLED = ("_plans", "_stream", "_ahead", "_last")
_PLANS_KEPT = 2  # a step may cross the border of two epochs
_TOKENS_AT_ONCE = 1 << 17  # made in one go: small batches are dear one by one, large arrays leave the cache


class TokenText(Protocol):
    """Token ids of documents: shards, or a block of a text that is read while training."""

    @property
    def ids(self) -> np.ndarray:
        """(T,) integers."""

    @property
    def sentence_offsets(self) -> np.ndarray:
        """(S + 1,) int64."""


@dataclass(frozen=True)
class ExampleLaw:
    """How text becomes examples.

    Attributes:
        kinds: what the pieces of the vocabulary are.
        masking: which pieces are predicted.
        sentence: what the second task asks.
        max_length: most tokens of an example.
        short_seq_prob: share of chunks with a random shorter target length.
        seed: of all random numbers.
        dupe_factor: ways in which a document is cut and masked, which come again after so many epochs; None for new
            ones in every epoch.
    """

    kinds: PieceKinds
    masking: MaskingLaw = field(default_factory=MaskingLaw)
    sentence: SentenceTask = "sop"
    max_length: int = 512
    short_seq_prob: float = 0.1
    seed: int = 42
    dupe_factor: int | None = None

    def variant(self, epoch: int) -> int:
        """Number of the way in which documents are cut and masked in an epoch."""
        return epoch if self.dupe_factor is None else epoch % self.dupe_factor


@dataclass(frozen=True)
class Packed:
    """Examples before masking.

    Attributes:
        input_ids: (T,) int64.
        token_type_ids: (T,) int64.
        lengths: (B,) int64.
        numbers: (B,) int64, place of each example in its epoch.
        labels: (B,) int64, order of the segments.
        single: (B,) bool, chunk of one sentence.
        keys: (B,) uint64, what the masks hang on.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    lengths: np.ndarray
    numbers: np.ndarray
    labels: np.ndarray
    single: np.ndarray
    keys: np.ndarray


class PretrainingSource:
    """The batches of every step, by number; pickles small and can be asked in any order.

    Args:
        shards: the corpus.
        documents: what to train on: (D, 2) int64 sentence ranges, see ``held_out.split_documents``, or a mixture.
        law: how text becomes examples.
        batch_size: examples of a micro-batch.
        accumulate: micro-batches of a step.
        rank: number of this process.
        world_size: number of processes.
        max_steps: length of the run.
    """

    def __init__(
        self,
        shards: Shards,
        documents: np.ndarray | Mixture,
        *,
        law: ExampleLaw,
        batch_size: int,
        max_steps: int,
        accumulate: int = 1,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.shards = shards
        self.mixture = documents if isinstance(documents, Mixture) else Mixture(documents)
        self.law = law
        self.batch_size = batch_size
        self.max_steps = max_steps
        self.accumulate = accumulate
        self.rank = rank
        self.world_size = world_size
        self._size: int | None = None
        self._forget()

    def _forget(self) -> None:
        self._plans: dict[int, InstancePlan] = {}
        self._ahead: dict[int, list[PackedBatch]] = {}
        self._last = -2  # no step was asked for yet
        self._stream = ExampleStream(self._places, seed=self.law.seed, drawn_size=lambda epoch: len(self.plan(epoch)))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _NOT_PICKLED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    @property
    def documents(self) -> np.ndarray:
        """(D, 2) int64 sentence ranges that are trained on."""
        return self.mixture.documents

    def __len__(self) -> int:
        """Number of steps."""
        return self.max_steps

    def __getitem__(self, step: int) -> list[PackedBatch]:
        """This process's micro-batches of a step, a pure function of (seed, step).

        Raises:
            IndexError: no such step.
            DataError: the documents give no example.
        """
        if not 0 <= step < self.max_steps:
            raise IndexError(f"step {step} of {self.max_steps}")
        if step not in self._ahead:
            steps = self._steps_to_make(step)
            self._ahead = dict(zip(steps, self._make(steps), strict=True))
        self._last = step
        return self._ahead.pop(step)

    def _steps_to_make(self, step: int) -> list[int]:
        """A step, and where steps are asked for in order also some that follow."""
        worker = get_worker_info()
        stride = 1 if worker is None else worker.num_workers
        size = self.batch_size * self.accumulate
        most = max(_examples_at_once(self.law) // size, 1) if step - self._last == stride else 1
        return list(range(step, min(step + most * stride, self.max_steps), stride))

    def _make(self, steps: list[int]) -> list[list[PackedBatch]]:
        starts = [
            start
            for step in steps
            for start in micro_batch_starts(
                step,
                batch_size=self.batch_size,
                accumulate=self.accumulate,
                rank=self.rank,
                world_size=self.world_size,
            )
        ]
        examples = self._pack([run for start in starts for run in self._stream.take(start, self.batch_size)])
        batches = mask_and_batch(examples, self.law, batch_size=self.batch_size)
        return [batches[place : place + self.accumulate] for place in range(0, len(batches), self.accumulate)]

    def plan(self, epoch: int) -> InstancePlan:
        """Examples of an epoch."""
        variant = self.law.variant(epoch)
        if variant not in self._plans:
            if len(self._plans) >= _PLANS_KEPT:
                del self._plans[min(self._plans, key=lambda known: (abs(known - variant) == 1, known))]
            self._plans[variant] = self._make_plan(variant)
        return self._plans[variant]

    def _make_plan(self, epoch: int) -> InstancePlan:
        plan = join_plans(
            [
                plan_epoch(
                    self.shards.sentence_offsets,
                    documents,
                    max_length=self.law.max_length,
                    short_seq_prob=self.law.short_seq_prob,
                    sentence=self.law.sentence,
                    seed=self.law.seed,
                    epoch=epoch,
                    repetition=number,
                )
                for number, documents in enumerate(self.mixture.repetitions(seed=self.law.seed, epoch=epoch))
                if len(documents) or not number
            ]
        )
        if not len(plan):
            raise DataError("the text is too short for a single example", hint="give more text in data.path")
        return plan

    @property
    def epoch_size(self) -> int:
        """Places of every epoch: as many as the first one has examples.

        Each epoch is cut anew into a few more or fewer. With places for all alike, where a step begins is known without
        cutting the epochs before it.
        """
        if self._size is None:
            self._size = len(self.plan(0))
        return self._size

    def _places(self, _epoch: int) -> int:
        return self.epoch_size

    def epoch_of_step(self, step: int) -> int:
        """Epoch in which a step begins."""
        return self._stream.epoch_of(step * self.batch_size * self.accumulate * self.world_size)[0]

    def take(self, start: int, count: int) -> Packed:
        """Examples of the shuffled stream from a position on, not yet masked."""
        return self._pack(self._stream.take(start, count))

    def _pack(self, runs: list[tuple[int, np.ndarray]]) -> Packed:
        """Examples of (epoch, numbers) runs, those of one epoch in one go."""
        parts = []
        for epoch, of_epoch in groupby(runs, lambda run: run[0]):
            numbers = np.concatenate([numbers for _, numbers in of_epoch])
            parts.append(pack(self.shards, self.plan(epoch), numbers, self.law, self.law.variant(epoch)))
        return join_packed(parts)


def _examples_at_once(law: ExampleLaw) -> int:
    return max(_TOKENS_AT_ONCE // law.max_length, 1)


def held_out_batches(
    shards: TokenText, documents: np.ndarray, *, law: ExampleLaw, batch_size: int, limit: int | None = None
) -> list[PackedBatch]:
    """Batches to measure on: masked once, always alike for a seed, and with no chunk made short on purpose.

    Args:
        shards: the corpus.
        documents: (D, 2) int64 sentence ranges that are not trained on; may be empty.
        law: as in training.
        batch_size: examples of a batch; the last one may have fewer.
        limit: most examples, a random choice among all.

    Returns:
        Batches in the order of the text; none if there are no documents.
    """
    if not len(documents):
        return []
    plan = plan_epoch(
        shards.sentence_offsets,
        documents,
        max_length=law.max_length,
        short_seq_prob=0.0,
        sentence=law.sentence,
        seed=law.seed,
        epoch=_HELD_OUT_EPOCH,
    )
    numbers = np.sort(epoch_permutation(len(plan), seed=law.seed, epoch=0)[:limit])
    parts = (numbers[start : start + batch_size] for start in range(0, len(numbers), batch_size))
    return [
        batch
        for part in parts
        for batch in mask_and_batch(pack(shards, plan, part, law, _HELD_OUT_EPOCH), law, batch_size=batch_size)
    ]


def pack(shards: TokenText, plan: InstancePlan, numbers: np.ndarray, law: ExampleLaw, epoch: int) -> Packed:
    """Lay the tokens of some examples one after another, with [CLS] and [SEP].

    Args:
        shards: where the tokens are.
        plan: the epoch.
        numbers: (B,) examples of the plan.
        law: for the ids of [CLS] and [SEP] and the seed.
        epoch: of the plan, for the keys.
    """
    count = len(numbers)
    first, second = plan.first_start[numbers], plan.second_start[numbers]
    # Five stretches of each example: [CLS], first segment, [SEP], second segment, [SEP].
    sizes, begins = np.ones((count, 5), dtype=np.int64), np.zeros((count, 5), dtype=np.int64)
    sizes[:, 1], sizes[:, 3] = plan.first_end[numbers] - first, plan.second_end[numbers] - second
    begins[:, 1], begins[:, 3] = first, second
    pair = sizes[:, 3] > 0
    sizes[:, 4] = pair
    ends = np.cumsum(sizes.ravel())
    shift = begins.ravel() - (ends - sizes.ravel())
    source = np.repeat(shift, sizes.ravel())
    source += np.arange(ends[-1])
    input_ids = np.asarray(shards.ids)[source].astype(np.int64)
    places = (ends - sizes.ravel()).reshape(count, 5)
    input_ids[places[:, 0]] = law.kinds.cls
    input_ids[places[:, 2]] = law.kinds.sep
    input_ids[places[pair, 4]] = law.kinds.sep
    return Packed(
        input_ids=input_ids,
        token_type_ids=np.repeat(np.tile(np.array([0, 0, 0, 1, 1], dtype=np.int64), count), sizes.ravel()),
        lengths=sizes.sum(axis=1),
        numbers=np.asarray(numbers, dtype=np.int64),
        labels=plan.label[numbers].astype(np.int64),
        single=plan.single[numbers],
        keys=draw(stream_key(law.seed, epoch, "masks"), numbers),
    )


def join_packed(parts: list[Packed]) -> Packed:
    """Examples of several parts, one after another."""
    if len(parts) == 1:
        return parts[0]
    return Packed(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])})


def mask_and_batch(examples: Packed, law: ExampleLaw, *, batch_size: int) -> list[PackedBatch]:
    """Mask examples and cut them into batches of ``batch_size``, the last perhaps smaller."""
    batches: list[PackedBatch] = []
    at_once = max(_examples_at_once(law) // batch_size, 1) * batch_size
    for start in range(0, len(examples.lengths), at_once):
        part = slice_packed(examples, start, start + at_once)
        masked, _ = mask_packed(part, law)
        batches.extend(_to_batches(part, masked, law, batch_size))
    return batches


def mask_packed(examples: Packed, law: ExampleLaw) -> tuple[MaskedTokens, Spans]:
    """Mask examples, see ``masking.mask_tokens``."""
    return mask_tokens(examples.input_ids, examples.lengths, keys=examples.keys, kinds=law.kinds, law=law.masking)


def slice_packed(examples: Packed, begin: int, end: int) -> Packed:
    """Examples begin..end-1."""
    if begin == 0 and end >= len(examples.lengths):
        return examples
    offsets = np.concatenate([[0], np.cumsum(examples.lengths)])
    tokens = slice(offsets[begin], offsets[min(end, len(examples.lengths))])
    by_token = ("input_ids", "token_type_ids")
    return Packed(
        **{name: value[tokens if name in by_token else slice(begin, end)] for name, value in vars(examples).items()}
    )


def _to_batches(examples: Packed, masked: MaskedTokens, law: ExampleLaw, batch_size: int) -> list[PackedBatch]:
    tokens = np.concatenate([[0], np.cumsum(examples.lengths)])
    predictions = np.concatenate([[0], np.cumsum(masked.predictions)])
    batches = []
    for begin in range(0, len(examples.lengths), batch_size):
        end = min(begin + batch_size, len(examples.lengths))
        token, target = slice(tokens[begin], tokens[end]), slice(predictions[begin], predictions[end])
        targets = {
            "masked_positions": masked.positions[target] - tokens[begin],
            "masked_labels": masked.labels[target],
            "shown_as_mask": masked.shown_as_mask[target],
        }
        if law.sentence != "none":
            targets["sentence_order_label"] = examples.labels[begin:end]
        batches.append(
            PackedBatch(
                input_ids=torch.from_numpy(masked.input_ids[token]),
                token_type_ids=torch.from_numpy(examples.token_type_ids[token]),
                lengths=tuple(examples.lengths[begin:end].tolist()),
                indices=torch.from_numpy(examples.numbers[begin:end]),
                targets={name: torch.from_numpy(value) for name, value in targets.items()},
            )
        )
    return batches
