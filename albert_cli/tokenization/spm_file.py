"""What does a SentencePiece model file hold, and how is one written without the protobuf package?

The file is a protobuf message. Only the few fields that a tokenizer needs are read: the pieces with score and kind,
and the settings of trainer and normaliser. Everything is bounds-checked: the file may come from anywhere.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from albert_cli.errors import ModelError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
UNIGRAM = 1
MAX_MODEL_BYTES = 512 * 1024 * 1024

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_REBUILD_HINT = "download the file again, or train a tokenizer with `albert train-tokenizer`"


@dataclass(frozen=True)
class Piece:
    """One row of the vocabulary.

    Args:
        text: the piece, U+2581 for a space.
        score: log probability (0.0 for control and user-defined pieces).
        kind: NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED or BYTE.
    """

    text: str
    score: float
    kind: int = NORMAL


@dataclass(frozen=True)
class SpmModel:
    """The part of a SentencePiece model that ALBERT's tokenizer uses.

    Args:
        pieces: in id order.
        model_type: 1 unigram, 2 BPE, 3 word, 4 char.
        byte_fallback: unknown characters become byte pieces.
        charsmap: compiled normalisation rules, empty for none.
        add_dummy_prefix: a space is put before the text.
        remove_extra_whitespaces: runs of spaces become one, outer ones go.
        trainer_ids: unk, bos, eos and pad id as the trainer stored them (-1: none).
    """

    pieces: tuple[Piece, ...]
    model_type: int = UNIGRAM
    byte_fallback: bool = False
    charsmap: bytes = field(default=b"", repr=False)
    add_dummy_prefix: bool = True
    remove_extra_whitespaces: bool = True
    trainer_ids: tuple[int, int, int, int] = (0, 1, 2, -1)

    @property
    def unk_id(self) -> int:
        """Id of the unknown piece."""
        for index, piece in enumerate(self.pieces):
            if piece.kind == UNKNOWN:
                return index
        raise ModelError("the SentencePiece model has no unknown piece", hint=_REBUILD_HINT)


def read_model_bytes(path: Path) -> bytes:
    """Bytes of a model file.

    Raises:
        ModelError: the file is absent, empty, unreadable or absurdly large.
    """
    try:
        size = path.stat().st_size
        if size > MAX_MODEL_BYTES:
            raise ModelError(f"{path}: {size} bytes is too large for a SentencePiece model", hint=_REBUILD_HINT)
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"cannot read the SentencePiece model {path}: {error.strerror or error}",
            hint="give a file like spiece.model, or a directory that holds one",
        ) from None
    if not data:
        raise ModelError(f"{path}: the SentencePiece model is empty", hint=_REBUILD_HINT)
    return data


def parse_spm(data: bytes, *, source: str = "the model") -> SpmModel:
    """Read a serialised SentencePiece model.

    Args:
        data: content of a ``.model`` file.
        source: what to call it in messages.

    Raises:
        ModelError: the bytes are no such model.
    """
    try:
        return _parse(data)
    except (_MalformedError, UnicodeDecodeError, struct.error) as error:
        raise ModelError(f"{source} is not a SentencePiece model: {error}", hint=_REBUILD_HINT) from None


def build_spm(model: SpmModel) -> bytes:
    """Serialise a model so that SentencePiece loads it."""
    out = bytearray()
    for piece in model.pieces:
        body = _length_delimited(1, piece.text.encode("utf-8"))
        body += _tag(2, _FIXED32) + struct.pack("<f", piece.score)
        if piece.kind != NORMAL:
            body += _varint_field(3, piece.kind)
        out += _length_delimited(_PIECES, body)
    trainer = _varint_field(3, model.model_type) + _varint_field(4, len(model.pieces))
    if model.byte_fallback:
        trainer += _varint_field(35, 1)
    for number, value in zip((40, 41, 42, 43), model.trainer_ids, strict=True):
        trainer += _varint_field(number, value)
    trainer += _length_delimited(45, model.pieces[model.unk_id].text.encode("utf-8"))
    out += _length_delimited(_TRAINER, trainer)
    normalizer = _length_delimited(1, b"nmt_nfkc" if model.charsmap else b"identity")
    normalizer += _length_delimited(2, model.charsmap)
    normalizer += _varint_field(3, int(model.add_dummy_prefix))
    normalizer += _varint_field(4, int(model.remove_extra_whitespaces))
    out += _length_delimited(_NORMALIZER, normalizer)
    return bytes(out)


def with_dummy_prefix(data: bytes, wanted: bool) -> bytes:
    """The same serialised model with the space before the text switched on or off; all else byte for byte."""
    out = bytearray()
    seen = False
    try:
        for number, wire, value, start, end in _spans(data):
            if number != _NORMALIZER or wire != _BYTES:
                out += data[start:end]
                continue
            seen = True
            assert isinstance(value, bytes)
            kept = b"".join(value[s:e] for n, _, _, s, e in _spans(value) if n != 3)
            out += _length_delimited(_NORMALIZER, kept + _varint_field(3, int(wanted)))
    except _MalformedError as error:
        raise ModelError(f"the model is not a SentencePiece model: {error}", hint=_REBUILD_HINT) from None
    if not seen:
        out += _length_delimited(_NORMALIZER, _varint_field(3, int(wanted)))
    return bytes(out)


class _MalformedError(Exception):
    """The bytes break the protobuf wire format or the message's own rules."""


