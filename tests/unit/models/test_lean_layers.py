"""Work and memory that nobody looks at: the last layer at wanted places alone, activations made again."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import albert_cli
from albert_cli.models import layer as layers
from albert_cli.models.config import AlbertConfig
from albert_cli.models.forget import made_again
from albert_cli.models.layout import PackedLayout

SIZES: dict[str, Any] = {
    "vocab_size": 40,
    "embedding_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 12,
}
IDS = torch.tensor([[2, 7, 11, 4, 23, 3], [2, 30, 31, 3, 0, 0]])
MASK = (IDS != 0).long()


def small(name: str = "AlbertModel", **overrides: Any) -> Any:
    torch.manual_seed(0)
    return getattr(albert_cli, name)(AlbertConfig(**{**SIZES, "initializer_range": 0.4, **overrides})).eval()


@pytest.mark.parametrize("overrides", [{}, {"inner_group_num": 2}])
@pytest.mark.parametrize("packed", [False, True])
def test_wanted_places_alone_give_what_all_would(packed: bool, overrides: dict[str, Any]) -> None:
    model = small(**overrides)
    batch: dict[str, Any] = {"input_ids": IDS, "attention_mask": MASK}
    if packed:
        batch = {"input_ids": IDS[MASK == 1], "layout": PackedLayout.from_lengths([6, 4])}
    wanted = torch.tensor([1, 8, 3])
    everything = model(**batch)
    some = model(**batch, wanted=wanted)
    torch.testing.assert_close(some.last_hidden_state, everything.last_hidden_state.flatten(0, -2)[wanted])
    torch.testing.assert_close(some.pooler_output, everything.pooler_output)
    none = model(**batch, wanted=())
    assert none.last_hidden_state.shape == (0, 16)
    torch.testing.assert_close(none.pooler_output, everything.pooler_output)


def test_wanted_places_and_all_states_together() -> None:
    model, wanted = small(), torch.tensor([4, 0])
    asked = model(IDS, MASK, wanted=wanted, output_hidden_states=True)
    assert [state.shape for state in asked.hidden_states] == [(2, 6, 16)] * 3
    torch.testing.assert_close(asked.last_hidden_state, asked.hidden_states[-1].flatten(0, 1)[wanted])


def test_without_pooler_only_the_wanted_places_are_computed() -> None:
    model, seen = small("AlbertForMaskedLM"), []
    last = model.albert.encoder.albert_layer_groups[0].albert_layers[0].ffn
    last.register_forward_hook(lambda _, given, __: seen.append(given[0].shape[:-1].numel()))
    model(IDS, MASK, masked_positions=torch.tensor([2, 7]))
    assert seen == [12, 2]


def gradients(model: Any, again: bool, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, torch.Tensor], int]:
    kept: list[torch.Tensor] = []
    monkeypatch.setattr(layers, "_WIDE", 1 if again else 10_000)
    part = model.encoder.albert_layer_groups[0].albert_layers[0]
    part.wide = again
    model.zero_grad()
    with torch.autograd.graph.saved_tensors_hooks(lambda kept_one: kept.append(kept_one) or kept_one, lambda one: one):
        loss = model(IDS, MASK).last_hidden_state.pow(2).sum()
    loss.backward()
    return {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}, len(kept)


def test_an_activation_made_again_gives_the_same_gradients_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small()
    made, kept_then = gradients(model, True, monkeypatch)
    kept, kept_now = gradients(model, False, monkeypatch)
    assert kept_then < kept_now
    assert made.keys() == kept.keys()
    assert all(torch.equal(made[name], kept[name]) for name in kept)


def test_what_is_made_again_is_made_once_for_each_use_and_nothing_else_is() -> None:
    calls: list[int] = []
    rows, weight = torch.randn(3, 4, requires_grad=True), torch.randn(5, 4, requires_grad=True)
    active = rows.relu()

    def again() -> torch.Tensor:
        calls.append(1)
        return rows.detach().relu()

    with made_again(active, again):
        loss = (active @ weight.t()).sum()
    assert calls == []
    loss.backward()
    assert calls == [1]
    torch.testing.assert_close(weight.grad, active.detach().sum(0).expand(5, 4))
