"""Which formats are there, and which one is in a directory?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol

from albert_cli.convert import flax_msgpack, keras_h5, tf1, torch_files
from albert_cli.convert.config_json import named_head
from albert_cli.convert.content import Content, LeftOut, head_of
from albert_cli.errors import ModelError
from albert_cli.files.text import safe_line
from albert_cli.models.weights import BIN, SAFETENSORS

FormatName = Literal["hf", "hf-bin", "tf1", "tf2", "flax", "onnx"]


class Reader(Protocol):
    """Reads a directory."""

    def __call__(self, directory: Path, *, head: str | None = None) -> Content:
        """See the formats' own modules."""
        ...


@dataclass(frozen=True)
class Format:
    """A format that is read and written.

    Attributes:
        name: what ``--to`` and ``--from`` call it.
        marks: files (or patterns) of which one shows that a directory holds it.
        read: reads a directory.
        write: writes into an empty one; returns the weights that it did not need.
    """

    name: str
    marks: tuple[str, ...]
    read: Reader
    write: Callable[[Content, Path], list[LeftOut]]


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        one.name: one
        for one in (
            Format("hf", (SAFETENSORS, f"{SAFETENSORS}.index.json"), torch_files.read, torch_files.write),
            Format("hf-bin", (BIN, f"{BIN}.index.json"), torch_files.read, torch_files.write_bin),
            Format("tf1", ("*.index",), tf1.read, tf1.write),
            Format("tf2", (keras_h5.FILE,), keras_h5.read, keras_h5.write),
            Format("flax", (flax_msgpack.FILE,), flax_msgpack.read, flax_msgpack.write),
        )
    }
)


def recognise(directory: Path) -> str:
    """Name of the format in a directory; ``hf`` where several are there.

    Raises:
        ModelError: none is.
    """
    if not directory.is_dir():
        raise ModelError(f"no directory {safe_line(str(directory))}", hint="name the directory of a checkpoint")
    for one in FORMATS.values():
        if any(next(directory.glob(mark), None) is not None for mark in one.marks):
            return one.name
    raise ModelError(
        f"no weights of a known format in {safe_line(str(directory))}",
        hint="known: model.safetensors, pytorch_model.bin, tf_model.h5, flax_model.msgpack, model.ckpt-*.index",
    )


def read_checkpoint(directory: Path, format_: str, *, head: str | None = None) -> Content:
    """Read a directory, and say which model class its weights belong to.

    Args:
        directory: the checkpoint.
        format_: one of `FORMATS`.
        head: name of the model class; None takes what the configuration says, else what the weights show.

    Raises:
        ModelError: it cannot be read.
    """
    marks = FORMATS[format_].marks
    if not any(next(directory.glob(mark), None) is not None for mark in marks):
        raise ModelError(f"no {' or '.join(marks)} in {safe_line(str(directory))}", hint="--from auto finds the format")
    content = FORMATS[format_].read(directory, head=head)
    named = head or named_head(content.config)
    if named is None:
        named = head_of(content.state)
        content.notes.append(f"config.json names no class; the weights look like {named} (--head names another)")
    content.head = named
    return content
