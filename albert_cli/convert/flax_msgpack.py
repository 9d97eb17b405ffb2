"""transformers' Flax checkpoints (``flax_model.msgpack``): what is in them, and how is one written?

A file is nested maps with arrays as leaves. An array is an extension of type 1: shape, type and bytes, packed again;
large ones are cut into parts under a marker key.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import msgpack
import numpy as np

from albert_cli.convert.config_json import read_config, write_config
from albert_cli.convert.content import Content, LeftOut, arrays_for, tensor_of
from albert_cli.convert.names import FLAX
from albert_cli.errors import ModelError
from albert_cli.files.text import safe_line

FILE = "flax_model.msgpack"
_ARRAY = 1
_PARTS = "__msgpack_chunked_array__"
_CLASSES = (
    "AlbertModel",
    "AlbertForPreTraining",
    "AlbertForMaskedLM",
    "AlbertForSequenceClassification",
    "AlbertForMultipleChoice",
    "AlbertForTokenClassification",
    "AlbertForQuestionAnswering",
)
_BARE = "albert/"
_MOST_DEPTH = 32
# flax cuts arrays of more bytes than this, because msgpack's own limit is 4 GiB.
_MOST_PART_BYTES = 2**30


def read(directory: Path, *, head: str | None = None) -> Content:
    """Read ``flax_model.msgpack`` with its ``config.json``.

    Args:
        directory: holds both.
        head: name of the model class where ``config.json`` does not say it; None decides from the weights.

    Raises:
        ModelError: a damaged file, or weights that are no ALBERT's.
    """
    path = directory / FILE
    config = read_config(directory)
    size = path.stat().st_size
    try:
        tree = msgpack.unpackb(
            path.read_bytes(),
            raw=False,
            ext_hook=_array,
            max_bin_len=size,
            max_ext_len=size,
            max_str_len=1024,
            max_map_len=100_000,
        )
        content = Content("AlbertModel", config, {})
        # The bare model's weights stand at the top.
        top = "" if isinstance(tree, dict) and "albert" in tree else _BARE
        for place, array in _leaves(tree, ""):
            _take(content, top, place, array)
    except (msgpack.exceptions.UnpackException, ValueError, TypeError, KeyError, RecursionError, OSError) as error:
        raise ModelError(
            f"{safe_line(str(path))} is damaged or no msgpack file: {safe_line(str(error), limit=160)}",
            hint="fetch the model again",
        ) from None
    return content


def _leaves(tree: Any, place: str, depth: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    if not isinstance(tree, dict) or depth > _MOST_DEPTH:
        raise ValueError(f"no map of weights at {place or 'the top'}")
    for name in list(tree):
        value = tree.pop(name)  # so that an array is freed once it is taken
        path = f"{place}/{name}" if place else str(name)
        if isinstance(value, np.ndarray):
            yield path, value
        elif isinstance(value, dict) and _PARTS in value:
            yield path, _joined(value)
        else:
            yield from _leaves(value, path, depth + 1)


def _array(code: int, packed: bytes) -> np.ndarray:
    if code != _ARRAY:
        raise ValueError(f"an extension of type {code}")
    shape, kind, data = msgpack.unpackb(packed, raw=False, max_bin_len=len(packed))
    if kind == "bfloat16":
        halves = np.frombuffer(data, dtype="<u2").astype(np.uint32) << 16
        return halves.view(np.float32).reshape(shape)
    if kind not in ("float32", "float16", "float64"):
        raise ValueError(f"numbers of type {kind}")
    return np.frombuffer(data, dtype=kind).reshape(shape)


def _joined(value: dict[str, Any]) -> np.ndarray:
    """An array that was cut: parts of the flat array, numbered from 0."""
    shape = [value["shape"][str(axis)] for axis in range(len(value["shape"]))]
    parts = [value["chunks"][str(number)] for number in range(len(value["chunks"]))]
    return np.concatenate(parts).reshape(shape)


def _take(content: Content, top: str, place: str, array: np.ndarray) -> None:
    found = FLAX.to_ours(top + place)
    if found is None:
        raise ModelError(f"no place for weight {safe_line(place, limit=120)}", hint="is it a FlaxAlbert checkpoint?")
    ours, transposed = found
    content.state[ours] = tensor_of(array, transposed=transposed)
    content.sources[ours] = place


def write(content: Content, directory: Path) -> list[LeftOut]:
    """Write ``flax_model.msgpack`` and ``config.json`` into an existing, empty directory.

    Returns:
        Nothing is left out.

    Raises:
        ModelError: the format has no place for a weight.
    """
    if content.head not in _CLASSES:
        raise ModelError(f"transformers has no Flax class for {content.head}", hint="choose hf, hf-bin or tf1")
    bare = content.head == "AlbertModel"
    tree: dict[str, Any] = {}
    for name, make in arrays_for(content.state, FLAX, format_="flax").items():
        *path, last = name.removeprefix(_BARE if bare else "").split("/")
        inner = tree
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = make
    with (directory / FILE).open("wb") as file:
        _write(file, tree)
    write_config(content, directory)
    return []


def _write(file: BinaryIO, tree: Any) -> None:
    """Write a map, its arrays one at a time."""
    if callable(tree):
        msgpack.pack(_packed(tree()), file)
        return
    file.write(msgpack.Packer().pack_map_header(len(tree)))
    for name, value in tree.items():
        msgpack.pack(name, file)
        _write(file, value)


def _packed(array: np.ndarray) -> Any:
    if array.nbytes <= _MOST_PART_BYTES:
        return msgpack.ExtType(_ARRAY, msgpack.packb((array.shape, array.dtype.name, array.tobytes())))
    flat = array.reshape(-1)
    step = _MOST_PART_BYTES // array.itemsize
    parts = [_packed(flat[start : start + step]) for start in range(0, prod(array.shape), step)]
    return {
        _PARTS: True,
        "shape": {str(axis): size for axis, size in enumerate(array.shape)},
        "chunks": {str(number): part for number, part in enumerate(parts)},
    }
