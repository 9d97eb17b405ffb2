"""Readers of checkpoints: sound files of every format, and broken ones behind right checksums."""

from __future__ import annotations

import io
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path

import torch
from mutate import mutate
from safetensors.torch import load_file
from target import Target

SIZES = {
    "vocab_size": 140,
    "embedding_size": 4,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "max_position_embeddings": 8,
}


def checkpoint_targets(model: Path, folder: Path) -> list[Target]:
    """All of them.

    Args:
        model: a small model in the ``hf`` layout.
        folder: where it is converted.
    """
    from albert_cli.convert import flax_msgpack, keras_h5
    from albert_cli.convert.formats import FORMATS, read_checkpoint
    from albert_cli.models.config import AlbertConfig
    from albert_cli.models.weights import read_weights

    content = read_checkpoint(model, "hf")
    files: dict[str, Path] = {}
    for name in ("tf1", "tf2", "flax"):
        files[name] = folder / f"as_{name}"
        files[name].mkdir()
        FORMATS[name].write(content, files[name])
    config = (model / "config.json").read_bytes()
    beside = {"config.json": config}
    weights = (model / "model.safetensors").read_bytes()
    index = b'{"metadata": {}, "weight_map": {"a": "one.safetensors", "b": "one.safetensors"}}'
    h5, flax = (files["tf2"] / keras_h5.FILE).read_bytes(), (files["flax"] / flax_msgpack.FILE).read_bytes()
    return [
        Target("config", "config.json", [config], _in_folder(AlbertConfig.from_pretrained)),
        Target("safetensors", "model.safetensors", [weights], _in_folder(read_weights), change=_safetensors),
        Target(
            "shard_index",
            "model.safetensors.index.json",
            [index],
            _in_folder(read_weights),
            beside={"one.safetensors": weights},
        ),
        Target("torch_bin", "pytorch_model.bin", _bins(model), _in_folder(read_weights), [b"cbuiltins\nexec\n", b"R."]),
        Target("h5", keras_h5.FILE, [h5], _in_folder(keras_h5.read), beside=beside),
        Target("flax", flax_msgpack.FILE, [flax], _in_folder(flax_msgpack.read), beside=beside, change=_flax),
        *_bundles(files["tf1"]),
    ]


def _in_folder(read: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda path: read(path.parent)


def _bins(model: Path) -> list[bytes]:
    state = load_file(model / "model.safetensors")
    state = {name: state[name] for name in sorted(state)[:4]}
    state["half"] = torch.ones(3, 2, dtype=torch.float16).t()
    found = []
    for is_zip in (True, False):
        out = io.BytesIO()
        torch.save(state, out, _use_new_zipfile_serialization=is_zip)
        found.append(out.getvalue())
    return found


def _safetensors(draw: random.Random, seeds: list[bytes]) -> bytes:
    """Half of the time a changed header of the right length."""
    if draw.random() < 0.5:
        return mutate(draw, seeds)
    size = struct.unpack_from("<Q", seeds[0])[0]
    header = mutate(draw, [seeds[0][8 : 8 + size]])
    return struct.pack("<Q", len(header)) + header + seeds[0][8 + size :]


def _flax(draw: random.Random, seeds: list[bytes]) -> bytes:
    """Mostly changes of the first kilobyte, where names and shapes stand."""
    if draw.random() < 0.3:
        return mutate(draw, seeds)
    return mutate(draw, [seeds[0][:1000]]) + seeds[0][1000:]


def _bundles(folder: Path) -> list[Target]:
    """Index and data of a TensorFlow checkpoint; half of the broken indexes have right checksums."""
    from albert_cli.convert.sorted_table import read_table, write_table
    from albert_cli.convert.tf1 import read
    from albert_cli.convert.tf1_checkpoint import Checkpoint

    names = {path.name: path.read_bytes() for path in folder.iterdir()}
    index = next(name for name in names if name.endswith(".index"))
    data = next(name for name in names if ".data-" in name)

    def variables(path: Path) -> None:
        checkpoint = Checkpoint(path.parent / index)
        for name in checkpoint.variables:
            checkpoint.read(name)

    def change(draw: random.Random, seeds: list[bytes]) -> bytes:
        if draw.random() < 0.3:
            return mutate(draw, seeds)
        entries = read_table(seeds[0])
        for key in draw.sample(sorted(entries), draw.choice((1, 1, 2))):
            value = entries.pop(key)
            if draw.random() < 0.2:
                key = mutate(draw, [key])[:300]
            entries[key] = mutate(draw, [value])[:3000] if draw.random() < 0.9 else value
        return write_table(entries)

    config = json.dumps({"a": 1}).encode()
    settings = names.get("albert_config.json", config)
    rest = {name: content for name, content in names.items() if name not in (index, data)}
    return [
        Target("tf_index", index, [names[index]], variables, change=change, beside={**rest, data: names[data]}),
        Target("tf_data", data, [names[data]], variables, beside={**rest, index: names[index]}),
        Target("tf_config", "albert_config.json", [settings], _in_folder(read), beside={**names}),
    ]
