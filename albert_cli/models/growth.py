"""How do the weights of one model become those of a larger one: layers, groups, positions, pieces?

Shared layers make depth free (paper, appendix A: the deep models start from shallower ones): the weights stay as they
are and are applied more often. Groups are copied so that every depth begins with what it had. Widths do not grow.

Shapes: V, v pieces of the larger and the smaller model, P, p positions, E embedding, G, g groups.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from albert_cli.errors import ModelError
from albert_cli.models.config import AlbertConfig
from albert_cli.models.init import truncated_normal_

Positions = Literal["tile", "interpolate"]

# Fields that no shape shows and that change what the weights mean.
_SAME = ("embedding_size", "hidden_size", "num_attention_heads", "intermediate_size", "inner_group_num",
         "type_vocab_size", "hidden_act", "layer_norm_eps")  # fmt: skip
_GROUP = re.compile(r"(.*encoder\.albert_layer_groups\.)(\d+)(\..*)")
_POSITIONS = "embeddings.position_embeddings.weight"
_BY_PIECE = ("embeddings.word_embeddings.weight", "predictions.decoder.weight")
_BIASES = ("predictions.bias", "predictions.decoder.bias")


@dataclass(frozen=True)
class Growth:
    """What has to be decided where the larger model has more rows than the smaller.

    Attributes:
        positions: how to lengthen the position table; None refuses.
        rows: (V,) int64, row of the smaller model for each piece of the larger, -1 for none; None keeps all rows.
    """

    positions: Positions | None = None
    rows: Tensor | None = None


def grow(
    state: Mapping[str, Tensor], *, source: AlbertConfig, target: AlbertConfig, growth: Growth
) -> tuple[dict[str, Tensor], list[str]]:
    """Turn the tensors of one model into those of another; new rows are drawn from torch's generator.

    Args:
        state: tensors by name, with or without the prefix of head classes.
        source: config they belong to.
        target: config of the model that will take them.
        growth: what to do about positions and pieces.

    Returns:
        The tensors, and a sentence for each thing that was done.

    Raises:
        ModelError: the target differs in more than depth, groups, positions and pieces, or has fewer groups.
    """
    _check_alike(source, target)
    notes: list[str] = []
    if target.num_hidden_layers != source.num_hidden_layers:
        notes.append(f"layers: {source.num_hidden_layers} -> {target.num_hidden_layers}")
    grown = _groups(state, source=source, target=target, notes=notes)
    for name, tensor in state.items():
        if name.endswith(_POSITIONS):
            grown[name] = _positions(tensor, target.max_position_embeddings, growth.positions, notes)
        elif growth.rows is not None and name.endswith(_BY_PIECE):
            grown[name] = _piece_rows(tensor, growth.rows, std=target.initializer_range)
        elif growth.rows is not None and name.endswith(_BIASES):
            grown[name] = torch.where(growth.rows >= 0, tensor[growth.rows.clamp(min=0)], tensor.mean())
    if growth.rows is not None:
        kept = int((growth.rows >= 0).sum())
        notes.append(f"vocabulary: {kept:,} of {len(growth.rows):,} pieces keep their rows, the others are drawn")
    return grown, notes


def _check_alike(source: AlbertConfig, target: AlbertConfig) -> None:
    differing = [
        f"{name} {getattr(source, name)} -> {getattr(target, name)}"
        for name in _SAME
        if getattr(source, name) != getattr(target, name)
    ]
    if differing:
        raise ModelError(
            f"the start has another shape or function than the model: {', '.join(differing)}",
            hint="leave `model` out to take that of init.from; depth, groups, positions and pieces may differ",
        )
    shared_before = source.num_hidden_groups == 1 or source.parameter_sharing in (target.parameter_sharing, "all")
    merges = target.parameter_sharing in ("attention", "ffn") and source.num_hidden_groups > 1
    if target.num_hidden_groups < source.num_hidden_groups or (
        merges and (not shared_before or source.parameter_sharing != target.parameter_sharing)
    ):
        raise ModelError(
            f"{source.num_hidden_groups} groups of layers with weights of their own cannot become "
            f"{target.num_hidden_groups} that share more",
            hint="start from fewer groups, or from a model that shares as much",
        )


def _groups(
    state: Mapping[str, Tensor], *, source: AlbertConfig, target: AlbertConfig, notes: list[str]
) -> dict[str, Tensor]:
    """All tensors, those of the groups copied: group j of G takes that of j * g // G."""
    before, after = source.num_hidden_groups, target.num_hidden_groups
    grown: dict[str, Tensor] = {}
    groups: dict[tuple[str, str], dict[int, Tensor]] = {}
    for name, tensor in state.items():
        match = _GROUP.fullmatch(name)
        if match is None:
            grown[name] = tensor
        else:
            groups.setdefault((match[1], match[3]), {})[int(match[2])] = tensor
    for (head, tail), tensors in groups.items():
        for number in range(after):
            taken = number * before // after
            grown[f"{head}{number}{tail}"] = tensors.get(taken, tensors[min(tensors)]).clone()
    if before != after:
        notes.append(f"groups of layers: {before} -> {after}, copied")
    return grown


def _positions(table: Tensor, rows: int, how: Positions | None, notes: list[str]) -> Tensor:
    """(p, E) to (P, E)."""
    before = len(table)
    if rows == before:
        return table
    if rows < before:
        notes.append(f"positions: the first {rows} of {before}")
        return table[:rows].clone()
    if how is None:
        raise ModelError(
            f"the start has {before} positions, the model {rows}",
            hint="--set init.positions=tile repeats them, --set init.positions=interpolate stretches them",
        )
    notes.append(f"positions: {before} -> {rows} ({how})")
    if how == "tile":
        return table[torch.arange(rows) % before]
    stretched = F.interpolate(table.T[None].float(), size=rows, mode="linear", align_corners=True)  # (1, E, P)
    return stretched[0].T.contiguous().to(table.dtype)


def _piece_rows(table: Tensor, rows: Tensor, *, std: float) -> Tensor:
    """(v, E) to (V, E)."""
    grown = truncated_normal_(torch.empty(len(rows), table.shape[1]), std=std).to(table.dtype)
    known = rows >= 0
    grown[known] = table[rows[known]]
    return grown
