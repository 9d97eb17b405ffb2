"""What is measured: named batches of training, drawn from a seed, and the operations that they take.

Lengths are drawn so that a batch pads as much as batches of the data sets do: mean and longest of SST-2, MNLI, RACE.

Shapes: B examples, S sequences, T packed tokens, M masked positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from albert_cli.data.batching import PackedBatch
from albert_cli.errors import UsageError
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForMultipleChoice, AlbertForPreTraining, AlbertForSequenceClassification
from albert_cli.training.objectives import ClassificationObjective, Objective, PretrainingObjective
from albert_cli.training.objectives_choices import ChoiceObjective

CHOICES = 4
_MASKED = 0.15
_SHORTEST = 5
_SPECIALS = 5  # pieces that no text has: padding, unknown, [CLS], [SEP], [MASK]


@dataclass(frozen=True)
class Workload:
    """One named kind of batch.

    Attributes:
        name: what it is called on the command line.
        kind: ``pretrain``, ``classify`` or ``choose``.
        sequences: S.
        longest: most tokens of a sequence; what padding to the maximum pads to.
        mean: of the lengths in tokens; None fills every sequence to ``longest``.
        spread: deviation of the logarithm of the lengths.
        classes: of the head.
    """

    name: str
    kind: str
    sequences: int
    longest: int
    mean: float | None = None
    spread: float = 0.0
    classes: int = 2


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("pretrain-512", "pretrain", 2, 512),
        Workload("pretrain-128", "pretrain", 8, 128),
        Workload("finetune-sst2", "classify", 32, 128, 27, 0.48),
        Workload("finetune-mnli", "classify", 32, 128, 40, 0.50, 3),
        Workload("finetune-race", "choose", 8, 512, 346, 0.35),
    )
}


def workload(name: str, *, sequences: int | None = None) -> Workload:
    """A named workload, with another number of sequences where given.

    Raises:
        UsageError: no such name, or sequences that do not make whole questions.
    """
    if name not in WORKLOADS:
        raise UsageError(f"no workload {name!r}", hint=f"one of: {', '.join(WORKLOADS)}")
    found = WORKLOADS[name]
    if sequences is not None:
        if found.kind == "choose" and sequences % CHOICES:
            raise UsageError(
                f"{sequences} sequences are no whole questions", hint=f"--batch-size in multiples of {CHOICES}"
            )
        found = Workload(**{**vars(found), "sequences": sequences})
    return found


def make_batch(work: Workload, *, vocab_size: int, seed: int) -> PackedBatch:
    """Draw a batch; a pure function of its arguments."""
    draw = np.random.default_rng(seed)
    lengths = _lengths(work, draw)
    tokens = int(lengths.sum())
    ids = draw.integers(_SPECIALS, vocab_size, tokens)
    types = np.concatenate([np.arange(length) >= length // 2 for length in lengths]).astype(np.int64)
    targets: dict[str, np.ndarray] = {}
    examples = work.sequences
    if work.kind == "pretrain":
        places = np.sort(draw.choice(tokens, max(1, round(_MASKED * tokens)), replace=False))
        targets = {
            "masked_positions": places,
            "masked_labels": ids[places].copy(),
            "shown_as_mask": draw.random(len(places)) < 0.8,
            "sentence_order_label": draw.integers(0, 2, work.sequences),
        }
        ids[places[targets["shown_as_mask"]]] = 4
    elif work.kind == "choose":
        examples = work.sequences // CHOICES
        targets = {
            "choices": np.arange(work.sequences).reshape(examples, CHOICES),
            "labels": draw.integers(0, CHOICES, examples),
        }
    else:
        targets = {"labels": draw.integers(0, work.classes, work.sequences)}
    return PackedBatch(
        input_ids=torch.from_numpy(ids),
        token_type_ids=torch.from_numpy(types),
        lengths=tuple(int(length) for length in lengths),
        indices=torch.arange(examples),
        targets={name: torch.from_numpy(values) for name, values in targets.items()},
    )


def _lengths(work: Workload, draw: np.random.Generator) -> np.ndarray:
    if work.mean is None:
        return np.full(work.sequences, work.longest)
    drawn = work.mean * np.exp(draw.normal(0.0, work.spread, work.sequences) - work.spread**2 / 2)
    return np.clip(np.rint(drawn), _SHORTEST, work.longest).astype(np.int64)


def build_model(work: Workload, config: AlbertConfig, *, seed: int) -> AlbertPreTrainedModel:
    """The model of a workload with new weights."""
    torch.manual_seed(seed)
    if work.kind == "pretrain":
        return AlbertForPreTraining(config)
    if work.kind == "choose":
        return AlbertForMultipleChoice(config)
    return AlbertForSequenceClassification(config.changed(num_labels=work.classes))


def build_objective(work: Workload) -> Objective:
    """What training it minimises."""
    if work.kind == "pretrain":
        return PretrainingObjective()
    return ChoiceObjective() if work.kind == "choose" else ClassificationObjective()


def operations(work: Workload, config: AlbertConfig, batch: PackedBatch) -> float:
    """Operations of the matrix products of a step, forward and backward, that the outcome depends on.

    Real tokens alone; in the last layer, what follows attention only where the head looks; logits of masked words.
    """
    hidden, inner, width = config.hidden_size, config.intermediate_size, config.embedding_size
    tokens, squares = batch.num_tokens, sum(length**2 for length in batch.lengths)
    masked = len(batch.targets["masked_labels"]) if work.kind == "pretrain" else 0
    looked_at = masked + len(batch.lengths)
    before = tokens * 3 * hidden * hidden + 2 * squares * hidden
    after = hidden * hidden + 2 * hidden * inner
    depth = config.num_hidden_layers * config.inner_group_num
    forward = depth * before + after * (tokens * (depth - 1) + looked_at)
    forward += tokens * width * hidden + len(batch.lengths) * hidden * hidden
    forward += masked * (hidden * width + width * config.vocab_size)
    return 3 * 2.0 * forward
