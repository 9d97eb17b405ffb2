"""SentencePiece with ALBERT's rule for numbers before a comma."""

from __future__ import annotations

from pathlib import Path

import pytest
import sentencepiece

from albert_cli.tokenization.pieces import PieceEncoder, ends_number
from albert_cli.tokenization.spm_file import Piece, SpmModel, build_spm, parse_spm

SPACE = "\u2581"


def restated(processor: sentencepiece.SentencePieceProcessor, text: str, *, drop_added_space: bool) -> list[str]:
    """The rule as the original code and the slow tokenizer spell it, piece by piece."""
    out: list[str] = []
    for piece in processor.encode(text, out_type=str):
        if len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit():
            parts = processor.encode(piece[:-1].replace(SPACE, ""), out_type=str)
            if drop_added_space and piece[0] != SPACE and parts[0][0] == SPACE:
                parts = parts[1:] if len(parts[0]) == 1 else [parts[0][1:], *parts[1:]]
            out += [*parts, ","]
        else:
            out.append(piece)
    return out


TEXTS = [
    "23, 123, 1,123, 84823,79 (907,000,)",
    "in 2011, it was 12,345 or 9,000,000, ok",
    "\u0662\u0663, \u00b2, ,,, 0,",
    "no numbers here",
    "1850,1850,1850,",
]


@pytest.mark.parametrize("drop", [True, False])
@pytest.mark.parametrize("text", TEXTS)
def test_number_pieces_lose_their_comma(own_model: Path, text: str, drop: bool) -> None:
    processor = sentencepiece.SentencePieceProcessor(model_file=str(own_model))
    encoder = PieceEncoder(own_model.read_bytes(), drop_added_space=drop)
    expected = restated(processor, text, drop_added_space=drop)
    placed, normal, _ = encoder.encode_placed(text)
    assert [piece.surface for piece in placed] == expected
    assert encoder.encode([text])[0] == [encoder.ids.get(piece, encoder.unk_id) for piece in expected]
    assert all(normal[p.first : p.last].lstrip(SPACE) == p.surface.lstrip(SPACE) for p in placed if "," in p.surface)


def test_the_rule_matters_and_the_algorithms_differ(own_model: Path) -> None:
    data = own_model.read_bytes()
    plain = sentencepiece.SentencePieceProcessor(model_file=str(own_model)).encode("(123,)")
    ours = PieceEncoder(data).encode(["(123,)"])[0]
    original = PieceEncoder(data, drop_added_space=False).encode(["(123,)"])[0]
    assert len({tuple(plain), tuple(ours), tuple(original)}) == 3


@pytest.mark.parametrize(
    ("piece", "yes"),
    [
        ("2011,", True),
        ("\u25811,", True),
        (",", False),
        ("a,", False),
        ("1", False),
        ("\u0663,", True),
        ("\u00b2,", True),
    ],
)
def test_which_pieces_the_rule_concerns(piece: str, yes: bool) -> None:
    assert ends_number(piece) is yes


def without_comma() -> PieceEncoder:
    """A vocabulary in which neither the comma nor the digit 9 is known."""
    rows = [Piece("<unk>", 0.0, 2), Piece("[MASK]", 0.0, 3), Piece(SPACE, -1.0), Piece("a", -2.0)]
    return PieceEncoder(build_spm(SpmModel(tuple(rows), trainer_ids=(0, -1, -1, -1))))


def test_unknown_text_that_ends_like_a_number_follows_the_rule_too() -> None:
    encoder = without_comma()
    assert [piece.surface for piece in encoder.encode_placed("a9, a")[0]] == [SPACE, "a", "9", ",", SPACE, "a"]
    assert encoder.encode(["a9, a", "aa"]) == [[2, 3, 0, 0, 2, 3], [2, 3, 3]]


def test_text_never_becomes_a_control_piece_unless_the_original_is_asked_for() -> None:
    encoder = without_comma()
    assert encoder.encode(["[MASK]"]) == [[2, 0]]
    assert encoder.encode(["[MASK]"], names_controls=True) == [[2, 1]]


def test_bytes_of_one_character_stand_on_it() -> None:
    rows = [Piece("<unk>", 0.0, 2), Piece(SPACE, -1.0), Piece("a", -2.0)]
    rows += [Piece(f"<0x{byte:02X}>", 0.0, 6) for byte in range(256)]
    encoder = PieceEncoder(build_spm(SpmModel(tuple(rows), byte_fallback=True, trainer_ids=(0, -1, -1, -1))))
    placed, _, _ = encoder.encode_placed("a\u20aca")
    assert [(p.first, p.last) for p in placed] == [(0, 1), (1, 2), (2, 3), (2, 3), (2, 3), (3, 4)]
    assert [p.surface for p in placed[2:5]] == ["<0xE2>", "<0x82>", "<0xAC>"]


def test_the_vocabulary_is_the_models_own(own_model: Path) -> None:
    encoder = PieceEncoder(own_model.read_bytes())
    assert encoder.table == [piece.text for piece in parse_spm(own_model.read_bytes()).pieces]