def _parse(data: bytes) -> SpmModel:
    """Fields of the top-level message."""
    pieces: list[Piece] = []
    trainer: dict[int, int | bytes] = {}
    normalizer: dict[int, int | bytes] = {}
    for number, wire, value, _, _ in _spans(data):
        if wire != _BYTES or not isinstance(value, bytes):
            continue
        if number == _PIECES:
            pieces.append(_parse_piece(value))
        elif number == _TRAINER:
            trainer.update((n, v) for n, _, v, _, _ in _spans(value))
        elif number == _NORMALIZER:
            normalizer.update((n, v) for n, _, v, _, _ in _spans(value))
    if not pieces:
        raise _MalformedError("it holds no pieces")
    if not any(piece.kind == UNKNOWN for piece in pieces):
        raise _MalformedError("it has no unknown piece")
    charsmap = normalizer.get(2, b"")
    return SpmModel(
        pieces=tuple(pieces),
        model_type=_integer(trainer, 3, UNIGRAM),
        byte_fallback=bool(_integer(trainer, 35, 0)),
        charsmap=charsmap if isinstance(charsmap, bytes) else b"",
        add_dummy_prefix=bool(_integer(normalizer, 3, 1)),
        remove_extra_whitespaces=bool(_integer(normalizer, 4, 1)),
        trainer_ids=(
            _integer(trainer, 40, 0),
            _integer(trainer, 41, 1),
            _integer(trainer, 42, 2),
            _integer(trainer, 43, -1),
        ),
    )


def _parse_piece(data: bytes) -> Piece:
    """One vocabulary row."""
    text, score, kind = "", 0.0, NORMAL
    for number, wire, value, _, _ in _spans(data):
        if number == 1 and isinstance(value, bytes) and wire == _BYTES:
            text = value.decode("utf-8")
        elif number == 2 and isinstance(value, bytes) and wire == _FIXED32:
            score = struct.unpack("<f", value)[0]
        elif number == 3 and isinstance(value, int):
            kind = value
    if not NORMAL <= kind <= BYTE:
        raise _MalformedError(f"a piece has the unknown kind {kind}")
    return Piece(text, score, kind)


