"""What a recipe may say of training: batches, steps, rates, what stays frozen, when to measure, save and end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from albert_cli.recipe.sections import DropoutRate, NotNegative, Positive, Section

_PART = re.compile(r"embeddings|encoder|pooler|head|group\.\d+")


def _part(text: str) -> str:
    if not _PART.fullmatch(text):
        raise ValueError(f"must be embeddings, encoder, pooler, head or group.N, found '{text}'")
    return text


def _auto_or_number(value: Any) -> str:
    return "<auto>" if value == "auto" else "<number>"


def _balanced_or_weights(value: Any) -> str:
    return "<weights>" if isinstance(value, Mapping) else "<balanced>"


def _labels_as_text(value: Any) -> Any:
    """Labels are text everywhere; YAML reads 0 and 1 as numbers."""
    if not isinstance(value, Mapping):
        return value
    return {str(key) if isinstance(key, int) else key: weight for key, weight in value.items()}


Part = Annotated[str, AfterValidator(_part)]
BatchSize = Annotated[
    Annotated[Literal["auto"], Tag("<auto>")] | Annotated[Positive, Tag("<number>")], Discriminator(_auto_or_number)
]
ClassWeights = Annotated[
    Annotated[Literal["balanced"], Tag("<balanced>")]
    | Annotated[dict[str, Annotated[float, Field(gt=0)]], BeforeValidator(_labels_as_text), Tag("<weights>")],
    Discriminator(_balanced_or_weights),
]


class Train(Section):
    """How the weights are found. Exactly one of `epochs` and `max_steps`."""

    batch_size: BatchSize | None = 32
    """Sequences in a micro-batch of one process; the effective batch is batch_size x accumulate x processes.

    `auto`: the largest that fits, together with `effective_batch`. null where `batch_tokens` says it.
    """
    batch_tokens: Positive | None = None
    """Tokens that a micro-batch of one process holds at most, in place of `batch_size`; a longer example stands alone.

    In pretraining, as many sequences of `data.max_length` as fit.
    """
    accumulate: Positive = 1
    """Micro-batches summed before an optimiser step."""
    effective_batch: Positive | None = None
    """Sequences of an optimiser step over all processes; `accumulate` then follows from it and must be left out."""
    epochs: Annotated[float, Field(gt=0)] | None = None
    """Passes over the training data; parts of a pass are allowed."""
    max_steps: Positive | None = None
    """Optimiser steps."""
    max_hours: Annotated[float, Field(gt=0)] | None = None
    """End after so many hours of this sitting, at a whole step, with the model written; null has no limit."""
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    """Highest learning rate, reached at the end of warm-up."""
    learning_rate_for_batch: Positive | None = None
    """Effective batch that `learning_rate` was chosen for; another one scales the rate by the root of their ratio.

    null: no scaling.
    """
    optimizer: Literal["adamw", "lamb"] = "adamw"
    """Update rule."""
    bias_correction: bool = False
    """Correct the moments of the first steps; the original code does not."""
    beta2: Annotated[float, Field(gt=0, lt=1)] = 0.999
    """Decay of the second moment."""
    schedule: Literal["albert", "linear", "cosine", "constant"] = "albert"
    """Learning rate over the steps after warm-up; `albert` is the original's polynomial decay to zero."""
    warmup_steps: NotNegative = 0
    """Optimiser steps of linear warm-up."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Decoupled decay; biases and layer norms are exempt."""
    clip: Annotated[float, Field(gt=0)] | None = 1.0
    """Largest global norm of the gradient; null never clips."""
    freeze: list[Part] = Field(default_factory=list)
    """Parts that stay as they are: embeddings, encoder, pooler, head, or a layer group such as group.0."""
    dropout: DropoutRate | None = None
    """Dropout of the encoder's layers, of attention weights too, during this run; null takes the model's."""
    attention_dropout: DropoutRate | None = None
    """Dropout of attention weights during this run, where it is not that of `dropout`."""
    classifier_dropout: DropoutRate | None = None
    """Dropout before the task head during this run; null takes the model's."""
    log_every: Positive = 50
    """Steps between lines of metrics."""
    eval_every: Positive | None = None
    """Steps between evaluations; null evaluates at the end of every epoch, or of the run when max_steps is given."""
    save_every: Positive | None = None
    """Steps between checkpoints; null saves after every evaluation and at the end."""
    keep: Positive = 2
    """Newest checkpoints kept; the best and the last are never deleted."""
    early_stop: Positive | None = None
    """Stop after so many evaluations without a better score; null never stops early."""


class FinetuneTrain(Train):
    """How the weights are found, and what only labelled examples need."""

    head_learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    """Highest learning rate of the task's head; null takes `learning_rate`."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Factor of the learning rate from part to part downwards: head and pooler 1, then each layer group, embeddings."""
    class_weights: ClassWeights | None = None
    """How much each class counts in the training loss: `balanced`, or a mapping of label to weight; null: alike."""
    restarts: NotNegative = 0
    """Times to begin anew from another seed when the model answers the same to everything (a collapsed run)."""
    collapse: Literal["warn", "fail"] = "warn"
    """What a run that is still collapsed ends with: a warning, or exit code 4."""


class PretrainTrain(Train):
    """How the weights are found, and what only runs from raw text need."""

    power: Annotated[float, Field(gt=0)] = 1.0
    """Exponent of the decay of `schedule: albert`; 1 is a straight line."""
    start_warmup_step: NotNegative = 0
    """Step at which the warm-up begins, for runs that go on from another's weights."""
    negative_rates: Literal["clamp", "keep"] = "clamp"
    """Learning rates before `start_warmup_step`: 0, or negative as the original code has them."""
    spike: Annotated[float, Field(gt=0)] | None = 1.0
    """Rise of the loss that counts as a spike: median of 8 steps above that of up to 100 before, in nats.

    null looks for losses and gradients that are not finite alone.
    """
    rollbacks: NotNegative = 3
    """Times to go back to the last good checkpoint, leaving out the data in between, before giving up (exit code 4)."""
