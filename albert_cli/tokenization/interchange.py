"""How does the tokenizer look in the `tokenizers` library's JSON file, and what SentencePiece model hides in one?

That library cannot say everything: it has no digit-comma rule (the scores of such pieces are lowered instead) and no
forced symbols. docs/reference/tokenizer.md lists the strings where it differs.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from albert_cli.errors import ModelError
from albert_cli.tokenization.pieces import SPACE, ends_number
from albert_cli.tokenization.specials import AddedToken
from albert_cli.tokenization.spm_file import (
    BYTE,
    CONTROL,
    NORMAL,
    UNIGRAM,
    UNKNOWN,
    USER_DEFINED,
    Piece,
    SpmModel,
    build_spm,
)

NUMBER_PENALTY = 100.0
_MAX_JSON_BYTES = 256 * 1024 * 1024
_CONTROL_NAMES = frozenset({"<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]", "<s>", "</s>", "[PAD]", "[UNK]", "<mask>"})


@dataclass(frozen=True)
class RebuiltModel:
    """What a tokenizer.json says.

    Args:
        model: a serialised SentencePiece model with the same pieces.
        do_lower_case: its normaliser lower-cases.
        keep_accents: its normaliser leaves accents.
        add_prefix_space: it puts a space before the text.
        added: tokens beyond the SentencePiece vocabulary, by id.
    """

    model: bytes
    do_lower_case: bool
    keep_accents: bool
    add_prefix_space: bool
    added: Mapping[int, AddedToken]


def tokenizer_json(
    model: SpmModel,
    *,
    do_lower_case: bool,
    keep_accents: bool,
    add_prefix_space: bool,
    added: Sequence[tuple[int, AddedToken]],
    cls: tuple[str, int],
    sep: tuple[str, int],
) -> dict[str, Any]:
    """The tokenizer as the `tokenizers` library says it.

    Args:
        model: the SentencePiece model; unigram.
        do_lower_case: lower-case text.
        keep_accents: keep accents.
        add_prefix_space: put a space before the text.
        added: special and added tokens with ids.
        cls: token and id put in front.
        sep: token and id put behind each text.

    Raises:
        ModelError: the model is not of the unigram kind.
    """
    if model.model_type != UNIGRAM:
        raise ModelError(
            "only a unigram SentencePiece model can be written as tokenizer.json",
            hint="ALBERT's tokenizers are unigram models; this one is of another kind",
        )
    space = {
        "type": "Metaspace",
        "replacement": SPACE,
        "prepend_scheme": "always" if add_prefix_space else "never",
        "split": True,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": index, **token.as_dict()} for index, token in sorted(added)],
        "normalizer": {"type": "Sequence", "normalizers": _normalizers(model, do_lower_case, keep_accents)},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, space]},
        "post_processor": _template(cls, sep),
        "decoder": dict(space),
        "model": {
            "type": "Unigram",
            "unk_id": model.unk_id,
            "vocab": [[piece.text, piece.score - NUMBER_PENALTY * ends_number(piece.text)] for piece in model.pieces],
            "byte_fallback": model.byte_fallback,
        },
    }


def read_tokenizer_json(path: Path) -> RebuiltModel:
    """Rebuild the SentencePiece model behind a tokenizer.json, its lowered number scores put right.

    Raises:
        ModelError: the file is no such JSON, or its model is not of the unigram kind.
    """
    content = read_json_object(path)
    try:
        return _rebuild(content)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, binascii.Error) as error:
        raise ModelError(
            f"{path} is not the tokenizer.json of an ALBERT tokenizer: {type(error).__name__}: {error}",
            hint="give a directory with spiece.model",
        ) from None


def read_json_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds one object.

    Raises:
        ModelError: it cannot be read, is absurdly large, or holds something else.
    """
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ModelError(f"{path} is too large for a tokenizer file", hint="check where it came from")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise ModelError(f"cannot read {path}: {reason}", hint="restore the file or delete it") from None
    if not isinstance(content, dict):
        raise ModelError(f"{path} does not hold a JSON object", hint="restore the file or delete it")
    return content


