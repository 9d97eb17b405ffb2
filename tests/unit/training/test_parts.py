"""Which part a weight belongs to, what stays frozen, and which rate each part has."""

from __future__ import annotations

import pytest
import torch

from albert_cli.errors import UsageError
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import (
    AlbertForPreTraining,
    AlbertForQuestionAnswering,
    AlbertForSequenceClassification,
)
from albert_cli.recipe.training import FinetuneTrain
from albert_cli.stages.optimisation import build_optimizer
from albert_cli.training.optim import parameter_groups
from albert_cli.training.parts import freeze_parts, part_of, rates_by_part, split_by_rate

SMALL = {
    "vocab_size": 30,
    "embedding_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 4,
    "num_hidden_groups": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 16,
}


def model(kind: type = AlbertForSequenceClassification) -> torch.nn.Module:
    return kind(AlbertConfig(**SMALL, num_labels=3))


@pytest.mark.parametrize("kind", [AlbertForSequenceClassification, AlbertForQuestionAnswering, AlbertForPreTraining])
def test_every_weight_belongs_to_a_part(kind: type) -> None:
    parts = {name: part_of(name) for name, _ in model(kind).named_parameters()}
    assert set(parts.values()) <= {"embeddings", "encoder", "group.0", "group.1", "pooler", "head"}
    assert {name for name, part in parts.items() if part == "encoder"} == {
        "albert.encoder.embedding_hidden_mapping_in.weight",
        "albert.encoder.embedding_hidden_mapping_in.bias",
    }
    assert all(part == "head" for name, part in parts.items() if not name.startswith("albert."))
    assert "head" in parts.values()


@pytest.mark.parametrize(
    ("parts", "trainable"),
    [
        (["embeddings"], {"encoder", "group.0", "group.1", "pooler", "head"}),
        (["encoder"], {"embeddings", "pooler", "head"}),
        (["embeddings", "encoder", "pooler"], {"head"}),
        (["group.0"], {"embeddings", "encoder", "group.1", "pooler", "head"}),
    ],
)
def test_frozen_parts_are_left_out_of_training(parts: list[str], trainable: set[str]) -> None:
    built = model()
    frozen = freeze_parts(built, parts)
    left = {part_of(name) for name, weight in built.named_parameters() if weight.requires_grad}
    assert left == trainable
    assert frozen == sum(weight.numel() for weight in built.parameters() if not weight.requires_grad) > 0
    grouped = [weight for group in parameter_groups(built) for weight in group["params"]]
    assert len(grouped) == sum(weight.requires_grad for weight in built.parameters())


@pytest.mark.parametrize(
    ("parts", "words"),
    [(["group.2"], "group.2"), (["embeddings", "encoder", "pooler", "head"], "leaves nothing to train")],
)
def test_what_cannot_be_frozen_is_refused(parts: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        freeze_parts(model(), parts)


def test_rates_fall_from_part_to_part() -> None:
    rate = rates_by_part(learning_rate=1.0, num_groups=2, layer_decay=0.5, head_learning_rate=10.0)
    found = {part: rate(part) for part in ("head", "pooler", "group.1", "group.0", "encoder", "embeddings")}
    assert found == {"head": 10.0, "pooler": 1.0, "group.1": 0.5, "group.0": 0.25, "encoder": 0.25, "embeddings": 0.125}


def test_a_shared_layer_is_one_part() -> None:
    rate = rates_by_part(learning_rate=1.0, num_groups=1, layer_decay=0.5)
    assert (rate("group.0"), rate("encoder"), rate("embeddings"), rate("head")) == (0.5, 0.5, 0.25, 1.0)


def test_groups_are_cut_by_rate_and_lose_nothing() -> None:
    built = model()
    rate = rates_by_part(learning_rate=1.0, num_groups=2, layer_decay=0.5, head_learning_rate=10.0)
    groups = split_by_rate(built, parameter_groups(built, 0.01), rate, usual=1.0)
    assert groups[0]["lr"] == 1.0  # the recipe's rate is the one that reports show
    names = {id(weight): name for name, weight in built.named_parameters()}
    seen = {names[id(weight)]: group["lr"] for group in groups for weight in group["params"]}
    assert seen == {name: rate(part_of(name)) for name in names.values()}
    decayed = {names[id(weight)] for group in groups if group["weight_decay"] for weight in group["params"]}
    plain = parameter_groups(built, 0.01)[0]["params"]
    assert decayed == {names[id(weight)] for weight in plain}


def test_an_optimiser_moves_each_part_by_its_rate() -> None:
    """The same gradient everywhere: the first steps stand to each other as the rates do."""
    built = model()
    train = FinetuneTrain(learning_rate=1e-3, max_steps=1, weight_decay=0.0, layer_decay=0.5, head_learning_rate=1e-2)
    optimizer = build_optimizer(built, train, learning_rate=2e-3)  # as scaled for the batch
    before = {name: weight.detach().clone() for name, weight in built.named_parameters()}
    for weight in built.parameters():
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    moved = {part_of(name): (before[name] - weight).abs().max().item() for name, weight in built.named_parameters()}
    assert moved["head"] / moved["pooler"] == pytest.approx(10, rel=1e-3)
    assert moved["group.1"] / moved["pooler"] == pytest.approx(0.5, rel=1e-3)
    assert moved["embeddings"] / moved["pooler"] == pytest.approx(0.125, rel=1e-3)
