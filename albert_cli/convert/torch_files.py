"""The ``hf`` and ``hf-bin`` layouts: how are they read and written as they are, in the type that the file has?"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from albert_cli.convert import foreign_safetensors
from albert_cli.convert.config_json import read_config, write_config
from albert_cli.convert.content import Content, LeftOut
from albert_cli.convert.layouts import refuse_other_layouts
from albert_cli.models.weights import BIN, SAFETENSORS, read_weights

_PREFIX = "albert."
_BACKBONE = ("embeddings.", "encoder.", "pooler.")
_COUNTED_ANEW = ("position_ids", "embeddings.token_type_ids")
_TIED = {
    "predictions.decoder.weight": "albert.embeddings.word_embeddings.weight",
    "predictions.decoder.bias": "predictions.bias",
}


def read(directory: Path, *, head: str | None = None) -> Content:
    """Read safetensors or PyTorch files, sharded or not, with their ``config.json``.

    Args:
        directory: holds them.
        head: not needed; ``config.json`` says it.

    Raises:
        ModelError: files that are missing or damaged, or a pickle that holds more than tensors.
    """
    single = directory / SAFETENSORS
    if single.is_file() and (framework := foreign_safetensors.framework_of(single)) != "pt":
        return foreign_safetensors.read(directory, single, framework)
    content = Content("AlbertModel", read_config(directory), {})
    state = read_weights(directory)
    if not any("albert_layer_groups" in name for name in state):
        refuse_other_layouts(state, place=directory)
    for name in sorted(state):
        if name.endswith(_COUNTED_ANEW):
            content.left_out.append(LeftOut(name, "counted anew at each forward"))
            continue
        ours = _our_name(name)
        content.state[ours] = state[name]
        content.sources[ours] = name
    if content.config.tie_word_embeddings:
        _drop_tied(content)
    return content


def _our_name(name: str) -> str:
    stem, _, last = name.rpartition(".")
    renamed = f"{stem}.{ {'gamma': 'weight', 'beta': 'bias'}.get(last, last) }" if stem else name
    return _PREFIX + renamed if renamed.startswith(_BACKBONE) else renamed


def _drop_tied(content: Content) -> None:
    for name, of in _TIED.items():
        tensor = content.state.get(name)
        if tensor is None:
            continue
        kept = content.state.get(of)
        if kept is None:
            content.state[of] = tensor
            content.sources[of] = content.sources[name]
        elif not torch.equal(kept, tensor):
            content.notes.append(f"{name} differs from {of}, which it is tied to; {_winner(name)} is kept")
            if name.endswith("bias"):
                content.state[of] = tensor
        content.left_out.append(LeftOut(content.sources.pop(name), f"tied to {of}"))
        del content.state[name]


def _winner(name: str) -> str:
    return "the decoder's" if name.endswith("bias") else "the word table"


def write(content: Content, directory: Path) -> list[LeftOut]:
    """Write ``model.safetensors`` and ``config.json`` into an existing, empty directory."""
    save_file(_named(content), directory / SAFETENSORS, metadata={"format": "pt"})
    write_config(content, directory)
    return []


def write_bin(content: Content, directory: Path) -> list[LeftOut]:
    """Write ``pytorch_model.bin`` and ``config.json`` into an existing, empty directory."""
    torch.save(_named(content), directory / BIN)
    write_config(content, directory)
    return []


def _named(content: Content) -> dict[str, Tensor]:
    """Names of the class: the bare model's have no prefix."""
    bare = content.head == "AlbertModel"
    return {
        (name.removeprefix(_PREFIX) if bare else name): tensor.contiguous() for name, tensor in content.state.items()
    }
