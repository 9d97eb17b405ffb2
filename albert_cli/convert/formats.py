"""Which formats are there, which heads can each hold, and which one is in a directory?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol

from albert_cli.convert import flax_msgpack, keras_h5, tf1, torch_files
from albert_cli.convert.config_json import named_head
from albert_cli.convert.content import Content, LeftOut, head_of, is_identity_mapping
from albert_cli.errors import ModelError
from albert_cli.files.text import safe_line
from albert_cli.models.heads import MODEL_CLASSES
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
        refused: heads that it cannot hold, with the reason.
    """

    name: str
    marks: tuple[str, ...]
    read: Reader
    write: Callable[[Content, Path], list[LeftOut]]
    refused: Mapping[str, str]


_NO_BEAM = MappingProxyType(
    {"AlbertForQuestionAnsweringBeam": "transformers has no such class in this framework; google's format has it"}
)
_NO_TAGS = MappingProxyType({"AlbertForTokenClassification": "the original code has no head for tokens"})

FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        one.name: one
        for one in (
            Format(
                "hf",
                (SAFETENSORS, f"{SAFETENSORS}.index.json"),
                torch_files.read,
                torch_files.write,
                MappingProxyType({}),
            ),
            Format("hf-bin", (BIN, f"{BIN}.index.json"), torch_files.read, torch_files.write_bin, MappingProxyType({})),
            Format("tf1", ("*.index",), tf1.read, tf1.write, _NO_TAGS),
            Format("tf2", (keras_h5.FILE,), keras_h5.read, keras_h5.write, _NO_BEAM),
            Format("flax", (flax_msgpack.FILE,), flax_msgpack.read, flax_msgpack.write, _NO_BEAM),
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
    content = FORMATS[format_].read(directory, head=head)
    named = head or named_head(content.config)
    if named is None:
        named = head_of(content.state)
        content.notes.append(f"config.json names no class; the weights look like {named} (--head names another)")
    content.head = named
    return content


def refusal(content: Content, target: str) -> str | None:
    """Why a checkpoint cannot go into a format; None: it can."""
    one = FORMATS[target]
    config = content.config
    if content.head in one.refused:
        return one.refused[content.head]
    if content.head not in MODEL_CLASSES:
        return f"{content.head} is none of our model classes"
    if config.position_embedding_type != "absolute" and target not in ("hf", "hf-bin"):
        return f"{config.position_embedding_type} positions exist in PyTorch alone"
    if config.pruned_heads and target not in ("hf", "hf-bin"):
        return "pruned heads exist in PyTorch alone"
    if not config.tie_word_embeddings and target not in ("hf", "hf-bin"):
        return "a decoder of its own (tie_word_embeddings: false) exists in PyTorch alone"
    if target == "tf1" and config.embedding_size == config.hidden_size and not is_identity_mapping(content.state):
        return "google's code has no projection where embedding_size equals hidden_size, and this one is no identity"
    if target == "tf1" and config.hidden_act == "gelu":
        return "google's gelu is the tanh form (gelu_new), this model's config says the exact one"
    return None
