"""What does a forward pass give back?

Each output has named fields; those that are None count as absent. ``output.logits``, ``output["logits"]``,
``output[0]`` and ``output[:2]`` work; iterating gives the present values, so an output unpacks like a tuple.

Shapes: B sequences, L tokens, H hidden, A heads, V vocabulary, C classes or choices, M predicted positions, N depths,
K inner layers; T tokens of all sequences where the input was packed (then (B, L) reads (T,)).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor


@dataclass
class ModelOutput:
    """Fields by name, by number and by slice; a None field is as if it were not there."""

    def keys(self) -> list[str]:
        """Names of the present fields, in order."""
        return [item.name for item in fields(self) if getattr(self, item.name) is not None]

    def to_tuple(self) -> tuple[Any, ...]:
        """The present fields, in order."""
        return tuple(getattr(self, name) for name in self.keys())

    def values(self) -> tuple[Any, ...]:
        """The present fields, in order."""
        return self.to_tuple()

    def items(self) -> list[tuple[str, Any]]:
        """Names and values of the present fields, in order."""
        return [(name, getattr(self, name)) for name in self.keys()]

    def get(self, name: str, default: Any = None) -> Any:
        """A field by name, or a default where it is absent."""
        return getattr(self, name) if name in self else default

    def __getitem__(self, which: str | int | slice) -> Any:
        if not isinstance(which, str):
            return self.to_tuple()[which]
        if which not in self:
            raise KeyError(which)
        return getattr(self, which)

    def __contains__(self, name: object) -> bool:
        return name in self.keys()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.to_tuple())

    def __len__(self) -> int:
        return len(self.keys())


@dataclass
class BaseModelOutputWithPooling(ModelOutput):
    """Of AlbertModel.

    Attributes:
        last_hidden_state: (B, L, H) float.
        pooler_output: (B, H) float, tanh of a linear map of the first token; None without pooler.
        hidden_states: N*K + 1 tensors (B, L, H): the mapped embeddings, then each inner layer.
        attentions: N*K tensors (B, A, L, L), rows sum to 1.
    """

    last_hidden_state: Tensor | None = None
    pooler_output: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


@dataclass
class AlbertForPreTrainingOutput(ModelOutput):
    """Of AlbertForPreTraining.

    Attributes:
        loss: () float, sum of the losses whose labels were given.
        prediction_logits: (B, L, V), or (M, V) at the asked positions.
        sop_logits: (B, 2): in order, swapped.
        hidden_states: as BaseModelOutputWithPooling.
        attentions: as BaseModelOutputWithPooling.
    """

    loss: Tensor | None = None
    prediction_logits: Tensor | None = None
    sop_logits: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


@dataclass
class _LogitsOutput(ModelOutput):
    loss: Tensor | None = None
    logits: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


@dataclass
class MaskedLMOutput(_LogitsOutput):
    """Of AlbertForMaskedLM: ``loss`` (), ``logits`` (B, L, V) or (M, V)."""


@dataclass
class SequenceClassifierOutput(_LogitsOutput):
    """Of AlbertForSequenceClassification: ``loss`` (), ``logits`` (B, C)."""


@dataclass
class MultipleChoiceModelOutput(_LogitsOutput):
    """Of AlbertForMultipleChoice: ``loss`` (), ``logits`` (B, C), C the choices."""


@dataclass
class TokenClassifierOutput(_LogitsOutput):
    """Of AlbertForTokenClassification: ``loss`` (), ``logits`` (B, L, C)."""


@dataclass
class QuestionAnsweringModelOutput(ModelOutput):
    """Of AlbertForQuestionAnswering: ``loss`` (), ``start_logits`` and ``end_logits`` (B, L)."""

    loss: Tensor | None = None
    start_logits: Tensor | None = None
    end_logits: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


@dataclass
class QuestionAnsweringBeamOutput(ModelOutput):
    """Of AlbertForQuestionAnsweringBeam.

    Attributes:
        loss: () float, where positions were given.
        start_top_log_probs: (B, S) float32, of the S likeliest starts, likeliest first.
        start_top_index: (B, S) int64, where they are, from the beginning of each sequence.
        end_top_log_probs: (B, S*E) float32, of the E likeliest ends of each start: end j of start i at i*E + j.
        end_top_index: (B, S*E) int64, where they are.
        cls_logits: (B,) float32, large where the text does not answer.
        start_log_probs: (B, L) float32, of every start, where positions were given.
        end_log_probs: (B, L) float32, of every end, given the right start, where positions were given.
        hidden_states: as BaseModelOutputWithPooling.
        attentions: as BaseModelOutputWithPooling.
    """

    loss: Tensor | None = None
    start_top_log_probs: Tensor | None = None
    start_top_index: Tensor | None = None
    end_top_log_probs: Tensor | None = None
    end_top_index: Tensor | None = None
    cls_logits: Tensor | None = None
    start_log_probs: Tensor | None = None
    end_log_probs: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None
