"""What is a checkpoint, whatever its format: weights under our names, a configuration, and the head they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from albert_cli.convert.names import NameTable
from albert_cli.errors import ModelError
from albert_cli.models.config import AlbertConfig

IDENTITY_WEIGHT = "albert.encoder.embedding_hidden_mapping_in.weight"
IDENTITY_BIAS = "albert.encoder.embedding_hidden_mapping_in.bias"


@dataclass(frozen=True)
class LeftOut:
    """A tensor of the source that the target does not hold.

    Attributes:
        name: its name in the source.
        reason: why, in a few words.
    """

    name: str
    reason: str


@dataclass
class Content:
    """A checkpoint.

    Attributes:
        head: name of our model class.
        config: its configuration.
        state: weights under the names of the ``hf`` layout, always with the prefix ``albert.``; tied tensors once.
        sources: name in the source file, by our name.
        left_out: tensors that were read and not kept.
        notes: what a user should know, one sentence each.
    """

    head: str
    config: AlbertConfig
    state: dict[str, Tensor]
    sources: dict[str, str] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def arrays_for(state: Mapping[str, Tensor], table: NameTable, *, format_: str) -> dict[str, Callable[[], np.ndarray]]:
    """Weights under the names of a format, each made when it is called, so that no second copy of all is held.

    Args:
        state: weights under our names.
        table: names of the format.
        format_: its name, for messages.

    Raises:
        ModelError: the format has no place for a weight.
    """
    makers: dict[str, Callable[[], np.ndarray]] = {}
    for name, tensor in state.items():
        found = table.to_theirs(name)
        if found is None:
            raise ModelError(f"the {format_} format has no place for {name}", hint="choose another --to: hf, hf-bin")
        makers[found[0]] = partial(_laid_out, tensor, transposed=found[1])
    return makers


def _laid_out(tensor: Tensor, *, transposed: bool) -> np.ndarray:
    array = tensor.float().numpy()
    return np.ascontiguousarray(array.T) if transposed else np.ascontiguousarray(array)


def tensor_of(array: np.ndarray, *, transposed: bool) -> Tensor:
    """Our float32 tensor, with memory of its own, of an array as a format lays it out."""
    return torch.from_numpy(np.array(array.T if transposed else array, dtype=np.float32, order="C"))


def is_identity_mapping(state: Mapping[str, Tensor]) -> bool:
    """Whether the projection of the embeddings changes nothing (E = H): such a one need not be stored."""
    weight, bias = state.get(IDENTITY_WEIGHT), state.get(IDENTITY_BIAS)
    if weight is None or bias is None or weight.shape[0] != weight.shape[1]:
        return False
    return bool((bias == 0).all()) and torch.equal(weight, torch.eye(weight.shape[0], dtype=weight.dtype))


def add_identity_mapping(content: Content) -> None:
    """Give a model of E = H the projection that its format leaves out."""
    size = content.config.hidden_size
    content.state[IDENTITY_WEIGHT] = torch.eye(size)
    content.state[IDENTITY_BIAS] = torch.zeros(size)
    content.sources[IDENTITY_WEIGHT] = content.sources[IDENTITY_BIAS] = "(none: an identity)"
    content.notes.append(
        "embedding_size equals hidden_size: the format stores no projection, an identity stands for it"
    )


def head_of(names: Iterable[str], *, default: str = "AlbertModel") -> str:
    """Name of the model class whose head the weights hold, from their names alone."""
    found = set(names)
    if "predictions.bias" in found:
        return "AlbertForPreTraining" if "sop_classifier.classifier.weight" in found else "AlbertForMaskedLM"
    if "start_logits.dense.weight" in found:
        return "AlbertForQuestionAnsweringBeam"
    if "qa_outputs.weight" in found:
        return "AlbertForQuestionAnswering"
    return "AlbertForSequenceClassification" if "classifier.weight" in found else default
