"""Which part of a model does a weight belong to: embeddings, a layer group, the pooler, the head? And what follows:
parts that stay frozen, parts with a learning rate of their own.

A shared layer is one part, however often a token passes it, so rates go by group, not by depth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from albert_cli.errors import UsageError

EMBEDDINGS, ENCODER, POOLER, HEAD = "embeddings", "encoder", "pooler", "head"
_GROUP = re.compile(r"encoder\.albert_layer_groups\.(\d+)\.")


def part_of(name: str) -> str:
    """Part that a parameter belongs to.

    Args:
        name: of the parameter, as ``named_parameters`` of a head class gives it.

    Returns:
        ``embeddings``, ``group.N``, ``encoder`` (the map from the embeddings' width to the layers'), ``pooler`` or
        ``head``.
    """
    if not name.startswith("albert."):
        return HEAD
    inner = name.removeprefix("albert.")
    group = _GROUP.match(inner)
    if group is not None:
        return f"group.{group[1]}"
    return inner.partition(".")[0]


def freeze_parts(model: nn.Module, parts: Sequence[str]) -> int:
    """Take parts of a model out of training.

    Args:
        model: a head class.
        parts: ``embeddings``, ``encoder`` (all groups, and the map into them), ``pooler``, ``head``, ``group.N``.

    Returns:
        Number of frozen weights.

    Raises:
        UsageError: the model has no such part, or nothing remains to be trained.
    """
    belongs = {name: part_of(name) for name, _ in model.named_parameters()}
    there = {*belongs.values(), *(ENCODER for part in belongs.values() if part.startswith("group."))}
    for part in parts:
        if part not in there:
            raise UsageError(
                f"train.freeze names {part!r}, the model has {', '.join(sorted(there))}",
                hint="name parts that are there; group.0 is the first group of layers",
            )
    frozen = 0
    for name, parameter in model.named_parameters():
        part = belongs[name]
        if part in parts or (ENCODER in parts and part.startswith("group.")):
            parameter.requires_grad_(False)
            frozen += parameter.numel()
    if parts and not any(parameter.requires_grad for parameter in model.parameters()):
        raise UsageError("train.freeze leaves nothing to train", hint="leave the head out of it")
    return frozen


def rates_by_part(
    *, learning_rate: float, num_groups: int, layer_decay: float = 1.0, head_learning_rate: float | None = None
) -> Callable[[str], float]:
    """Learning rate of each part.

    Args:
        learning_rate: of head and pooler.
        num_groups: layer groups, 1 where all layers share their weights.
        layer_decay: factor from each part to the one below it: the last group, ..., the first group, embeddings.
        head_learning_rate: of the head, where it has one of its own.

    Returns:
        A function from a part's name (`part_of`) to its rate.
    """

    def rate(part: str) -> float:
        if part == HEAD:
            return learning_rate if head_learning_rate is None else head_learning_rate
        if part == POOLER:
            return learning_rate
        below = num_groups + 1
        if part != EMBEDDINGS:
            below = num_groups - (int(part.partition(".")[2]) if part.startswith("group.") else 0)
        return learning_rate * layer_decay**below

    return rate


def split_by_rate(
    model: nn.Module, groups: Sequence[dict[str, Any]], rate: Callable[[str], float], *, usual: float
) -> list[dict[str, Any]]:
    """Cut an optimiser's groups so that each has one learning rate.

    Args:
        model: whose parameters they are.
        groups: as `training.optim.parameter_groups` makes them.
        rate: learning rate by part.
        usual: the recipe's rate; groups nearest to it come first, as the first one's rate is what reports show.

    Returns:
        Groups with the key ``lr``.
    """
    rates = {id(parameter): rate(part_of(name)) for name, parameter in model.named_parameters()}
    cut: list[dict[str, Any]] = []
    for group in groups:
        for value in dict.fromkeys(rates[id(parameter)] for parameter in group["params"]):
            chosen = [parameter for parameter in group["params"] if rates[id(parameter)] == value]
            cut.append({**group, "params": chosen, "lr": value})
    return sorted(cut, key=lambda group: abs(group["lr"] - usual))
