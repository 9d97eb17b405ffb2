"""How does one map of a model become the fastest product that this machine has, its weights arranged once?

A map is made from the weight and bias of a linear layer and takes its place. ALBERT applies one layer many times, so
what is arranged once serves every depth.

Shapes: I inputs, O outputs, R rows (tokens); "..." is any number of leading axes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from albert_cli.models.linear import choose_backend, linear, onednn_runs, vendor

_ALL_ROWS = 1 << 62
# Measured on Zen 3: from 32 rows on torch's own product is the faster one, below it takes up to twice as long.
_FEW_ROWS = 31
# A second, arranged copy of larger weights costs more memory than the gain at few rows is worth.
_MOST_COPIED_BYTES = 64 << 20
# Measured on Zen 3, AVX2: below, the first engine is faster, up to five times; above, the second by a tenth.
_MANY_ROWS = 256


class ExactMap(nn.Module):
    """The same float32 product as a linear layer, by the fastest route for the number of rows.

    Args:
        weight: (O, I) float; used as it is, not copied, unless it is arranged for all rows.
        bias: (O,) float or None.
        arranges: whether weights may be arranged for oneDNN.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, *, arranges: bool = True) -> None:
        super().__init__()
        self.weight, self.bias = _constant(weight), None if bias is None else _constant(bias)
        self._most_rows = rows_for_arranged(weight.numel() * weight.element_size()) if arranges else 0
        self._arranged: Tensor | None = None

    def forward(self, rows: Tensor) -> Tensor:
        """(..., I) to (..., O)."""
        if 0 < rows.numel() <= self._most_rows * rows.shape[-1] and rows.dtype == self.weight.dtype == torch.float32:
            if self._arranged is None:  # now, as many a model never meets so few rows
                self._arranged = _arrange(self.weight)
            return _arranged_product(rows, self._arranged, self.bias)
        return linear(rows, self.weight, self.bias)


class LowMap(nn.Module):
    """A product in bfloat16 or float16: rows are rounded as they come, the weight is rounded once.

    Args:
        weight: (O, I) float.
        bias: (O,) float or None.
        dtype: of the product and of what comes out.
        arranges: whether weights may be arranged for oneDNN.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, *, dtype: torch.dtype, arranges: bool = True) -> None:
        super().__init__()
        self.dtype = dtype
        self.weight = _constant(weight.to(dtype))
        self.bias = None if bias is None else _constant(bias.to(dtype))
        self._arranged: Tensor | None = None
        is_bfloat16 = weight.device.type == "cpu" and dtype is torch.bfloat16
        if arranges and is_bfloat16 and has_bfloat16() and arranging_runs():
            self._arranged = _arrange(self.weight)
            self.weight = self.weight[:0].clone()  # no second copy

    def forward(self, rows: Tensor) -> Tensor:
        """(..., I) to (..., O) of ``dtype``."""
        rows = rows.to(self.dtype)
        if self._arranged is not None:
            return _arranged_product(rows, self._arranged, self.bias)
        return F.linear(rows, self.weight, self.bias)


class Weights16Map(nn.Module):
    """A float32 product with weights stored in 16 bits (1 + 5 + 10): for processors without instructions for bfloat16.

    Args:
        weight: (O, I) float.
        bias: (O,) float or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        with _engine("fbgemm"):
            self._packed = torch.ops.quantized.linear_prepack_fp16(weight.detach().float(), _plain(bias))

    def forward(self, rows: Tensor) -> Tensor:
        """(..., I) to (..., O) float32."""
        product: Tensor = torch.ops.quantized.linear_dynamic_fp16(rows.float(), self._packed)
        return product


class Int8Map(nn.Module):
    """A product in 8 bits: weights rounded once, each output's by its largest; rows as they come, by the largest.

    Args:
        weight: (O, I) float.
        bias: (O,) float or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        rounded = _eight_bits(weight.detach().float())
        # Without its own instruction an 8-bit product sums pairs in 16 bits, which two full numbers would overflow.
        self._seven_bits = not torch.cpu._is_vnni_supported()
        self._packs = [_pack_int8(engine, rounded, _plain(bias)) for engine in _int8_engines()]

    def forward(self, rows: Tensor) -> Tensor:
        """(..., I) to (..., O) float32."""
        pack = self._packs[-1 if rows.numel() >= _MANY_ROWS * rows.shape[-1] else 0]
        product: Tensor = torch.ops.quantized.linear_dynamic(rows.float(), pack, self._seven_bits)
        return product


def rows_for_arranged(size: int) -> int:
    """Up to how many rows oneDNN with arranged weights is the faster exact product here; 0 where never.

    Args:
        size: bytes of the weight.
    """
    if not arranging_runs():
        return 0
    if choose_backend().backend == "onednn":
        return _ALL_ROWS
    is_measured = vendor() == "AuthenticAMD" and torch.backends.cpu.get_cpu_capability() == "AVX2"
    return _FEW_ROWS if is_measured and size <= _MOST_COPIED_BYTES else 0


@cache
def arranging_runs() -> bool:
    """Whether oneDNN's own arrangement of weights is there. It is no public function, so it may be gone one day."""
    return onednn_runs() and _runs(lambda: _arranged_product(torch.ones(2, 2), _arrange(torch.ones(2, 2)), None))


@cache
def weights16_run() -> bool:
    """Whether this torch has the product with weights of 16 bits."""
    return _runs(lambda: Weights16Map(torch.ones(2, 2), torch.ones(2))(torch.ones(2, 2)))


@cache
def int8_runs() -> bool:
    """Whether this torch has a product in 8 bits."""
    return bool(_int8_engines())


@cache
def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 by instructions of its own; without them it is ten times slower."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@cache
def _int8_engines() -> tuple[str, ...]:
    """For few rows and for many."""
    there = torch.backends.quantized.supported_engines
    wanted = ("fbgemm", "onednn") if "fbgemm" in there else ("qnnpack",)

    def works(engine: str) -> bool:
        pack = _pack_int8(engine, _eight_bits(torch.ones(2, 2)), torch.ones(2))
        return bool(torch.ops.quantized.linear_dynamic(torch.ones(2, 2), pack, True).isfinite().all())

    return tuple(engine for engine in wanted if engine in there and _runs(lambda engine=engine: works(engine)))  # type: ignore[misc]


def _runs(work: Callable[[], object]) -> bool:
    try:
        with torch.inference_mode():
            work()
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return False
    return True


def _arrange(weight: Tensor) -> Tensor:
    arranged: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None)
    return arranged


def _arranged_product(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return product


def _eight_bits(weight: Tensor) -> Tensor:
    """(O, I) float to 8 bits, by a scale for each output."""
    scales = (weight.abs().amax(dim=1).double() / 127).clamp(min=1e-30)
    zeros = torch.zeros(len(weight), dtype=torch.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*quantize.*deprecated.*")
        return torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)


def _pack_int8(engine: str, rounded: Tensor, bias: Tensor | None) -> object:
    with _engine(engine):
        packed: object = torch.ops.quantized.linear_prepack(rounded, bias)
        return packed


@contextmanager
def _engine(name: str) -> Iterator[None]:
    """Pack for one engine; what is packed stays with it."""
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = name
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


def _constant(values: Tensor) -> Tensor:
    """Values that no gradient reaches, in the same memory."""
    return values.detach()


def _plain(bias: Tensor | None) -> Tensor | None:
    return None if bias is None else bias.detach().float()
