"""Which product is chosen, what it computes, and where torch's own is taken instead."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from albert_cli.errors import ModelError
from albert_cli.models import linear

ROWS, INPUTS, OUTPUTS = 70, 24, 40


def three() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    shapes = ((ROWS, INPUTS), (OUTPUTS, INPUTS), (OUTPUTS,))
    return tuple(torch.randn(shape, generator=draw).requires_grad_() for shape in shapes)  # type: ignore[return-value]


@pytest.mark.parametrize("rows", [ROWS, 3])
def test_onednn_gives_the_product_and_its_gradients(rows: int) -> None:
    left, weight, bias = three()
    direction = torch.randn(rows, OUTPUTS)
    ours = linear.linear(left[:rows], weight, bias, backend="onednn")
    assert "OneDNN" in type(ours.grad_fn).__name__
    found = torch.autograd.grad(ours, (left, weight, bias), direction)
    expected = F.linear(left[:rows], weight, bias)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)
    for one, two in zip(found, torch.autograd.grad(expected, (left, weight, bias), direction), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-5)


def test_the_gradient_of_a_gradient_is_right() -> None:
    def second(backend: str) -> torch.Tensor:
        left, weight, bias = three()
        loss = linear.linear(left, weight, bias, backend=backend).pow(3).sum()
        (first,) = torch.autograd.grad(loss, weight, create_graph=True)
        return torch.autograd.grad(first.square().sum(), left)[0]

    torch.testing.assert_close(second("onednn"), second("default"), rtol=1e-4, atol=1e-2)


def test_other_numbers_go_the_default_way() -> None:
    left, weight, bias = three()
    half = linear.linear(left.bfloat16(), weight.bfloat16(), bias.bfloat16(), backend="onednn")
    assert "OneDNN" not in type(half.grad_fn).__name__
    assert linear.linear(left[:0], weight, bias, backend="onednn").shape == (0, OUTPUTS)
    with torch.autocast("cpu", torch.bfloat16):
        assert linear.linear(left, weight, bias, backend="onednn").dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("vendor", "capability", "expected"),
    [
        ("AuthenticAMD", "AVX512", "onednn"),
        ("AuthenticAMD", "AVX512_VNNI", "onednn"),
        ("AuthenticAMD", "AVX2", "default"),
        ("GenuineIntel", "AVX512", "default"),
        ("", "DEFAULT", "default"),
    ],
)
def test_the_choice_follows_the_processor(
    vendor: str, capability: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear, "vendor", lambda: vendor)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    linear._by_processor.cache_clear()
    try:
        assert linear.choose_backend().backend == expected
        assert linear.choose_backend("onednn").backend == "onednn"
    finally:
        linear._by_processor.cache_clear()


def test_the_vendor_is_read_from_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(linear, "Path", lambda _: tmp_path / "none")
    assert linear.vendor() == ""
    (tmp_path / "none").write_text("processor\t: 0\nvendor_id\t: GenuineIntel\n")
    assert linear.vendor() == "GenuineIntel"


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ModelError, match="no linear backend 'mkl'"):
        linear.choose_backend("mkl")
