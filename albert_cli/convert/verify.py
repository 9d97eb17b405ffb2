"""Is what was written what was read? Every tensor bit by bit, and one forward pass through each side.

Shapes: B examples, C choices, L tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from albert_cli.convert.config_findings import Finding
from albert_cli.convert.content import Content, LeftOut
from albert_cli.convert.tokenizer_files import TokenizerReport
from albert_cli.errors import ModelError
from albert_cli.models.heads import MODEL_CLASSES
from albert_cli.models.pretrained import model_from_state

_LENGTH = 24
_SEED = 1909_11942


@dataclass(frozen=True)
class TensorLine:
    """One tensor on its way.

    Attributes:
        name: our name.
        source: name in the source.
        target: name in the target; None where the target does not hold it.
        shape: as we lay it out.
        is_equal: whether the target holds the same bits (after widening to float32, where the target has no other).
    """

    name: str
    source: str
    target: str | None
    shape: tuple[int, ...]
    is_equal: bool


@dataclass
class Report:
    """What a conversion did.

    Attributes:
        source: directory that was read.
        source_format: its format.
        target: directory that was written.
        target_format: its format.
        head: name of our model class.
        parameters: numbers in the model, shared ones once.
        tensors: every tensor of the model.
        largest_difference: largest absolute difference between the outputs of a forward pass through the source's and
            the target's weights, over all outputs.
        left_out_of_source: tensors of the source that no model holds.
        left_out_of_target: weights that the target's format does not need.
        notes: what a user should know.
        config: what is odd in the source's configuration.
        tokenizer: what became of the tokenizer; None: there was none.
    """

    source: str
    source_format: str
    target: str
    target_format: str
    head: str
    parameters: int
    tensors: list[TensorLine]
    largest_difference: float
    left_out_of_source: list[LeftOut]
    left_out_of_target: list[LeftOut]
    notes: list[str] = field(default_factory=list)
    config: list[Finding] = field(default_factory=list)
    tokenizer: TokenizerReport | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return asdict(self)


@dataclass(frozen=True)
class Mark:
    """What remains of a tensor that is no longer held: enough to know it again.

    Attributes:
        source: its name in the source.
        shape: as we lay it out.
        digest: sha256 of its numbers, widened to float32.
    """

    source: str
    shape: tuple[int, ...]
    digest: bytes


def marks(content: Content) -> dict[str, Mark]:
    """A mark of every tensor, by our name."""
    return {
        name: Mark(content.sources.get(name, name), tuple(tensor.shape), digest(tensor))
        for name, tensor in content.state.items()
    }


def digest(tensor: Tensor) -> bytes:
    """Sha256 of a tensor's numbers, widened to float32."""
    return sha256(tensor.detach().float().contiguous().numpy().tobytes()).digest()


def compare(before: Mapping[str, Mark], after: Content, *, left_out: list[LeftOut]) -> list[TensorLine]:
    """Compare what was read from the source with what a reader finds in the target.

    Raises:
        ModelError: a tensor is missing in the target, or differs.
    """
    expected_gone = {one.name for one in left_out}
    lines = []
    for name, mark in before.items():
        found = after.state.get(name)
        if found is None and name not in expected_gone:
            raise ModelError(f"{name} did not arrive in the target", hint="this is a defect: please report it")
        is_equal = found is not None and tuple(found.shape) == mark.shape and digest(found) == mark.digest
        if found is not None and not is_equal:
            raise ModelError(f"{name} differs in the target", hint="this is a defect: please report it")
        target = None if name in expected_gone else after.sources.get(name)
        lines.append(TensorLine(name, mark.source, target, mark.shape, is_equal))
    extra = sorted(after.state.keys() - before.keys())
    if extra:
        raise ModelError(f"{extra[0]} is in the target only", hint="this is a defect: please report it")
    return lines


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same numbers, nan and signed zero included, after widening to float32."""
    left, right = one.float().contiguous(), other.float().contiguous()
    return left.shape == right.shape and torch.equal(left.view(torch.int32), right.view(torch.int32))


def check_complete(content: Content, *, place: Path) -> None:
    """Refuse weights that do not make the whole model, and leave out those that it has no place for.

    Raises:
        ModelError: a part of the encoder or the head is missing.
    """
    _, report = model_from_state(MODEL_CLASSES[content.head], content.config, content.state, place=place)
    if report.missing:
        shown = ", ".join(report.missing[:5])
        raise ModelError(
            f"{place} lacks weights of {content.head}: {shown}",
            hint="name the class it was saved from with --head, or fetch the checkpoint again",
        )
    if content.head == "AlbertModel" and "albert.pooler.weight" not in content.state:
        content.notes.append("no pooling layer: readers that want one draw it at random")
    prefix = "" if content.head != "AlbertModel" else "albert."
    for name in report.unexpected:
        ours = prefix + name
        content.left_out.append(LeftOut(content.sources.pop(ours, ours), f"{content.head} has no place for it"))
        del content.state[ours]


def fixed_inputs(content: Content) -> dict[str, Tensor]:
    """A fixed batch of two examples, the second one padded: ids, mask and segments."""
    config = content.config
    length = min(_LENGTH, config.max_position_embeddings)
    draw = torch.Generator().manual_seed(_SEED)
    shape = (2, 3, length) if content.head == "AlbertForMultipleChoice" else (2, length)
    mask = torch.ones(shape, dtype=torch.int64)
    mask[1, ..., length // 2 :] = 0
    types = torch.zeros(shape, dtype=torch.int64)
    types[..., length // 3 :] = min(1, config.type_vocab_size - 1)
    ids = torch.randint(0, config.vocab_size, shape, generator=draw)
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


@torch.inference_mode()
def outputs(content: Content, *, place: Path) -> dict[str, Tensor]:
    """Outputs of a forward pass on `fixed_inputs`."""
    model, _ = model_from_state(MODEL_CLASSES[content.head], content.config, content.state, place=place)
    found = model(**fixed_inputs(content), return_dict=True)
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}


def largest_difference(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> float:
    """Largest absolute difference of two forward passes over all outputs."""
    return max(float((before[name].float() - after[name].float()).abs().max()) for name in before)
