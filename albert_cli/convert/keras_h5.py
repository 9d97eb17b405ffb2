"""transformers' TensorFlow checkpoints (``tf_model.h5``): what is in them, and how is one written?

A file is one group per Keras layer, with the layers' names as an attribute of the root and the weights' names as an
attribute of each group. A weight's path is ``layer/scope/path:0``; the scope names the class the writer had and is
passed over when reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np
import torch

from albert_cli.convert.config_json import read_config, write_config
from albert_cli.convert.content import Content, LeftOut, arrays_for, tensor_of
from albert_cli.convert.names import TF2
from albert_cli.errors import ModelError
from albert_cli.files.text import safe_line

FILE = "tf_model.h5"
_MOST_DEPTH, _MOST_ITEMS = 32, 10_000
_UNUSED_BIAS = "predictions/bias"
# Theirs and ours differ in the prefix alone; the scope is what Keras makes of the class's name.
_SCOPES = {
    "AlbertModel": "tf_albert_model",
    "AlbertForPreTraining": "tf_albert_for_pre_training",
    "AlbertForMaskedLM": "tf_albert_for_masked_lm",
    "AlbertForSequenceClassification": "tf_albert_for_sequence_classification",
    "AlbertForMultipleChoice": "tf_albert_for_multiple_choice",
    "AlbertForTokenClassification": "tf_albert_for_token_classification",
    "AlbertForQuestionAnswering": "tf_albert_for_question_answering",
}
# The masked-LM head holds the embedding layer, whose weights Keras stores there once more.
_SHARED_WITH_HEAD = (
    "albert/embeddings/word_embeddings/weight",
    "albert/embeddings/token_type_embeddings/embeddings",
    "albert/embeddings/position_embeddings/embeddings",
    "albert/embeddings/LayerNorm/gamma",
    "albert/embeddings/LayerNorm/beta",
)


def read(directory: Path, *, head: str | None = None) -> Content:
    """Read ``tf_model.h5`` with its ``config.json``.

    Args:
        directory: holds both.
        head: name of the model class where ``config.json`` does not say it; None decides from the weights.

    Raises:
        ModelError: a damaged file, or weights that are no ALBERT's.
    """
    path = directory / FILE
    content = Content("AlbertModel", read_config(directory), {})
    try:
        with h5py.File(path, "r") as file:
            for place, dataset in _datasets(file, path):
                _take(content, place, dataset)
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise ModelError(
            f"{safe_line(str(path))} is damaged or no HDF5 file: {safe_line(str(error), limit=160)}",
            hint="fetch the model again",
        ) from None
    return content


def _datasets(file: h5py.File, path: Path) -> Iterator[tuple[str, h5py.Dataset]]:
    """Every data set with its path below layer and scope; links out of the file are refused."""
    visited = 0
    for layer in file:
        stack = [(layer, file.get(layer, getlink=True), file[layer] if _is_hard(file, layer) else None)]
        while stack:
            place, _, item = stack.pop()
            visited += 1
            if visited > _MOST_ITEMS or place.count("/") > _MOST_DEPTH:  # a group may hold itself
                raise ModelError(f"{safe_line(str(path))} has groups without end", hint="fetch the model again")
            if isinstance(item, h5py.Group):
                stack += [
                    (f"{place}/{name}", None, item[name] if _is_hard(item, name) else None) for name in sorted(item)
                ]
            elif isinstance(item, h5py.Dataset):
                yield "/".join(place.split("/")[2:]).removesuffix(":0"), item
            else:
                raise ModelError(
                    f"{safe_line(str(path))} links to another place at {safe_line(place)}", hint="fetch the model again"
                )


def _is_hard(group: h5py.Group, name: str) -> bool:
    return isinstance(group.get(name, getlink=True), h5py.HardLink)


def _take(content: Content, place: str, dataset: h5py.Dataset) -> None:
    if place == _UNUSED_BIAS:
        content.left_out.append(LeftOut(place, "unused: their forward pass adds predictions/decoder/bias"))
        return
    found = TF2.to_ours(place)
    if found is None:
        raise ModelError(f"no place for weight {safe_line(place, limit=120)}", hint="is it a TFAlbert checkpoint?")
    ours, transposed = found
    if dataset.dtype.kind != "f" or dataset.nbytes > dataset.id.get_storage_size():
        raise ModelError(f"weight {safe_line(place, limit=120)} is damaged or packed", hint="fetch the model again")
    tensor = tensor_of(dataset[()], transposed=transposed)
    if ours in content.state and not torch.equal(content.state[ours], tensor):
        raise ModelError(f"{safe_line(place)} is there twice with different numbers", hint="save the model again")
    content.state[ours] = tensor
    content.sources[ours] = place


def write(content: Content, directory: Path) -> list[LeftOut]:
    """Write ``tf_model.h5`` and ``config.json`` into an existing, empty directory.

    Returns:
        Nothing is left out.

    Raises:
        ModelError: the format has no place for a weight.
    """
    scope = _SCOPES.get(content.head)
    if scope is None:
        raise ModelError(f"transformers has no TensorFlow class for {content.head}", hint="choose hf, hf-bin or tf1")
    arrays = arrays_for(content.state, TF2, format_="tf2")
    if "predictions/decoder/bias" in arrays:
        arrays[_UNUSED_BIAS] = arrays["predictions/decoder/bias"]
    with h5py.File(directory / FILE, "w") as file:
        _write_layers(file, scope, arrays)
    write_config(content, directory)
    return []


def _write_layers(file: h5py.File, scope: str, arrays: Mapping[str, Callable[[], np.ndarray]]) -> None:
    layers: dict[str, list[str]] = {}
    for path in arrays:
        layers.setdefault(path.split("/")[0], []).append(path)
    if "predictions" in layers:
        layers["predictions"] += _SHARED_WITH_HEAD
    file.attrs["layer_names"] = np.array([name.encode() for name in layers])
    file.attrs["backend"] = "tensorflow"
    file.attrs["keras_version"] = "2.18.0"  # readers parse it; the layout is that of Keras 2
    for layer, paths in layers.items():
        group = file.create_group(layer)
        names = [f"{scope}/{path}:0" for path in paths]
        group.attrs["weight_names"] = np.array([name.encode() for name in names])
        for name, path in zip(names, paths, strict=True):
            group.create_dataset(name, data=arrays[path]())
    file.create_group("top_level_model_weights").attrs["weight_names"] = np.array([], dtype="float64")