def _normalizers(model: SpmModel, do_lower_case: bool, keep_accents: bool) -> list[dict[str, Any]]:
    """The cleaning steps in the library's words."""
    steps: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": "``"}, "content": '"'},
        {"type": "Replace", "pattern": {"String": "''"}, "content": '"'},
    ]
    if not keep_accents:
        steps += [{"type": "NFKD"}, {"type": "StripAccents"}]
    if do_lower_case:
        steps.append({"type": "Lowercase"})
    if model.charsmap:
        steps.append({"type": "Precompiled", "precompiled_charsmap": base64.b64encode(model.charsmap).decode("ascii")})
    steps.append({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "})
    return steps


def _template(cls: tuple[str, int], sep: tuple[str, int]) -> dict[str, Any]:
    """``[CLS] A [SEP]`` and ``[CLS] A [SEP] B [SEP]`` with their type ids."""

    def special(token: tuple[str, int], kind: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token[0], "type_id": kind}}

    def text(name: str, kind: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": kind}}

    single = [special(cls, 0), text("A", 0), special(sep, 0)]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, text("B", 1), special(sep, 1)],
        "special_tokens": {name: {"id": name, "ids": [index], "tokens": [name]} for name, index in (cls, sep)},
    }


def _rebuild(content: Mapping[str, Any]) -> RebuiltModel:
    """The SentencePiece model and the settings."""
    model = content["model"]
    if model.get("type", "Unigram") != "Unigram":
        raise ValueError(f"its model is {model['type']}, not Unigram")
    rows = [(str(text), float(score)) for text, score in model["vocab"]]
    if not rows:
        raise ValueError("its vocabulary is empty")
    unk_id = int(model["unk_id"])
    if not 0 <= unk_id < len(rows):
        raise ValueError(f"unk_id {unk_id} is outside the vocabulary")
    added = {int(entry["id"]): AddedToken.of(entry) for entry in content.get("added_tokens") or []}
    steps = _steps(content.get("normalizer"))
    kinds = {step.get("type") for step in steps}
    charsmap = next((s["precompiled_charsmap"] for s in steps if s.get("type") == "Precompiled"), "")
    scheme = next(
        (s.get("prepend_scheme") for s in _steps(content.get("pre_tokenizer")) if s.get("type") == "Metaspace"), None
    )
    spm = SpmModel(
        pieces=_pieces(rows, unk_id, added, byte_fallback=bool(model.get("byte_fallback"))),
        byte_fallback=bool(model.get("byte_fallback")),
        charsmap=base64.b64decode(charsmap or "", validate=True),
        trainer_ids=(unk_id, -1, -1, next((i for i, (text, _) in enumerate(rows) if text == "<pad>"), -1)),
    )
    return RebuiltModel(
        model=build_spm(spm),
        do_lower_case="Lowercase" in kinds,
        keep_accents="StripAccents" not in kinds,
        add_prefix_space=scheme != "never",
        added={index: token for index, token in added.items() if index >= len(rows)},
    )


def _steps(node: Any) -> list[Mapping[str, Any]]:
    """The steps of a normaliser or pre-tokenizer, whether it is a sequence or one step."""
    if not node:
        return []
    inner = node.get("normalizers") or node.get("pretokenizers")
    return [step for part in inner for step in _steps(part)] if inner else [node]


def _pieces(
    rows: Sequence[tuple[str, float]], unk_id: int, added: Mapping[int, AddedToken], *, byte_fallback: bool
) -> tuple[Piece, ...]:
    """Kinds and scores: a score of exactly 0 marks what SentencePiece did not train."""
    lowest = min((score for text, score in rows if score and not ends_number(text)), default=0.0)
    pieces: list[Piece] = []
    for index, (text, score) in enumerate(rows):
        kind = NORMAL
        if index == unk_id:
            kind = UNKNOWN
        elif byte_fallback and len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
            kind = BYTE
        elif score == 0.0:
            # Some writers list forced symbols such as "(" among the special tokens; only names of control symbols are.
            named = text in _CONTROL_NAMES or (index in added and len(text) > 2 and text[0] + text[-1] in ("[]", "<>"))
            kind = CONTROL if named else USER_DEFINED
        elif ends_number(text) and score + NUMBER_PENALTY / 2 < lowest:
            score += NUMBER_PENALTY
        pieces.append(Piece(text, score, kind))
    return tuple(pieces)
