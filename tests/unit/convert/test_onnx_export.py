"""Models as ONNX files: any batch and length, the shared layer once, the outputs of the model, in 8 bits a quarter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from albert_cli.convert import onnx_export, onnx_int8
from albert_cli.models.heads import MODEL_CLASSES
from albert_cli.recipe.requests import ConvertRequest
from albert_cli.stages.convert import convert


def exported(source: Path, target: Path, **more: Any) -> Any:
    return convert(ConvertRequest(source=str(source), target=str(target), to="onnx", quiet=True, **more))


def batches(head: str) -> list[dict[str, Tensor]]:
    """Batches of other sizes than the one that the export saw."""
    draw = torch.Generator().manual_seed(1)
    found = []
    for batch, length in ((1, 7), (3, 17)):
        ids = torch.randint(
            5, 90, (batch, 4, length) if head == "AlbertForMultipleChoice" else (batch, length), generator=draw
        )
        mask = torch.ones_like(ids)
        mask[0, ..., 5:] = 0  # as many are left as the beam is wide
        types = torch.zeros_like(ids)
        types[..., 2:] = 1
        found.append({"input_ids": ids, "attention_mask": mask, "token_type_ids": types})
    return found


def error(head: str, folder: Path, wanted: list[Any]) -> float:
    """Largest difference of a file's outputs from the model's."""
    largest = 0.0
    for inputs, expected in zip(batches(head), wanted, strict=True):
        for name, value in onnx_export.run(folder, inputs).items():
            # Places that the padding rules out are equally unlikely: their order means nothing.
            likely = expected.get(name.replace("_index", "_log_probs"), torch.zeros(()))
            largest = max(largest, float(((value - expected[name]).abs() * (likely > -1e20)).max()))
    return largest


def bytes_of(model: onnx.ModelProto) -> int:
    """Bytes of the constants of a file."""
    return sum(len(item.raw_data) for item in model.graph.initializer)


@pytest.mark.parametrize("head", MODEL_CLASSES)
def test_every_head_in_32_and_in_8_bits(tiny_model: Callable[..., Path], tmp_path: Path, head: str) -> None:
    depths = 3 if head == "AlbertForMaskedLM" else 1  # three share one layer
    pieces = {"chunk_size_feed_forward": 3} if head == "AlbertForPreTraining" else {}
    source = tiny_model(head, num_hidden_layers=depths, initializer_range=0.05, **pieces)
    folder = tmp_path / "onnx"
    assert exported(source, folder).largest_difference < 1e-4
    model = MODEL_CLASSES[head].from_pretrained(source)
    with torch.inference_mode():
        wanted = [model(**inputs) for inputs in batches(head)]
    assert error(head, folder, wanted) < 1e-4

    assert b".py" not in (folder / onnx_export.FILE).read_bytes()  # the exporter notes the places of our source
    plain = onnx.load(folder / onnx_export.FILE)
    assert plain.opset_import[0].version == 18
    session = onnxruntime.InferenceSession(plain.SerializeToString(), providers=["CPUExecutionProvider"])
    axes = ["batch", "choices", "length"] if head == "AlbertForMultipleChoice" else ["batch", "length"]
    assert [item.shape for item in session.get_inputs()] == [axes] * 3
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert bytes_of(plain) < 4 * parameters + 1000  # every weight once, and a few constants of the graph

    onnx_int8.quantise(folder / onnx_export.FILE, table_shape=(model.config.vocab_size, model.config.embedding_size))
    small = onnx.load(folder / onnx_export.FILE)
    assert bytes_of(small) < 0.4 * bytes_of(plain)  # positions, biases and norms stay, much of so small a model
    if head != "AlbertForQuestionAnsweringBeam":  # its beam may prefer another place
        spread = max(float(value.std()) for value in wanted[1].to_tuple())
        assert 0 < error(head, folder, wanted) < 0.2 * spread


def test_an_untied_decoder_has_a_table_of_its_own(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    source = tiny_model("AlbertForMaskedLM", tie_word_embeddings=False, num_hidden_layers=1)
    report = exported(source, tmp_path / "small", int8=True)
    assert any("8 bits" in note for note in report.notes)
    assert [path.name for path in (tmp_path / "small").glob("*.onnx")] == ["model.onnx"]
    constants = onnx.load(tmp_path / "small" / "model.onnx").graph.initializer
    shapes = [sorted(item.dims) for item in constants if item.data_type == onnx.TensorProto.INT8]
    vocab_size = MODEL_CLASSES["AlbertForMaskedLM"].from_pretrained(source).config.vocab_size
    assert shapes.count(sorted([vocab_size, 128])) == 2


def test_products_of_eight_bits_do_not_overflow_in_pairs(tmp_path: Path) -> None:
    """Largest inputs on largest weights of one sign: a processor that adds pairs in 16 bits would cut them off."""
    rows, width = 300, 64
    table = np.ones((rows, width), dtype=np.float32)
    ids, values = np.zeros((1, 2), dtype=np.int64), np.ones((1, 2, width), dtype=np.float32)
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Gather", ["table", "ids"], ["taken"]),
            onnx.helper.make_node("Add", ["taken", "values"], ["sum"]),
            onnx.helper.make_node("Transpose", ["table"], ["turned"], perm=[1, 0]),
            onnx.helper.make_node("MatMul", ["sum", "turned"], ["logits"]),
        ],
        "table",
        [
            onnx.helper.make_tensor_value_info("ids", onnx.TensorProto.INT64, [1, 2]),
            onnx.helper.make_tensor_value_info("values", onnx.TensorProto.FLOAT, [1, 2, width]),
        ],
        [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, [1, 2, rows])],
        [onnx.numpy_helper.from_array(table, "table")],
    )
    path = tmp_path / "table.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10), path)
    onnx_int8.quantise(path, table_shape=(rows, width))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"ids": ids, "values": values})
    np.testing.assert_allclose(logits, 2 * width, rtol=0.01)
