"""Which product of matrices do the maps of a model use on a processor?

torch's own product (MKL on x86) takes a slow path on some AMD processors; oneDNN, in the same wheel, computes the same
float32 product two to three times as fast there. Which one wins is known by processor, so the choice is a function of
the processor and not of a clock: the same seed gives the same bytes. The result differs in rounding only.

Shapes: T rows (tokens), I inputs, O outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from albert_cli.errors import ModelError

BACKENDS = ("auto", "default", "onednn")
# oneDNN wants its operands row by row; below so many rows the copies cost more than they give.
_ROWS_WORTH_A_COPY = 64


@dataclass(frozen=True)
class Choice:
    """Which product is taken, and why.

    Attributes:
        backend: ``default`` or ``onednn``.
        reason: a sentence for people.
    """

    backend: str
    reason: str


def choose_backend(asked: str = "auto") -> Choice:
    """Settle on a product.

    Args:
        asked: one of ``BACKENDS``.

    Raises:
        ModelError: no such name, or ``onednn`` where this torch has none.
    """
    if asked not in BACKENDS:
        raise ModelError(f"no linear backend '{asked}'", hint=f"one of: {', '.join(BACKENDS)}")
    if asked == "onednn" and not onednn_runs():
        raise ModelError("this torch has no oneDNN product", hint="use runtime.linear=auto")
    return _by_processor() if asked == "auto" else Choice(asked, "asked for")


@cache
def _by_processor() -> Choice:
    if not onednn_runs():
        return Choice("default", "this torch has no oneDNN product")
    maker, capability = vendor(), torch.backends.cpu.get_cpu_capability()
    if maker != "AuthenticAMD":
        return Choice("default", "torch's own product is the fast one on this processor")
    if capability.startswith("AVX512"):
        return Choice("onednn", "AMD with AVX-512: torch's own product takes a slow path there")
    return Choice("default", "AMD without AVX-512: torch's own product is as fast as the processor")


def vendor() -> str:
    """The maker that the processor names, "AuthenticAMD" or "GenuineIntel" for example; empty where unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")), "")


@cache
def onednn_runs() -> bool:
    """Whether this torch has the oneDNN product. It is no public function, so it may be gone in another version."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    try:
        onednn_product(torch.ones(2, 2), torch.ones(2, 2), None)
    except (AttributeError, RuntimeError, TypeError):
        return False
    return True


def onednn_product(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The float32 product by oneDNN, without a gradient: (..., I), (O, I) and (O,) to (..., O)."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return product


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None, *, backend: str = "auto") -> Tensor:
    """``rows @ weight.T + bias``.

    oneDNN is used where it was chosen and can be: float32 on a processor, outside autocast, compilation and tracing.

    Args:
        rows: (..., I) float.
        weight: (O, I) float.
        bias: (O,) float or None.
        backend: one of ``BACKENDS``.

    Returns:
        (..., O) float.
    """
    if backend != "default" and _by_onednn(rows, weight, backend):
        product: Tensor = _OneDNNLinear.apply(rows, weight, bias)  # type: ignore[no-untyped-call]
        return product
    return F.linear(rows, weight, bias)


def _by_onednn(rows: Tensor, weight: Tensor, backend: str) -> bool:
    if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
        return False
    if backend == "auto" and _by_processor().backend != "onednn":
        return False
    return (
        rows.device.type == "cpu"
        and rows.dtype == weight.dtype == torch.float32
        and rows.numel() > 0
        and not torch.is_autocast_enabled("cpu")
    )


class _OneDNNLinear(torch.autograd.Function):
    """The three products of a map: forward, gradient of the rows, gradient of the weight."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(rows, weight)
        ctx.with_bias = bias is not None
        return onednn_product(rows, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        product = _differentiable if torch.is_grad_enabled() else _contiguous  # a gradient of the gradient is wanted
        flat = grad.reshape(-1, grad.shape[-1])  # (T, O)
        need_rows, need_weight, need_bias = ctx.needs_input_grad
        grad_rows = product(grad, weight.t()) if need_rows else None
        grad_weight = product(flat.t(), rows.reshape(-1, rows.shape[-1]).t()) if need_weight else None
        return grad_rows, grad_weight, flat.sum(0) if need_bias and ctx.with_bias else None


def _differentiable(rows: Tensor, weight: Tensor) -> Tensor:
    return F.linear(rows, weight)


def _contiguous(rows: Tensor, weight: Tensor) -> Tensor:
    if rows.numel() // rows.shape[-1] >= _ROWS_WORTH_A_COPY:
        return onednn_product(rows.contiguous(), weight.contiguous(), None)
    return F.linear(rows, weight)


class Linear(nn.Linear):
    """torch's map with a choice of the product. ``backend`` is one of ``BACKENDS``."""

    backend: str = "auto"

    def forward(self, input: Tensor) -> Tensor:
        """(..., I) to (..., O)."""
        return linear(input, self.weight, self.bias, backend=self.backend)


def set_backend(model: nn.Module, backend: str) -> None:
    """Let all maps of a model use one product.

    Args:
        model: any of ours.
        backend: one of ``BACKENDS``.

    Raises:
        ModelError: see `choose_backend`.
    """
    choose_backend(backend)
    for part in model.modules():
        if isinstance(part, Linear):
            part.backend = backend
