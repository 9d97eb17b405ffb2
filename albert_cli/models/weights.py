"""Which tensors does a model directory hold? Reads every layout of PyTorch weights, runs no code from them."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from albert_cli.errors import ModelError
from albert_cli.files.json_text import parse_json
from albert_cli.files.text import safe_line
from albert_cli.models.torch_files import ForeignContentError, TorchFileError, read_torch_file

SAFETENSORS = "model.safetensors"
BIN = "pytorch_model.bin"
_OTHER_FORMATS = {"tf_model.h5": "tf2", "flax_model.msgpack": "flax", "model.ckpt-best.index": "tf1"}


def read_weights(directory: Path) -> dict[str, Tensor]:
    """All tensors of a model directory, on the processor, under the names in the file.

    Looks for ``model.safetensors``, its sharded form, ``pytorch_model.bin``, its sharded form, in this order.

    Raises:
        ModelError: no weights, weights of another framework, a damaged file, a pickle that wants to run code, a shard
            that is not there.
    """
    for name, read in ((SAFETENSORS, _read_safetensors), (BIN, _read_bin)):
        if (directory / name).is_file():
            return read(directory / name)
        index = directory / f"{name}.index.json"
        if index.is_file():
            tensors: dict[str, Tensor] = {}
            for shard in _shards(index):
                tensors.update(read(shard))
            return tensors
    for name, kind in _OTHER_FORMATS.items():
        if (directory / name).is_file():
            raise ModelError(
                f"{directory} holds weights in the {kind} format only ({name})",
                hint=f"albert convert {directory} NEW_DIRECTORY --to hf",
            )
    raise ModelError(
        f"no weights in {directory}: neither {SAFETENSORS} nor {BIN}", hint="name a saved model's directory"
    )


def _shards(index: Path) -> list[Path]:
    try:
        beside = {path.name for path in index.parent.iterdir() if path.is_file()}
        names = sorted(set(parse_json(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{index} cannot be read: {error!r}", hint="fetch the model again") from None
    for name in names:
        # A file name and nothing else: an index must not point out of its directory.
        if not isinstance(name, str) or Path(name).name != name or name not in beside:
            raise ModelError(
                f"{index} names a file that is not beside it: {safe_line(str(name))}", hint="fetch the model again"
            )
    return [index.parent / name for name in names]


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(str(path), framework="pt") as file:
            kind = (file.metadata() or {}).get("format", "pt")
            if kind != "pt":
                raise ModelError(
                    f"{path} holds weights in the layout of '{kind}', not of PyTorch",
                    hint=f"albert convert {path.parent} NEW_DIRECTORY --to hf",
                )
            # Copies: the file may be replaced or cut while the model lives.
            return {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path} is damaged or no safetensors file: {error}", hint="fetch the model again") from None


def _read_bin(path: Path) -> dict[str, Tensor]:
    try:
        return read_torch_file(path)
    except ForeignContentError:
        raise ModelError(
            f"{path} is damaged or holds more than tensors; it was not opened, that could run its author's code",
            hint="ask for model.safetensors instead, or save it as such where you trust it",
        ) from None
    except (OSError, TorchFileError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError(
            f"{path} is damaged or no PyTorch file: {safe_line(reason)}", hint="fetch the model again"
        ) from None
