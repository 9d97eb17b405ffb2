"""How is a loaded model made as fast as this machine allows, once, before it answers?

The maps of the shared layer are replaced by products that fit the device (see products.py): queries, keys and values
become one map for good, weights are arranged, rounded or quantised once for all depths. A prepared model has the
forward pass of the model it was; it cannot be trained or saved any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from albert_cli.errors import UsageError
from albert_cli.inference.products import (
    ExactMap,
    Int8Map,
    LowMap,
    Weights16Map,
    has_bfloat16,
    int8_runs,
    rows_for_arranged,
    weights16_run,
)
from albert_cli.models.albert import AlbertEncoder
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.layer import AlbertLayer
from albert_cli.models.linear import choose_backend

Kind = Literal["exact", "bf16", "fp16", "weights16", "int8"]
Model = TypeVar("Model", bound=AlbertPreTrainedModel)
_MakeMap = Callable[[Tensor, Tensor | None], nn.Module]

# x * sigmoid(2 u) with u = sqrt(2 / pi) * (x + 0.044715 x^3) is x * (1 + tanh(u)) / 2, and a sigmoid costs less.
_GELU_ROWS = 32  # whose numbers stay in the nearest caches of a core
_GELU_LINEAR, _GELU_CUBIC = 1.5957691216057308, 0.07135481627159874


@dataclass(frozen=True)
class Products:
    """Which products of matrices a model answers with.

    Attributes:
        kind: ``exact`` float32; ``bf16`` or ``fp16`` computes in that format; ``weights16`` stores weights in 16 bits
            and computes in float32; ``int8`` rounds both sides to 8 bits.
        compiles: whether the part of the layer without attention is compiled.
    """

    kind: Kind = "exact"
    compiles: bool = False


def choose_products(
    device: torch.device, precision: str = "fp32", *, int8: bool = False, compiles: bool = False
) -> Products:
    """Settle on the products for what was asked.

    Args:
        device: where the model is.
        precision: fp32, bf16 or fp16, which this device has.
        int8: round to 8 bits.
        compiles: compile the shared layer.

    Raises:
        UsageError: things that do not go together, or that this machine cannot do.
    """
    if not int8:
        return Products(_kind(device, precision), compiles)
    if device.type != "cpu":
        raise UsageError(
            f"--int8 computes on the processor, not on {device}", hint="add --device cpu, or leave --int8 out"
        )
    if precision != "fp32":
        raise UsageError(f"--int8 and --precision {precision} exclude each other", hint="leave one of them out")
    if compiles:
        raise UsageError("--int8 and --compile exclude each other", hint="leave one of them out")
    if not int8_runs():
        raise UsageError("this torch has no product in 8 bits for this processor", hint="leave --int8 out")
    return Products("int8")


def _kind(device: torch.device, precision: str) -> Kind:
    if precision == "bf16":
        if device.type == "cpu" and not has_bfloat16() and weights16_run():
            return "weights16"
        return "bf16"
    return "fp16" if precision == "fp16" else "exact"


def describe(products: Products, device: torch.device) -> str:
    """What computes, in one line for people."""
    compiled = ", the shared layer compiled" if products.compiles else ""
    if device.type != "cpu":
        return f"products: {products.kind.replace('exact', 'fp32')} on {device}{compiled}"
    if products.kind == "exact":
        choice = choose_backend()
        few = rows_for_arranged(0)
        if choice.backend == "onednn" and few:
            how = "oneDNN with weights arranged once"
        else:
            how = f"torch's own{f', oneDNN with arranged weights up to {few} tokens' if few else ''}"
        return f"products: fp32, exact, {how} ({choice.reason}){compiled}"
    names = {
        "bf16": "bfloat16, weights rounded once",
        "fp16": "float16, weights rounded once",
        "weights16": "fp32 with weights of 16 bits, as this processor has no instructions for bf16",
        "int8": "8 bits, the shared layer's weights rounded once",
    }
    return f"products: {names[products.kind]}{compiled}"


def prepare(model: Model, products: Products) -> Model:
    """Put the chosen products into a model, in place.

    Args:
        model: any head, on its device, in evaluation mode; parameters in float32 unless ``products`` is exact.
        products: what `choose_products` gave.

    Returns:
        The same model.
    """
    make = _maker(products)
    quick = model.config.hidden_act == "gelu_new"
    done: dict[int, nn.Module] = {}
    with torch.no_grad():
        for part in list(model.modules()):
            if isinstance(part, AlbertEncoder) and products.kind in ("exact", "weights16"):
                part.embedding_hidden_mapping_in = _replaced(part.embedding_hidden_mapping_in, make, done)  # type: ignore[assignment]
            if isinstance(part, AlbertLayer):
                _prepare_layer(part, make, done)
                if quick:
                    part.act = gelu_by_sigmoid
    if products.compiles:
        model.compile_layers()
    return model


def _maker(products: Products) -> _MakeMap:
    arranges = not products.compiles
    if products.kind == "exact":
        return lambda weight, bias: ExactMap(weight, bias, arranges=arranges)
    if products.kind == "weights16":
        return Weights16Map
    if products.kind == "int8":
        return Int8Map
    dtype = torch.bfloat16 if products.kind == "bf16" else torch.float16
    return lambda weight, bias: LowMap(weight, bias, dtype=dtype, arranges=arranges)


def _prepare_layer(layer: AlbertLayer, make: _MakeMap, done: dict[int, nn.Module]) -> None:
    """Replace the maps of a layer. Layers may share blocks, so each block is made once."""
    attention = layer.attention
    if attention.joined is None:
        maps = (attention.query, attention.key, attention.value)
        attention.joined = make(torch.cat([part.weight for part in maps]), torch.cat([part.bias for part in maps]))
        attention.dense = _replaced(attention.dense, make, done)  # type: ignore[assignment]
        for part in maps:  # nobody asks them any more
            part.weight, part.bias = (
                nn.Parameter(value[:0], requires_grad=False) for value in (part.weight, part.bias)
            )
    layer.ffn = _replaced(layer.ffn, make, done)  # type: ignore[assignment]
    layer.ffn_output = _replaced(layer.ffn_output, make, done)  # type: ignore[assignment]


def _nothing(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values[:0].clone(), requires_grad=False)


def _replaced(old: nn.Module, make: _MakeMap, done: dict[int, nn.Module]) -> nn.Module:
    if not isinstance(old, nn.Linear):
        return old
    if id(old) not in done:
        done[id(old)] = make(old.weight, old.bias)
    return done[id(old)]


def gelu_by_sigmoid(values: Tensor) -> Tensor:
    """GELU in its tanh form, in place; on processors in half the time of torch's, within 1e-6 of it.

    Args:
        values: (..., I) float, which nobody else needs.

    Returns:
        The same tensor, or of a GPU or another type a new one.
    """
    if values.dtype != torch.float32 or values.device.type != "cpu":
        return nn.functional.gelu(values, approximate="tanh")
    for part in torch.split(values.view(-1, values.shape[-1]), _GELU_ROWS):
        inner = part * part
        part.mul_(inner.mul_(_GELU_CUBIC).add_(_GELU_LINEAR).mul_(part).sigmoid_())
    return values
