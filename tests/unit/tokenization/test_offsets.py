"""Spans of pieces, on hand-made pieces."""

from __future__ import annotations

from albert_cli.tokenization.normalize import CleaningRules, clean_mapped
from albert_cli.tokenization.offsets import piece_spans
from albert_cli.tokenization.pieces import PlacedPiece

SPACE = "\u2581"


def spans(
    text: str, surfaces: list[str], normal: str, offsets: list[int], *, trim: bool = True
) -> list[tuple[int, int]]:
    """Spans of pieces that follow each other."""
    pieces: list[PlacedPiece] = []
    at = 0
    for surface in surfaces:
        pieces.append(PlacedPiece(0, surface, at, at + len(surface)))
        at += len(surface)
    mapped = clean_mapped(text, CleaningRules())
    starts, ends = piece_spans(
        pieces, normal, offsets, mapped, normalise=lambda stretch: stretch.replace("\x01", ""), trim=trim
    )
    return list(zip(starts, ends, strict=True))


def test_a_space_sign_belongs_to_no_span_in_front_or_behind() -> None:
    normal, offsets = f"ab{SPACE}cd{SPACE}", [0, 1, 2, 3, 4, 5, 5]
    assert spans("ab cd", [f"ab{SPACE}", f"cd{SPACE}"], normal, offsets) == [(0, 2), (3, 5)]


def test_a_lone_space_sign_has_the_first_character_of_its_word() -> None:
    normal, offsets = f"{SPACE}a{SPACE}b", [0, 0, 1, 2, 3]
    assert spans("a b", [SPACE, "a", SPACE, "b"], normal, offsets) == [(0, 1), (0, 1), (2, 3), (2, 3)]
    assert spans("a b", [SPACE, "a", SPACE, "b"], normal, offsets, trim=False) == [(0, 1), (0, 1), (1, 3), (2, 3)]


def test_characters_that_sentencepiece_deletes_are_in_no_span() -> None:
    assert spans("a\x01b", [f"{SPACE}a", "b"], f"{SPACE}ab", [0, 0, 2, 3]) == [(0, 1), (2, 3)]


def test_nothing_has_no_spans() -> None:
    assert spans("", [], "", [0]) == []
