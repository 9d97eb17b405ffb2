"""What does a tokenizer directory consist of when we write it?"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from albert_cli.errors import ModelError
from albert_cli.files.atomic import write_file
from albert_cli.tokenization import settings
from albert_cli.tokenization.engine import Engine
from albert_cli.tokenization.spm_file import parse_spm
from albert_cli.tokenization.vocabulary import Vocabulary


def write_file_of(folder: Path, name: str, content: bytes, prefix: str | None = None) -> Path:
    """Write a vocabulary as ``[prefix-]name`` into an existing directory.

    Raises:
        ModelError: no such directory, or it cannot be written.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder} is not a directory", hint="make it first, or use save_pretrained")
    path = folder / (f"{prefix}-{name}" if prefix else name)
    _write(path, content)
    return path


def write_tokenizer(
    directory: str | os.PathLike[str],
    engine: Engine,
    vocabulary: Vocabulary,
    kept: Mapping[str, Any],
    *,
    prefix: str | None = None,
) -> tuple[str, ...]:
    """Write every file of a tokenizer; each is there whole or not at all.

    Args:
        directory: made if absent.
        engine: knows the vocabulary's own file and what stands beside it.
        vocabulary: tokens and ids.
        kept: settings by name.
        prefix: put before the name of the vocabulary's file.

    Returns:
        The paths written.
    """
    folder = Path(os.fspath(directory))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"cannot make {folder}: {error.strerror}", hint="give another directory") from None
    written = [str(engine.write_vocabulary(folder, prefix))]
    for name, content in engine.files(kept, vocabulary).items():
        indent = None if name == settings.JSON_FILE else 2
        _write(folder / name, settings.json_bytes(content, indent=indent))
        written.append(str(folder / name))
    return tuple(written)


def fingerprint(model: bytes, settings_and_tokens: object) -> str:
    """SHA-256 of all that decides about ids: pieces with scores and kinds, normalisation, settings, added tokens.

    Args:
        model: serialised SentencePiece model; its trainer settings do not count.
        settings_and_tokens: plain values with a stable ``repr``.
    """
    pieces, switches = _facts(model)
    digest = hashlib.sha256(pieces)
    digest.update(repr((switches, settings_and_tokens)).encode())
    return digest.hexdigest()


@lru_cache(maxsize=4)
def _facts(model: bytes) -> tuple[bytes, tuple[Any, ...]]:
    """Everything about the pieces as bytes, and the model's switches. A model takes half a second to parse."""
    parsed = parse_spm(model)
    lines = [f"{piece.text}\0{piece.score!r}\0{piece.kind}\n".encode() for piece in parsed.pieces]
    switches = (parsed.model_type, parsed.byte_fallback, parsed.add_dummy_prefix, parsed.remove_extra_whitespaces)
    return b"".join([*lines, parsed.charsmap]), switches


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    try:
        write_file(path, content)
    except OSError as error:
        raise ModelError(f"cannot write {path}: {error.strerror or error}", hint="check the disk and rights") from None
