"""How fast can this machine multiply matrices at best? What every throughput is measured against.

The products are those of the model at hand (rows x inputs x outputs), through every route that torch has here; the
limit of a precision is the rate of its best route over all of them together, each weighted by its operations.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from albert_cli.models.config import AlbertConfig
from albert_cli.models.linear import onednn_product, onednn_runs

Shape = tuple[int, int, int]
_REPEATS = 5


def layer_shapes(config: AlbertConfig, tokens: int) -> list[Shape]:
    """Rows, inputs and outputs of the products of one layer: queries, keys and values; output; the two of FFN."""
    hidden, inner = config.hidden_size, config.intermediate_size
    pairs = ((hidden, 3 * hidden), (hidden, hidden), (hidden, inner), (inner, hidden))
    return [(tokens, inputs, outputs) for inputs, outputs in pairs]


def product_limit(shapes: Sequence[Shape], *, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Measure.

    Args:
        shapes: rows, inputs, outputs of each product.
        device: where.

    Returns:
        ``routes``: by name, GFLOP/s over all the shapes together; ``fp32`` and ``bf16``: the best of them for that
        precision, ``fp32_route`` and ``bf16_route`` its name. One thread of a processor is timed by its own clock.
    """
    rates = {name: _rate(shapes, dtype, route, torch.device(device)) for name, dtype, route in _routes(device)}
    found: dict[str, Any] = {"routes": rates}
    for precision in ("fp32", "bf16"):
        best = max((name for name in rates if name.startswith(precision)), key=rates.__getitem__)
        found |= {precision: rates[best], f"{precision}_route": best}
    return found


def _routes(device: torch.device | str) -> list[tuple[str, torch.dtype, Callable[[Tensor, Tensor], Tensor]]]:
    routes: list[tuple[str, torch.dtype, Callable[[Tensor, Tensor], Tensor]]] = [
        ("fp32 default", torch.float32, F.linear),
        ("bf16 default", torch.bfloat16, F.linear),
    ]
    if torch.device(device).type == "cpu" and onednn_runs():
        routes.append(("fp32 onednn", torch.float32, lambda rows, weight: onednn_product(rows, weight, None)))
    return routes


@torch.no_grad()
def _rate(
    shapes: Sequence[Shape], dtype: torch.dtype, route: Callable[[Tensor, Tensor], Tensor], device: torch.device
) -> float:
    operations, seconds = 0.0, 0.0
    for rows, inputs, outputs in shapes:
        left = torch.randn(rows, inputs, device=device).to(dtype)
        weight = torch.randn(outputs, inputs, device=device).to(dtype)
        route(left, weight)
        operations += 2.0 * rows * inputs * outputs
        seconds += min(_seconds(lambda left=left, weight=weight: route(left, weight), device) for _ in range(_REPEATS))  # type: ignore[misc]
    return operations / seconds / 1e9


def _seconds(work: Callable[[], Any], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    began = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - began
