"""Finding special and added tokens in text."""

from __future__ import annotations

import pytest

from albert_cli.tokenization.specials import AddedToken, TokenFinder, as_role

TOKENS = [(AddedToken("<pad>"), 0), (AddedToken("[CLS]"), 2), (AddedToken("[MASK]", lstrip=True), 4)]


def split(text: str, *, lower_case: bool = True, tokens: list[tuple[AddedToken, int]] | None = None) -> list[object]:
    """Fragments as text, or id for tokens."""
    finder = TokenFinder(TOKENS if tokens is None else tokens, lower_case=lower_case)
    return [text[f.start : f.end] if f.token_id is None else f.token_id for f in finder.split(text)]


def test_tokens_part_the_text_and_the_mask_eats_spaces_on_its_left() -> None:
    assert split("a [MASK] b[CLS]") == ["a", 4, " b", 2]
    assert split("[MASK][MASK]") == [4, 4]
    assert split("none here") == ["none here"]
    assert split("") == []


def test_lower_casing_finds_what_the_documented_tokenizer_finds() -> None:
    assert split("x <PAD> y") == ["x ", 0, " y"]
    assert split("x <PAD> y", lower_case=False) == ["x <PAD> y"]
    assert split("[mask]") == ["[mask]"]


def test_places_are_right_behind_a_character_that_grows_when_lower_cased() -> None:
    assert split("\u0130\u0130 [MASK] \u0130<pad>") == ["\u0130\u0130", 4, " \u0130", 0]


def test_a_single_word_token_needs_spaces_around_it() -> None:
    tokens = [(AddedToken("foo", single_word=True, rstrip=True), 9)]
    assert split("foo foobar foo  x", tokens=tokens) == [9, "foobar ", 9, "x"]


def test_the_longest_token_wins() -> None:
    assert split("<ab>", tokens=[(AddedToken("<a"), 7), (AddedToken("<ab>"), 8)]) == [8]


def test_tokens_are_read_from_strings_mappings_and_objects() -> None:
    assert AddedToken.of("x", special=False) == AddedToken("x", special=False)
    assert AddedToken.of({"content": "x", "lstrip": True, "normalized": False}) == AddedToken("x", lstrip=True)
    assert AddedToken.of(AddedToken("x", rstrip=True)) == AddedToken("x", rstrip=True)
    assert as_role("mask_token", "<mask>").lstrip
    assert not as_role("mask_token", AddedToken("<mask>")).lstrip
    with pytest.raises(TypeError, match="content"):
        AddedToken.of(3)
