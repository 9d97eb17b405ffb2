"""Is the loss a few positions at a time the loss of all at once, with its gradients?"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import albert_cli
from albert_cli.models.config import AlbertConfig
from albert_cli.models.layout import PackedLayout
from albert_cli.models.word_scores import score_words

M, E, V = 23, 8, 50


def parts() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(3)
    vectors, table, bias = (torch.randn(shape, generator=draw) for shape in ((M, E), (V, E), (V,)))
    labels = torch.randint(V, (M,), generator=draw)
    return vectors.requires_grad_(), table.requires_grad_(), bias.requires_grad_(), labels


@pytest.mark.parametrize("backend", ["default", "onednn"])
@pytest.mark.parametrize("at_once", [None, 1, 7, 23, 100])
def test_loss_hits_and_gradients_are_those_of_all_positions_at_once(at_once: int | None, backend: str) -> None:
    vectors, table, bias, labels = parts()
    found = score_words(vectors, table, bias, labels, at_once=at_once, backend=backend)
    logits = vectors @ table.t() + bias
    losses = F.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(found.losses, losses)
    assert torch.equal(found.hits, logits.argmax(-1) == labels)
    for one, two in zip(
        torch.autograd.grad(found.loss * 0.3, (vectors, table, bias)),
        torch.autograd.grad(losses.sum() * 0.3, (vectors, table, bias)),
        strict=True,
    ):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-5)


def test_under_autocast_products_are_rounded_and_the_loss_is_not() -> None:
    vectors, table, bias, labels = parts()
    with torch.autocast("cpu", torch.bfloat16):
        found = score_words(vectors, table, bias, labels, at_once=5)
        logits = F.linear(vectors, table, bias)
    losses = F.cross_entropy(logits.float(), labels, reduction="sum")
    assert found.loss.dtype == torch.float32
    torch.testing.assert_close(found.loss, losses)
    ours, theirs = torch.autograd.grad(found.loss, table)[0], torch.autograd.grad(losses, table)[0]
    torch.testing.assert_close(ours, theirs, atol=0.03, rtol=0.02)


def test_no_position_and_frozen_parts() -> None:
    vectors, table, bias, labels = parts()
    nothing = score_words(vectors[:0], table, bias, labels[:0])
    assert nothing.loss.item() == 0.0
    assert torch.autograd.grad(nothing.loss, table)[0].abs().sum() == 0
    some = score_words(vectors, table.detach(), bias.detach(), labels)
    assert torch.autograd.grad(some.loss, vectors)[0].shape == (M, E)
    with torch.no_grad():
        assert torch.equal(score_words(vectors, table, bias, labels).losses, some.losses)
    assert not score_words(vectors.detach(), table.detach(), bias.detach(), labels).loss.requires_grad


@pytest.mark.parametrize("name", ["AlbertForPreTraining", "AlbertForMaskedLM"])
def test_scores_of_a_model_are_those_of_its_logits(name: str) -> None:
    torch.manual_seed(0)
    config = AlbertConfig.named("tiny", vocab_size=60, initializer_range=0.2)
    model = getattr(albert_cli, name)(config).eval()
    ids, places = torch.randint(5, 60, (11,)), torch.tensor([1, 4, 10])
    layout, labels = PackedLayout.from_lengths([4, 7]), torch.tensor([8, 9, 17])
    scores = model.score_masked(ids, None, layout=layout, masked_positions=places, masked_labels=labels)
    output = model(ids, layout=layout, masked_positions=places)
    logits = output[0]
    torch.testing.assert_close(scores.words.losses, F.cross_entropy(logits, labels, reduction="none"))
    if name == "AlbertForPreTraining":
        torch.testing.assert_close(scores.sop_logits, output.sop_logits)
    else:
        assert scores.sop_logits is None
