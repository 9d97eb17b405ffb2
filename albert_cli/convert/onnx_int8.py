"""How do the weights of an exported model become bytes?

Linear maps go to ONNX Runtime's own quantiser, a scale for each output. It needs each weight as one constant that lies
the way the product reads it, so the joined map of queries, keys and values and the turned weights are computed first.
The word table is ours to do: embedding and decoder read the same one, which must stay one.

Shapes: V pieces, E embedding, "..." whatever the batch has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

# Weights with fewer numbers than this stay as they are: the last map of a classifier is tiny and decides most.
_SMALLEST = 8192
# 7 bits: a processor without instructions for such products adds pairs of them in 16 bits, and pairs of full range do
# not fit (measured on AVX2: four times the error).
_LARGEST = 63


def quantise(path: Path, *, table_shape: tuple[int, int]) -> None:
    """Turn the weights of a model file into 8-bit numbers, in place.

    Args:
        path: the file.
        table_shape: (V, E) of the word table.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(path)
    del model.graph.value_info[:]  # the quantiser takes the exporter's notes on shapes for contradictions
    table = _word_table(model.graph, table_shape)
    _compute_weights(model.graph, but=table)
    if table is not None:
        _quantise_table(model.graph, table)
    plain = path.with_name("plain.onnx")
    onnx.save(model, plain)
    quantize_dynamic(
        plain,
        path,
        op_types_to_quantize=["MatMul", "Gemm"],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=_small_maps(model.graph),
    )
    plain.unlink()


def _word_table(graph: Any, shape: tuple[int, int]) -> str | None:
    """Name of the constant of that shape that rows are taken from."""
    constants = {item.name: tuple(item.dims) for item in graph.initializer}
    return next((one.input[0] for one in _nodes(graph, "Gather") if constants.get(one.input[0]) == shape), None)


def _compute_weights(graph: Any, *, but: str | None) -> None:
    """Do the joining and turning of constants now; those that nothing reads any more go."""
    from onnx import numpy_helper

    constants = {item.name: item for item in graph.initializer}
    for node in list(graph.node):
        if node.op_type not in ("Concat", "Transpose") or but in node.input:
            continue
        if any(name not in constants for name in node.input):
            continue
        parts = [numpy_helper.to_array(constants[name]) for name in node.input]
        named = {item.name: item for item in node.attribute}
        made = (
            np.concatenate(parts, axis=named["axis"].i)
            if node.op_type == "Concat"
            else np.transpose(parts[0], list(named["perm"].ints) if "perm" in named else None)
        )
        constants[node.output[0]] = numpy_helper.from_array(np.ascontiguousarray(made), node.output[0])
        graph.node.remove(node)
    read = Counter(name for node in graph.node for name in node.input)
    kept = [item for name, item in constants.items() if read[name]]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _quantise_table(graph: Any, name: str) -> None:
    """Give each row of the word table its scale, for those who take rows and for those who multiply by the table."""
    from onnx import numpy_helper

    place = next(place for place, item in enumerate(graph.initializer) if item.name == name)
    table = numpy_helper.to_array(graph.initializer[place])  # (V, E)
    scales = np.maximum(np.abs(table).max(axis=1), np.float32(1e-12)) / _LARGEST  # (V,)
    codes = np.rint(table / scales[:, None]).astype(np.int8)
    del graph.initializer[place]
    graph.initializer.extend(
        [
            numpy_helper.from_array(codes, name),
            numpy_helper.from_array(scales.astype(np.float32), f"{name}_scales"),
            numpy_helper.from_array(np.array([-1], dtype=np.int64), f"{name}_last_axis"),
        ]
    )
    turned = {node.output[0] for node in _nodes(graph, "Transpose") if node.input[0] == name}
    nodes: list[Any] = []
    for node in graph.node:
        if node.op_type == "Gather" and node.input[0] == name:
            nodes.extend(_rows(name, ids=node.input[1], output=node.output[0]))
        elif node.op_type == "MatMul" and node.input[1] in turned:
            nodes.extend(_product(name, node.input[1], values=node.input[0], output=node.output[0]))
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def _rows(table: str, *, ids: str, output: str) -> Iterator[Any]:
    """Rows of the table times their scales: ids (...) to (..., E)."""
    from onnx import TensorProto, helper

    yield helper.make_node("Gather", [table, ids], [f"{output}_codes"])
    yield helper.make_node("Cast", [f"{output}_codes"], [f"{output}_numbers"], to=TensorProto.FLOAT)
    yield helper.make_node("Gather", [f"{table}_scales", ids], [f"{output}_scale"])
    yield helper.make_node("Unsqueeze", [f"{output}_scale", f"{table}_last_axis"], [f"{output}_scale_column"])
    yield helper.make_node("Mul", [f"{output}_numbers", f"{output}_scale_column"], [output])


def _product(table: str, turned: str, *, values: str, output: str) -> Iterator[Any]:
    """Values (..., E), rounded as they come, times the turned table (E, V): (..., V)."""
    from onnx import TensorProto, helper

    rounded = [f"{output}_{part}" for part in ("codes", "scale", "zero")]
    yield helper.make_node("DynamicQuantizeLinear", [values], rounded)
    yield helper.make_node("MatMulInteger", [rounded[0], turned, rounded[2]], [f"{output}_sums"])
    yield helper.make_node("Cast", [f"{output}_sums"], [f"{output}_numbers"], to=TensorProto.FLOAT)
    yield helper.make_node("Mul", [rounded[1], f"{table}_scales"], [f"{output}_scales"])
    yield helper.make_node("Mul", [f"{output}_numbers", f"{output}_scales"], [output])


def _small_maps(graph: Any) -> list[str]:
    """Names of the nodes whose weights are few."""
    constants = {item.name: int(np.prod(item.dims)) for item in graph.initializer}
    return [
        node.name for node in _nodes(graph, "MatMul", "Gemm") if constants.get(node.input[1], _SMALLEST) < _SMALLEST
    ]


def _nodes(graph: Any, *kinds: str) -> Iterator[Any]:
    return (node for node in graph.node if node.op_type in kinds)
