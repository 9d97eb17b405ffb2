"""Safetensors that TensorFlow or Flax wrote: their names and their layout under a file name that is also PyTorch's.

The file's metadata say whose it is. A file read as the wrong framework's would load transposed weights without a word.
"""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open

from albert_cli.convert.config_json import read_config
from albert_cli.convert.content import Content, LeftOut, tensor_of
from albert_cli.convert.names import FLAX, TF2
from albert_cli.errors import ModelError
from albert_cli.files.text import safe_line

_BARE = "albert/"
_UNUSED_BIAS = "predictions/bias"


def framework_of(path: Path) -> str:
    """``pt``, ``tf`` or ``flax``, as the file says; ``pt`` where it says nothing or cannot be read."""
    try:
        with safe_open(str(path), framework="np") as file:
            return str((file.metadata() or {}).get("format", "pt"))
    except (SafetensorError, OSError):
        return "pt"  # the reader of that framework says what is wrong


def read(directory: Path, path: Path, framework: str) -> Content:
    """Read weights in the layout of TensorFlow or Flax.

    Args:
        directory: holds ``config.json``.
        path: the file.
        framework: ``tf`` or ``flax``.

    Raises:
        ModelError: another framework, or a weight that is no ALBERT's.
    """
    if framework not in ("tf", "flax"):
        raise ModelError(f"{path} is of the framework {safe_line(framework)!r}", hint="known: pt, tf, flax")
    table = TF2 if framework == "tf" else FLAX
    content = Content("AlbertModel", read_config(directory), {})
    with safe_open(str(path), framework="np") as file:
        names = list(file.keys())
        bare = not any(name.startswith("albert") for name in names)
        for name in sorted(names):
            plain = name.removesuffix(":0") if framework == "tf" else name.replace(".", "/")
            if framework == "tf" and plain == _UNUSED_BIAS:
                content.left_out.append(LeftOut(name, "unused: their forward pass adds predictions/decoder/bias"))
                continue
            found = table.to_ours(_BARE + plain if bare else plain)
            if found is None:
                raise ModelError(f"no place for weight {safe_line(name, limit=120)}", hint="is it an ALBERT?")
            content.state[found[0]] = tensor_of(file.get_tensor(name), transposed=found[1])
            content.sources[found[0]] = name
    return content
