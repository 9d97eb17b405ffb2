"""Where do a tokenizer's model and settings come from: a directory, a file, a list of pieces, or the hub?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from albert_cli.errors import ModelError
from albert_cli.tokenization.engine import Source
from albert_cli.tokenization.interchange import RebuiltModel, read_json_object, read_tokenizer_json
from albert_cli.tokenization.settings import (
    CONFIG_FILE,
    TokenizerFiles,
    find_files,
    read_settings,
)
from albert_cli.tokenization.specials import AddedToken
from albert_cli.tokenization.spm_engine import ModelSource
from albert_cli.tokenization.spm_file import (
    CONTROL,
    NORMAL,
    UNKNOWN,
    USER_DEFINED,
    Piece,
    SpmModel,
    build_spm,
    read_model_bytes,
)
from albert_cli.tokenization.wordpiece import (
    is_wordpiece_json,
    read_vocab_txt,
    read_wordpiece_json,
    stored_arguments,
)

_FORMS = "give one of vocab_file (a SentencePiece model), vocab (a path, or a list of (piece, score)), tokenizer_file"


def open_source(vocab_file: Any, vocab: Any, tokenizer_file: Any) -> Source:
    """The vocabulary behind the constructor's three ways to name one.

    Args:
        vocab_file: path of a SentencePiece model, or of a ``vocab.txt``.
        vocab: the same, or a list of (piece, score) in id order.
        tokenizer_file: path of a tokenizer.json.

    Raises:
        ModelError: none or several are given, or the file is unusable.
    """
    given = [value for value in (vocab_file, vocab, tokenizer_file) if value is not None]
    if len(given) != 1:
        raise ModelError(
            f"a tokenizer needs one source, got {len(given)}", hint=f"{_FORMS}; or AlbertTokenizer.from_pretrained(DIR)"
        )
    if tokenizer_file is not None:
        return _from_json(Path(os.fspath(tokenizer_file)))
    name = vocab_file if vocab is None else vocab
    if isinstance(name, (str, os.PathLike)):
        path = Path(os.fspath(name)).expanduser()
        if path.is_dir():
            raise ModelError(f"{path} is a directory", hint=f"use AlbertTokenizer.from_pretrained({str(path)!r})")
        if path.suffix == ".txt":
            return read_vocab_txt(path)
        return ModelSource(read_model_bytes(path), str(path))
    return ModelSource(_from_rows(name))


def find_pretrained(name: str | os.PathLike[str], revision: str | None) -> TokenizerFiles:
    """Files of a tokenizer by directory, run directory, model file or hub id.

    Raises:
        ModelError: nothing usable is there.
    """
    path = Path(os.fspath(name)).expanduser()
    files = find_files(path)
    if files is None:
        from albert_cli.files.hub import resolve_model

        folder = resolve_model(name, revision=revision)
        files = find_files(folder)
        if files is None:
            raise ModelError(
                f"no tokenizer in {folder}: neither spiece.model, 30k-clean.model, tokenizer.json nor vocab.txt",
                hint="give a directory that holds one, or train a tokenizer with `albert train-tokenizer`",
            )
    return files


def pretrained_arguments(files: TokenizerFiles) -> tuple[dict[str, Any], dict[int, AddedToken]]:
    """Constructor arguments for a tokenizer's files, and the tokens they add.

    Raises:
        ModelError: a file is damaged.
    """
    arguments: dict[str, Any] = {}
    added: dict[int, AddedToken] = {}
    if files.spm is None and files.json is not None:
        arguments["tokenizer_file"] = files.json
    else:
        arguments["vocab_file"] = files.spm or files.wordpiece
    if files.folder is None:
        return arguments, added
    is_wordpiece = files.spm is None and (files.json is None or is_wordpiece_json(files.json))
    stored = read_settings(files.folder, known=stored_arguments if is_wordpiece else None)
    arguments.update(stored.arguments)
    added.update(stored.added)
    if not added and files.json is not None and files.spm is not None and (files.folder / CONFIG_FILE).is_file():
        added.update(_added_in_json(files.json))
    return arguments, added


def _from_json(path: Path) -> Source:
    """A vocabulary from tokenizer.json."""
    if is_wordpiece_json(path):
        return read_wordpiece_json(path)
    rebuilt: RebuiltModel = read_tokenizer_json(path)
    hints = {
        "do_lower_case": rebuilt.do_lower_case,
        "keep_accents": rebuilt.keep_accents,
        "add_prefix_space": rebuilt.add_prefix_space,
    }
    return ModelSource(rebuilt.model, str(path), hints, rebuilt.added)


def _added_in_json(path: Path) -> dict[int, AddedToken]:
    """The added tokens of a tokenizer.json whose vocabulary is not needed."""
    try:
        entries = read_json_object(path).get("added_tokens") or []
        return {int(entry["id"]): AddedToken.of(entry) for entry in entries}
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is damaged: {error}", hint="delete it: spiece.model is enough") from None


def _from_rows(rows: Sequence[tuple[str, float]]) -> bytes:
    """A model of (piece, score) rows, no normalisation rules."""
    try:
        pairs = [(str(text), float(score)) for text, score in rows]
    except (TypeError, ValueError):
        raise ModelError("vocab is neither a path nor a list of (piece, score)", hint=_FORMS) from None
    names = [text for text, _ in pairs]
    if "<unk>" not in names:
        raise ModelError("vocab has no <unk>", hint="put ('<unk>', 0.0) into the list")
    kinds = {"<unk>": UNKNOWN, **dict.fromkeys(("<pad>", "[CLS]", "[SEP]", "[MASK]", "<s>", "</s>"), CONTROL)}
    pieces = tuple(Piece(t, s, kinds.get(t, USER_DEFINED if s == 0.0 else NORMAL)) for t, s in pairs)
    pad = names.index("<pad>") if "<pad>" in names else -1
    return build_spm(SpmModel(pieces, trainer_ids=(names.index("<unk>"), -1, -1, pad)))
