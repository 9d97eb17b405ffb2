"""Do all heads give the same under every product of matrices and every kind of attention, gradients included?"""

from __future__ import annotations

import itertools

import pytest
import torch
from model_cases import BATCH, HEADS, difference, fill_at_random, labels_for, table_model

from albert_cli.models import linear
from albert_cli.models.layout import PackedLayout


def outcome(name: str, backend: str, attention: str) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
    model = table_model(name)
    fill_at_random(model, seed=4)
    linear.set_backend(model, backend)
    model.set_attention(attention)
    batch = dict(BATCH)
    if name == "AlbertForMultipleChoice":
        batch = {key: value.unsqueeze(0) for key, value in batch.items()}
    labels = {} if name == "AlbertModel" else labels_for(name, batch["input_ids"], num_labels=2, seed=1)
    output = model(**batch, **labels)
    tensors = [value for value in output.to_tuple() if value is not None]
    draw = torch.Generator().manual_seed(2)
    sum((value * torch.randn(value.shape, generator=draw)).sum() for value in tensors).backward()
    return [value.detach() for value in tensors], {
        key: value.grad for key, value in model.named_parameters() if value.grad is not None
    }


@pytest.mark.parametrize("name", HEADS)
def test_outputs_and_gradients_agree(name: str) -> None:
    expected, gradients = outcome(name, "default", "plain")
    for backend, attention in itertools.product(("default", "onednn", "auto"), ("auto", "plain", "sdpa", "varlen")):
        found, grads = outcome(name, backend, attention)
        for one, two in zip(found, expected, strict=True):
            assert difference(one, two) < 1e-5
        assert grads.keys() == gradients.keys()
        for key, grad in grads.items():
            assert difference(grad, gradients[key]) < 1e-5 * max(1.0, float(gradients[key].abs().max())), key


def test_packed_rows_through_onednn() -> None:
    model = table_model("AlbertForSequenceClassification")
    packed = {"input_ids": torch.tensor([2, 7, 3, 2, 9, 11, 4, 3]), "layout": PackedLayout.from_lengths([3, 5])}
    expected = model(**packed).logits
    linear.set_backend(model, "onednn")
    assert difference(model(**packed).logits, expected) < 1e-5
