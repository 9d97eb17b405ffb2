"""Reading and writing SentencePiece model files without protobuf."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import sentencepiece

from albert_cli.errors import ModelError
from albert_cli.tokenization.spm_file import (
    CONTROL,
    UNKNOWN,
    USER_DEFINED,
    build_spm,
    parse_spm,
    read_model_bytes,
    with_dummy_prefix,
)
from albert_cli.tokenization.tokenizer import AlbertTokenizer


def test_pieces_scores_and_settings_are_those_sentencepiece_sees(own_model: Path) -> None:
    model = parse_spm(own_model.read_bytes())
    processor = sentencepiece.SentencePieceProcessor(model_file=str(own_model))
    assert [piece.text for piece in model.pieces] == [processor.id_to_piece(i) for i in range(len(processor))]
    assert [piece.score for piece in model.pieces] == [processor.get_score(i) for i in range(len(processor))]
    assert [piece.kind for piece in model.pieces[:13]] == [CONTROL, UNKNOWN, *[CONTROL] * 3, *[USER_DEFINED] * 8]
    assert (model.unk_id, model.model_type, model.add_dummy_prefix) == (1, 1, True)
    assert model.trainer_ids == (1, -1, -1, 0)


def test_a_written_model_reads_back_and_encodes_alike(own_model: Path) -> None:
    model = parse_spm(own_model.read_bytes())
    data = build_spm(model)
    assert parse_spm(data) == model
    ours = sentencepiece.SentencePieceProcessor(model_proto=data)
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(own_model))
    for text in ["the road, 2011, (river)", "\u00bd \ufb01ne \u1112\u1161", "x" * 50, ""]:
        assert ours.encode(text, out_type=str) == theirs.encode(text, out_type=str)


def test_the_prefix_space_is_switched_off_and_nothing_else(own_model: Path) -> None:
    data = own_model.read_bytes()
    changed = with_dummy_prefix(data, False)
    assert not parse_spm(changed).add_dummy_prefix
    assert parse_spm(with_dummy_prefix(changed, True)) == parse_spm(data)
    assert sentencepiece.SentencePieceProcessor(model_proto=changed).encode("the", out_type=str)[0][0] == "t"


def damaged(data: bytes) -> list[bytes]:
    """Files that are no models: empty, cut, garbage, flipped, with absurd lengths."""
    draw = random.Random(3)
    cut = [data[:n] for n in (1, 2, 10, 100, len(data) // 2, len(data) - 1)]
    flipped = []
    for _ in range(40):
        copy = bytearray(data)
        for _ in range(draw.randint(1, 20)):
            copy[draw.randrange(len(copy))] = draw.randrange(256)
        flipped.append(bytes(copy))
    noise = [draw.randbytes(n) for n in (1, 5, 50, 5000)]
    absurd = [b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x0a" + b"\xff" * 20, b"\x00", b"\x0b\x0c", b"text file\n"]
    return [*cut, *flipped, *noise, *absurd, bytes(1000)]


def test_hostile_bytes_end_in_one_clear_error_or_a_working_tokenizer(own_model: Path, tmp_path: Path) -> None:
    refused = []
    for number, data in enumerate(damaged(own_model.read_bytes())):
        path = tmp_path / f"{number}.model"
        path.write_bytes(data)
        try:
            parse_spm(data)
            AlbertTokenizer(path).encode_batch(["still works, 2011, \u00bd"])
        except ModelError as error:
            refused.append(error)
    assert len(refused) >= 15
    assert all(error.hint and "\n" not in error.message for error in refused)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x0a\x05ab", "ends inside a field that starts at byte 0"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "ends inside a field"),
        (b"\x0a", "ends inside a number"),
        (b"\xff" * 12, "too long"),
        (b"\x0b", "wire type 3"),
        (b"\x02\x00", "number 0"),
        (b"\x0a\x02\x0a\x05", "ends inside a field"),
        (b"\x0a\x03\x0a\x01\xff", "decode"),
        (b"\x0a\x02\x18\x63", "unknown kind 99"),
        (b"\x0a\x03\x0a\x01a", "no unknown piece"),
        (b"\x10\x01", "holds no pieces"),
    ],
)
def test_the_parser_checks_bounds_and_says_what_is_wrong(data: bytes, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        parse_spm(data, source="x.model")


def test_an_empty_or_absent_file_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.model"
    empty.write_bytes(b"")
    with pytest.raises(ModelError, match=r"empty\.model.*is empty"):
        read_model_bytes(empty)
    with pytest.raises(ModelError, match="cannot read"):
        read_model_bytes(tmp_path / "absent.model")
