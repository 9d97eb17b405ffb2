"""Weights of attention that are made again: the same outcome and gradients, and nothing S x S is kept."""

from __future__ import annotations

import pytest
import torch

from albert_cli.models.attention import AttentionCall, attend, plain
from albert_cli.models.layout import PaddedLayout
from albert_cli.models.lean_attention import lean_plain


def three(dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    return [torch.randn(2, 3, 9, 4, generator=draw).to(dtype).requires_grad_() for _ in range(3)]


BIAS = torch.zeros(2, 1, 1, 9).masked_fill(torch.arange(9) > 6, torch.finfo(torch.float32).min)


@pytest.mark.parametrize("bias", [None, BIAS], ids=["all", "padded"])
def test_outcome_and_gradients_are_those_of_kept_weights(bias: torch.Tensor | None) -> None:
    parts, direction = three(), torch.randn(2, 3, 9, 4)
    ours = lean_plain(*parts, bias)
    theirs, _ = plain(*parts, bias, dropout=0.0, head_mask=None)
    torch.testing.assert_close(ours, theirs)
    found, expected = (torch.autograd.grad(each, parts, direction) for each in (ours, theirs))
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=1e-5)


def test_under_autocast_the_softmax_is_in_float32_as_before() -> None:
    parts, direction = three(torch.bfloat16), torch.randn(2, 3, 9, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        ours = lean_plain(*parts, None)
        theirs, _ = plain(*parts, None, dropout=0.0, head_mask=None)
    assert torch.equal(ours, theirs)
    for one, two in zip(
        torch.autograd.grad(ours, parts, direction), torch.autograd.grad(theirs, parts, direction), strict=True
    ):
        torch.testing.assert_close(one, two, atol=2e-2, rtol=2e-2)


def test_the_gradient_of_a_gradient_is_right() -> None:
    def second(lean: bool) -> torch.Tensor:
        parts = three()
        context = lean_plain(*parts, BIAS) if lean else plain(*parts, BIAS, dropout=0.0, head_mask=None)[0]
        (first,) = torch.autograd.grad(context.square().sum(), parts[0], create_graph=True)
        return torch.autograd.grad(first.square().sum(), parts[1])[0]

    torch.testing.assert_close(second(True), second(False), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("length", "again"), [(256, True), (255, False)])
def test_only_long_sequences_make_their_weights_again(length: int, again: bool) -> None:
    layout = PaddedLayout(1, length, None, torch.device("cpu"))
    context, _ = attend(
        torch.randn(1, length, 12, requires_grad=True), layout, num_heads=1, call=AttentionCall("plain")
    )
    names, found = [context.grad_fn], []
    while names:
        node = names.pop()
        found.append(type(node).__name__)
        names += [each for each, _ in node.next_functions if each is not None] if node is not None else []
    assert ("_LeanAttentionBackward" in found) is again


def test_no_weights_are_kept() -> None:
    kept: list[tuple[int, ...]] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda each: kept.append(tuple(each.shape)) or each, lambda one: one):
        lean_plain(*three(), BIAS)
    assert sorted(kept) == [(2, 1, 1, 9), *[(2, 3, 9, 4)] * 3]
