"""A run on several machines that each read a text of their own: who reads what, and what they tell each other of it.

Each machine is a stream of examples of its own, shared among its processes. A step takes as many from each. What all
must agree on (how long an epoch is, what is measured on, how frequent each piece is, what a checkpoint may be resumed
with) is put together once at the start from what each machine says of its text, in an order that hangs on the texts
alone. So it does not matter in which order a scheduler numbers the machines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
from accelerate import Accelerator
from accelerate.utils import gather_object

from albert_cli.data.batching import PackedBatch
from albert_cli.data.random import stream_key
from albert_cli.data.text_share import WHOLE, Share
from albert_cli.errors import CheckpointError, DataError, UsageError
from albert_cli.recipe.pretraining import CorpusData
from albert_cli.training.launch import local_rank, local_world_size, machine, machines, world_size

# Texts that differ by more than this are worth a remark: those of the smaller one are seen more often.
_UNEVEN = 1.25


class Ordered(Protocol):
    """A source whose place in the text must be remembered."""

    def position(self, step: int) -> dict[str, int]:
        """From where the text has to be read for a step."""

    def seek(self, position: Mapping[str, int]) -> None:
        """Begin there."""


@dataclass(frozen=True)
class Machines:
    """The machines of a run whose texts differ.

    Attributes:
        number: of this machine, from 0.
        count: of machines.
        process: number of this process on its machine.
        processes: on each machine.
    """

    number: int
    count: int
    process: int
    processes: int


def machines_with_texts_of_their_own(data: CorpusData) -> Machines | None:
    """The machines of this run, or None where all read the same text.

    Raises:
        UsageError: the launcher does not say which machine this is.
    """
    if data.each_node == "whole" or world_size() == 1:
        return None
    count = machines()
    if count is None:
        raise UsageError(
            f"data.each_node={data.each_node} must know which machine this is, and LOCAL_WORLD_SIZE is not set",
            hint="start with torchrun or accelerate launch, or set it to the number of processes of this machine",
        )
    if count == 1:
        return None
    return Machines(machine(), count, local_rank(), local_world_size())


def share_of(data: CorpusData, place: Machines | None) -> Share:
    """The part of the text in a recipe that this machine reads."""
    if place is None or data.each_node != "part":
        return WHOLE
    return Share(place.number, place.count)


def seed_of(seed: int, text: str) -> int:
    """Seed of the examples of one machine, by the key of its text: machines have no random numbers in common."""
    return stream_key(seed, 0, f"machine {text}") >> 2


@dataclass(frozen=True)
class Told:
    """What a process says of its machine's text.

    Attributes:
        place: who says it.
        text: key of the machine's text and settings.
        epoch_size: examples of an epoch; None where nobody knows.
        counts: (V,) int64, how often each piece occurs; None but from the first process of a machine.
        held_out: batches to measure on; none but from the first process of a machine.
        totals: documents, tokens, ... to be added up.
    """

    place: Machines
    text: str
    epoch_size: int | None
    counts: np.ndarray | None
    held_out: list[PackedBatch]
    totals: dict[str, int]


@dataclass(frozen=True)
class Agreed:
    """What holds for all machines together; fields as in `Told`.

    Attributes:
        fingerprint: of all texts.
        epoch_size: examples of an epoch of all machines.
        counts: (V,) int64.
        held_out: batches of all machines.
        totals: sums.
        remark: how even the parts are.
    """

    fingerprint: str
    epoch_size: int | None
    counts: np.ndarray
    held_out: list[PackedBatch]
    totals: dict[str, int]
    remark: str


def agree(told: Told) -> Agreed:
    """Exchange what is to be known of all texts; call it on all processes."""
    return put_together(cast(list[Told], gather_object([told])))


def put_together(told: Sequence[Told]) -> Agreed:
    """What follows from what all processes said, in any order.

    Raises:
        UsageError: the machines have different numbers of processes.
        DataError: two machines have the same text.
    """
    processes = {one.place.processes for one in told}
    if len(processes) > 1 or len(told) != processes.pop() * told[0].place.count:
        raise UsageError(
            "machines with texts of their own need the same number of processes each",
            hint="give every machine the same --nproc-per-node, or --set data.each_node=whole",
        )
    first = sorted((one for one in told if one.place.process == 0), key=lambda one: one.text)
    texts = [one.text for one in first]
    if len(set(texts)) < len(texts):
        raise DataError(
            f"{len(texts)} machines, but only {len(set(texts))} different texts among them",
            hint="--set data.each_node=part if all see the same files; own is for files that differ",
        )
    sizes = [one.epoch_size for one in first if one.epoch_size is not None]
    return Agreed(
        fingerprint=hashlib.sha256("\n".join(texts).encode()).hexdigest(),
        epoch_size=sum(sizes) if sizes else None,
        counts=np.sum([one.counts for one in first if one.counts is not None], axis=0),
        held_out=[batch for one in first for batch in one.held_out],
        totals={name: sum(one.totals[name] for one in first) for name in first[0].totals},
        remark=_remark(len(first), sizes),
    )


def _remark(count: int, sizes: list[int]) -> str:
    text = f"{count} machines, each with its own part of the text"
    if not sizes:
        return text
    text += f": {min(sizes):,} to {max(sizes):,} examples in an epoch"
    uneven = max(sizes) > _UNEVEN * min(sizes)
    return text + ("; every machine gives as many to a step, so a small part is seen more often" if uneven else "")


def places_in_texts(
    source: Ordered, text: str, accelerator: Accelerator, place: Machines | None
) -> tuple[Callable[[int], dict[str, Any]], Callable[[dict[str, Any]], None]]:
    """Functions that remember and find the place in a text that is read in its own order.

    Args:
        source: of this process.
        text: key of this machine's text.
        accelerator: the processes; all of them call the first function.
        place: None where all read the same text.
    """
    if place is None:
        return source.position, source.seek

    def position(step: int) -> dict[str, Any]:
        return dict(gather_object([(text, source.position(step))]))

    def seek(position: dict[str, Any]) -> None:
        if text not in position:
            raise CheckpointError(
                "this machine's text is not among those of the checkpoint",
                hint="resume on the machines, with the files, that the run was started on",
            )
        source.seek(position[text])

    return position, seek
