"""Do models prepared for answers say what the plain model says, with every head, attention and form of batch?"""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
import torch
from model_cases import BATCH, HEADS, difference, fill_at_random, table_model
from torch import nn

from albert_cli.inference import prepared, products
from albert_cli.inference.prepared import Products, gelu_by_sigmoid, prepare
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads_sequence import AlbertForSequenceClassification
from albert_cli.models.layout import PackedLayout

LENGTHS = (5, 9, 9, 3, 16, 1)
ATTENTION = ("auto", "plain", "sdpa", "varlen")


def model_of(name: str) -> nn.Module:
    model = table_model(name)
    fill_at_random(model, seed=4)
    return model.eval()


def packed_batch(name: str) -> dict[str, Any]:
    draw = torch.Generator().manual_seed(3)
    ids = torch.randint(5, 30, (sum(LENGTHS),), generator=draw)
    batch = {"input_ids": ids, "token_type_ids": ids % 2, "layout": PackedLayout.from_lengths(LENGTHS)}
    return {**batch, "num_choices": 2} if name == "AlbertForMultipleChoice" else batch


def padded_batch(name: str) -> dict[str, Any]:
    return {key: value.unsqueeze(0) if name == "AlbertForMultipleChoice" else value for key, value in BATCH.items()}


@torch.inference_mode()
def said(model: nn.Module, batch: dict[str, Any], attention: str = "auto") -> list[torch.Tensor]:
    model.set_attention(attention)  # type: ignore[operator]
    return [value.clone() for value in model(**batch).to_tuple() if value.is_floating_point()]


@pytest.mark.parametrize("name", HEADS)
def test_exact_products_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = model_of(name)
    for rows in (0, products._FEW_ROWS, products._ALL_ROWS):  # never, for some and for all numbers of rows
        if rows and not products.arranging_runs():
            continue
        with monkeypatch.context() as patch:
            patch.setattr(products, "rows_for_arranged", lambda size, rows=rows: rows)
            ready = prepare(model_of(name), Products())
        for batch, attention in itertools.product((packed_batch(name), padded_batch(name)), ATTENTION):
            for one, two in zip(said(ready, batch, attention), said(plain, batch, "plain"), strict=True):
                assert difference(one, two) < 1e-5


@pytest.mark.parametrize(
    "changed",
    [
        {"num_hidden_groups": 2},
        {"inner_group_num": 2},
        {"parameter_sharing": "attention"},
        {"parameter_sharing": "none"},
        {"position_embedding_type": "relative_key_query"},
        {"hidden_act": "relu"},
        {"hidden_act": "gelu"},
        {"chunk_size_feed_forward": 3},
    ],
    ids=str,
)
def test_models_of_other_make(changed: dict[str, Any]) -> None:
    torch.manual_seed(1)
    config = AlbertConfig.named("tiny", vocab_size=30, num_hidden_layers=4, **changed)
    plain = AlbertForSequenceClassification(config).eval()
    fill_at_random(plain, seed=2)
    ready = prepare(copy.deepcopy(plain), Products())
    batch = packed_batch("AlbertForSequenceClassification")
    for one, two in zip(said(ready, batch), said(plain, batch), strict=True):
        assert difference(one, two) < 1e-5


BOUNDS = {"weights16": 2e-3, "bf16": 5e-2, "int8": 0.3}


@pytest.mark.parametrize("kind", BOUNDS)
def test_rounded_products_stay_near_the_exact_ones(kind: Any) -> None:
    if (kind == "weights16" and not products.weights16_run()) or (kind == "int8" and not products.int8_runs()):
        pytest.skip(f"no {kind} product in this torch")
    for name in HEADS:
        plain = model_of(name)
        ready = prepare(model_of(name), Products(kind))
        batch = packed_batch(name)
        for one, two in zip(said(ready, batch), said(plain, batch), strict=True):
            scale = max(1.0, float(two[two.isfinite()].std()))
            assert 0 < difference(one, two) / scale < BOUNDS[kind], name


def test_int8_says_the_same_alone_and_among_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine for few rows and that for many compute the same integers."""
    if not products.int8_runs():
        pytest.skip("no product in 8 bits in this torch")
    torch.manual_seed(0)
    one = products.Int8Map(torch.randn(24, 16), torch.randn(24))
    rows = torch.randn(40, 16)
    few = one(rows)
    monkeypatch.setattr(products, "_MANY_ROWS", 1)
    assert difference(one(rows), few) < 1e-5


def test_compiled_products_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda work, **_: torch._dynamo.optimize("eager", dynamic=True)(work))
    plain = model_of("AlbertForSequenceClassification")
    ready = prepare(model_of("AlbertForSequenceClassification"), Products(compiles=True))
    batch = packed_batch("AlbertForSequenceClassification")
    for one, two in zip(said(ready, batch), said(plain, batch), strict=True):
        assert difference(one, two) < 1e-5


def test_what_this_torch_lacks_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "arranging_runs", lambda: False)
    assert products.rows_for_arranged(100) == 0
    monkeypatch.setattr(prepared, "has_bfloat16", lambda: False)
    monkeypatch.setattr(prepared, "weights16_run", lambda: False)
    assert prepared.choose_products(torch.device("cpu"), "bf16").kind == "bf16"


def test_gelu_is_the_tanh_form() -> None:
    values = torch.cat([torch.linspace(-30, 30, 4001), torch.tensor([0.0, -0.0, 1e-30])]).view(-1, 4)
    expected = torch.nn.functional.gelu(values.double(), approximate="tanh")
    assert difference(gelu_by_sigmoid(values.clone()).double(), expected) < 1e-6
    wide = torch.randn(3, 100, 8)
    assert difference(gelu_by_sigmoid(wide.clone()), torch.nn.functional.gelu(wide, approximate="tanh")) < 1e-6