def _spans(data: bytes) -> Iterator[tuple[int, int, int | bytes, int, int]]:
    """Fields of a message: number, wire type, value, and where the whole field lies."""
    at, size = 0, len(data)
    while at < size:
        start = at
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        value: int | bytes
        if number == 0:
            raise _MalformedError(f"a field has the number 0 at byte {start}")
        if wire == _VARINT:
            value, at = _varint(data, at)
        else:
            if wire == _BYTES:
                length, at = _varint(data, at)
            elif wire in (_FIXED32, _FIXED64):
                length = 4 if wire == _FIXED32 else 8
            else:
                raise _MalformedError(f"wire type {wire} at byte {start}")
            if length > size - at:
                raise _MalformedError(f"it ends inside a field that starts at byte {start}")
            value, at = data[at : at + length], at + length
        yield number, wire, value, start, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned varint of at most ten bytes, and the place after it."""
    result = shift = 0
    while shift < 70:
        if at >= len(data):
            raise _MalformedError("it ends inside a number")
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
        shift += 7
    raise _MalformedError(f"a number is too long at byte {at}")


def _integer(fields: dict[int, int | bytes], number: int, default: int) -> int:
    """A signed 32-bit field."""
    value = fields.get(number, default)
    if not isinstance(value, int):
        return default
    return value - (1 << 64) if value >= 1 << 63 else value


def _tag(number: int, wire: int) -> bytes:
    return _encode_varint(number << 3 | wire)


def _encode_varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers travel as ten bytes of two's complement
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varint_field(number: int, value: int) -> bytes:
    return _tag(number, _VARINT) + _encode_varint(value)


def _length_delimited(number: int, body: bytes) -> bytes:
    return _tag(number, _BYTES) + _encode_varint(len(body)) + body


def check_loadable(data: bytes, *, source: str) -> None:
    """Refuse what the native library would crash on or read beyond its end for; it checks little by itself.

    Args:
        data: content of a ``.model`` file.
        source: what to call it in messages.

    Raises:
        ModelError: the bytes are no such model, a piece is empty, or its normalisation rules point out of themselves.
    """
    try:
        at = _skip_plain_pieces(data)
        for number, _, value, _, _ in _spans(data[at:]):
            if number == _PIECES:
                text = _parse_piece(value).text if isinstance(value, bytes) else ""
                if not text or "\0" in text:  # the library's tables take texts that end at a NUL
                    raise _MalformedError("a piece is empty or holds a NUL")
            if number == _NORMALIZER and isinstance(value, bytes):
                for inner, _, rules, _, _ in _spans(value):
                    if inner == 2:
                        _check_charsmap(rules)
    except (_MalformedError, UnicodeDecodeError, struct.error) as error:
        raise ModelError(f"{source} is not a usable SentencePiece model: {error}", hint=_REBUILD_HINT) from None


def _skip_plain_pieces(data: bytes) -> int:
    """Where the pieces at the front end that begin with a text of less than 128 bytes, as all usual ones do."""
    at, size = 0, len(data)
    while at + 4 <= size and data[at] == 0x0A and data[at + 1] < 0x80 and data[at + 2] == 0x0A:
        length, end = data[at + 3], at + 2 + data[at + 1]
        if not 0 < length < 0x80 or end > size or at + 4 + length > end:
            break
        rest = data[at + 4 + length : end]  # no more than a score, and a kind
        if rest and not (rest[0] == 0x15 and (len(rest) == 5 or (len(rest) == 7 and rest[5] == 0x18))):
            break
        text = data[at + 4 : at + 4 + length]
        if 0 in text:
            break
        text.decode("utf-8")
        at = end
    return at


def _check_charsmap(rules: int | bytes) -> None:
    """Normalisation rules: the size of a double array in bytes, the array, and the texts that its leaves point to."""
    if not isinstance(rules, bytes) or not rules:
        return
    size = struct.unpack_from("<I", rules)[0]
    texts = rules[4 + size :]
    if size % 4 or not size or 4 + size >= len(rules) or texts[-1:] != b"\0":
        raise _MalformedError("its normalisation rules are damaged")
    units = np.frombuffer(rules, "<u4", count=size // 4, offset=4).astype(np.int64)
    is_leaf = units >= 1 << 31
    if ((units[is_leaf] & 0x7FFFFFFF) >= len(texts)).any():
        raise _MalformedError("its normalisation rules point out of their texts")
    texts.decode("utf-8")  # the library takes the bytes of a character on trust, in what it made itself as well
    if (np.frombuffer(texts, np.uint8)[units[is_leaf] & 0x7FFFFFFF] & 0xC0 == 0x80).any():
        raise _MalformedError("its normalisation rules point into a character")
    below = np.arange(len(units)) ^ ((units >> 10) << ((units & 0x200) >> 6))
    if ((below[~is_leaf] | 0xFF) >= len(units)).any():
        raise _MalformedError("its normalisation rules point out of themselves")
    if not is_leaf[below[~is_leaf & (units & 0x100 > 0)]].all():
        raise _MalformedError("its normalisation rules end where no text is")
