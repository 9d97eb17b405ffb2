"""Cleaning text before SentencePiece."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from albert_cli.tokenization.normalize import CleaningRules, clean, clean_mapped

TRANSFORMERS = CleaningRules()
ORIGINAL = CleaningRules(as_transformers=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("Hello  World", "hello world"),
        (" \t a\n\x1cb\u3000c ", "a b c"),
        ("na\u00efve \u00c5ngstr\u00f6m", "naive angstrom"),
        ("``a'' '''", '"a" "\''),
        ("\u0130", "i"),
        ("\u03a3\u0391\u03a3", "\u03c3\u03b1\u03c3"),  # each by itself: no final sigma
        ("\u00bd", "1\u20442"),
        ("\ud55c", "\u1112\u1161\u11ab"),
        ("a\ud800b", "a\ufffdb"),
        ("\u2764\ufe0f", "\u2764\ufe0f"),  # a mark without combining class stays
    ],
)
def test_text_is_cleaned_as_the_documented_tokenizer_does(text: str, expected: str) -> None:
    assert clean(text, TRANSFORMERS) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("``a''", "``a''"), ("\u03a3\u0391\u03a3", "\u03c3\u03b1\u03c2"), ("\u00c9", "e"), ("  x  ", "x")],
)
def test_the_original_leaves_quotes_and_lower_cases_in_context(text: str, expected: str) -> None:
    assert clean(text, ORIGINAL) == expected


def test_accents_and_case_and_spaces_can_be_kept() -> None:
    assert clean("\u00c9", CleaningRules(keep_accents=True)) == "\u00e9"
    assert clean("\u00c9", CleaningRules(lower_case=False)) == "E"
    assert clean(" a  b ", CleaningRules(remove_space=False)) == " a  b "


def test_ascii_lines_take_the_short_way_only_when_it_changes_nothing() -> None:
    for text in ["a b", "a  b", " a", "a ", "a\tb", "a\x1fb", "a\x0bb", "\x7f", ""]:
        assert clean(text, ORIGINAL) == " ".join(text.split()).lower()


@pytest.mark.parametrize(
    ("text", "clean_text", "spans"),
    [
        ("e\u0301x", "ex", [(0, 2), (2, 3)]),
        ("a  b", "a b", [(0, 1), (1, 3), (3, 4)]),
        ("``q", '"q', [(0, 2), (2, 3)]),
        ("\u00bda", "1\u20442a", [(0, 1), (0, 1), (0, 1), (1, 2)]),
        ("\u00bd\u0301", "1\u20442", [(0, 2), (0, 2), (0, 2)]),
        ("\u0130z", "iz", [(0, 1), (1, 2)]),
    ],
)
def test_clean_characters_know_where_they_come_from(text: str, clean_text: str, spans: list[tuple[int, int]]) -> None:
    mapped = clean_mapped(text, TRANSFORMERS)
    assert mapped.text == clean_text
    assert list(zip(mapped.starts, mapped.ends, strict=True)) == spans


def test_every_combining_mark_of_unicode_is_dropped_and_nothing_else() -> None:
    every = (chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF)
    stable = [c for c in every if not c.isspace() and unicodedata.is_normalized("NFKD", c)]
    kept = [c for c in stable if not unicodedata.combining(c)]
    assert len(stable) - len(kept) > 800
    rules = CleaningRules(lower_case=False, as_transformers=False)
    assert clean("".join(f"x{c}" for c in stable), rules) == "x".join(["", *(c for c in stable)]).translate(
        {ord(c): None for c in stable if unicodedata.combining(c)}
    )
