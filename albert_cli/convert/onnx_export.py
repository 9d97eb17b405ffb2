"""How does a model become an ONNX file, with any batch and length, and its shared weights there once?"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from albert_cli.convert import onnx_int8
from albert_cli.convert.config_json import write_config
from albert_cli.convert.content import Content
from albert_cli.errors import UsageError
from albert_cli.models.heads import MODEL_CLASSES
from albert_cli.models.pretrained import model_from_state

FILE = "model.onnx"
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_OPSET = 18
_MOST_BATCH = 4096


class _ByPosition(nn.Module):
    """A model with its inputs by position and its outputs as a tuple.

    Args:
        model: any head.
        fields: outputs to give, in order.
    """

    def __init__(self, model: nn.Module, fields: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.fields = fields

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> tuple[Tensor, ...]:
        """(B, L) int64 each, (B, C, L) for choices, to the outputs."""
        output = self.model(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids, return_dict=True
        )
        return tuple(output[name] for name in self.fields)


def write(content: Content, directory: Path, *, example: dict[str, Tensor], int8: bool) -> None:
    """Write ``model.onnx`` and ``config.json`` into an existing, empty directory.

    Args:
        content: the model.
        directory: where.
        example: the three inputs, each with at least two examples of at least two tokens.
        int8: store the weights of linear maps in 8 bits; inputs of maps are rounded as they come.

    Raises:
        UsageError: the extra ``onnx`` is not installed.
    """
    _require("onnx", "onnxscript", "onnxruntime")
    config = content.config.changed(chunk_size_feed_forward=0)  # the same numbers; pieces would fix the length
    model, _ = model_from_state(MODEL_CLASSES[content.head], config, content.state, place=directory)
    model.set_attention("plain")
    with torch.inference_mode():
        fields = tuple(name for name, value in model(**example, return_dict=True).items() if isinstance(value, Tensor))
    batch, length = torch.export.Dim("batch", max=_MOST_BATCH), _length(content)
    choices = torch.export.Dim("choices", max=_MOST_BATCH)
    shape: dict[int, Any] = {0: batch, 1: length}
    if example["input_ids"].dim() == 3:
        shape = {0: batch, 1: choices, 2: length}
    with _quiet():
        program = torch.onnx.export(
            _ByPosition(model, fields),
            tuple(example[name] for name in INPUTS),
            dynamic_shapes=(shape,) * len(INPUTS),
            input_names=list(INPUTS),
            output_names=list(fields),
            dynamo=True,
            opset_version=_OPSET,
            verbose=False,
        )
        assert program is not None
        _save(program.model_proto, directory / FILE)
    if int8:
        with _quiet():
            onnx_int8.quantise(directory / FILE, table_shape=(content.config.vocab_size, content.config.embedding_size))
    write_config(content, directory)


def _length(content: Content) -> Any:
    return torch.export.Dim("length", max=content.config.max_position_embeddings)


def weights(directory: Path) -> dict[str, Tensor]:
    """Weights of an exported model under our names, as far as the exporter kept the names."""
    import onnx

    prefix = "model."
    return {
        item.name.removeprefix(prefix): torch.from_numpy(np.array(onnx.numpy_helper.to_array(item)))
        for item in onnx.load(directory / FILE).graph.initializer
        if item.name.startswith(prefix)
    }


def run(directory: Path, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Outputs of an exported model, by name."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(directory / FILE), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    wanted = {item.name for item in session.get_inputs()}
    found = session.run(None, {name: value.numpy() for name, value in inputs.items() if name in wanted})
    return {name: torch.from_numpy(np.asarray(value)) for name, value in zip(names, found, strict=True)}


def _save(model: Any, path: Path) -> None:
    """Write a model without the exporter's notes: they name files of this machine and outweigh the graph."""
    import onnx

    for part in (model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.value_info,
                 *model.graph.input, *model.graph.output):  # fmt: skip
        del part.metadata_props[:]
    onnx.save(model, path)


def _require(*packages: str) -> None:
    from importlib.util import find_spec

    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise UsageError(f"--to onnx needs {', '.join(missing)}", hint="pip install 'albert-cli[onnx]'")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells of every pass and of packages that nobody asked for."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
