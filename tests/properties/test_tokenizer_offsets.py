"""Laws of character offsets, over strings from all of Unicode."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from albert_cli.tokenization.encoder import EncodedText
from albert_cli.tokenization.normalize import clean, clean_mapped
from albert_cli.tokenization.pieces import SPACE
from albert_cli.tokenization.tokenizer import AlbertTokenizer

MODEL = Path(__file__).resolve().parents[1] / "goldens" / "tokenizer" / "spiece.model"
SETTINGS = {
    "uncased": {},
    "cased": {"do_lower_case": False},
    "accents": {"do_lower_case": False, "keep_accents": True},
    "original": {"algorithm": "original"},
}
TOKENIZERS = {name: AlbertTokenizer(MODEL, **options) for name, options in SETTINGS.items()}

# Characters that have broken tokenizers before: each goes through another corner of normalisation.
TRICKY = [
    *"aAb zZ  .,,'`\"()-–£€0123456789",
    *"\u0130\u0131\u03a3\u03c2\u00df\u1e9e\ufb01\ufb03\u00bd\u2460\u3392\ufdfa\u212b\u2126",  # lower() or NFKD expand
    *"\u0301\u0308\u0323\u0345\u1ab0\u20dd\ufe0f\u200d\u05b0\u064b\u3099",  # marks, with and without a class
    *"\u1112\u1161\u11ab\ud55c\uac01",  # Hangul, composed and not
    *"\x00\x01\x07\x1c\x1f\x7f\x85\xa0\xad\u200b\u200e\u2028\u202e\u2060\u3000\ufeff\ufffd\ufffe",  # spaces
    *"\u2581\u05d0\u0627\u0e33\u0958\U0001d400\U0001f468\U0001f469\U000e0041\U0010ffff",
    *"\ud800\udfff",
    "2011,",
    "``",
    "''",
    "[MASK]",
    "<pad>",
    "\u0065\u0301",
]
STRINGS = st.one_of(
    st.text(st.characters(exclude_categories=[])),
    st.lists(st.sampled_from(TRICKY), max_size=30).map("".join),
    st.lists(st.one_of(st.sampled_from(TRICKY), st.characters(exclude_categories=[])), max_size=20).map("".join),
)


def visible(tokenizer: AlbertTokenizer, text: str) -> str:
    """What cleaning and SentencePiece's normaliser leave of a text, spaces taken out."""
    return tokenizer._encoder._pieces._plain.Normalize(clean(text, tokenizer._encoder._rules)).replace(SPACE, "")


def check_laws(tokenizer: AlbertTokenizer, text: str, split: bool) -> EncodedText:
    """Every law that spans obey; the text is the failing example."""
    encoded = tokenizer.encode_with_offsets(text, split_special_tokens=split)
    spans = list(zip(encoded.starts, encoded.ends, strict=True))
    assert encoded.ids == tokenizer.encode_batch([text], split_special_tokens=split)[0]
    assert len(spans) == len(encoded.ids) == len(encoded.pieces)
    assert all(0 <= start <= end <= len(text) for start, end in spans), "inside the string"
    assert encoded.starts == sorted(encoded.starts), "starts never go back"
    assert encoded.ends == sorted(encoded.ends), "ends never go back"
    covered = {i for start, end in spans for i in range(start, end)}
    for i, char in enumerate(text):
        assert i in covered or not visible(tokenizer, char), f"character {i} is kept but in no span"
    for i, (start, end) in enumerate(spans):
        surface = encoded.pieces[i].replace(SPACE, "")
        if (start, end) in encoded.tokens_at:
            assert text[start:end].lower() == surface.lower()
            continue
        alone = (i == 0 or spans[i - 1][1] <= start) and (i + 1 == len(spans) or end <= spans[i + 1][0])
        if alone and surface and tokenizer.algorithm == "transformers":  # the original lower-cases sigma in context
            assert visible(tokenizer, text[start:end]) == surface, f"piece {i} from {text[start:end]!r}"
        dropped = not tokenizer.keep_accents and end < len(text) and unicodedata.combining(text[end])
        assert not (dropped and end > start), f"piece {i} ends before a dropped mark"
    return encoded


@pytest.mark.parametrize("name", SETTINGS)
@given(text=STRINGS, split=st.booleans())
@settings(deadline=None)
def test_spans_obey_the_laws(name: str, text: str, split: bool) -> None:
    check_laws(TOKENIZERS[name], text, split)


@pytest.mark.parametrize("name", SETTINGS)
@given(text=STRINGS)
@settings(deadline=None)
def test_cleaning_with_a_map_equals_cleaning(name: str, text: str) -> None:
    rules = TOKENIZERS[name]._encoder._rules
    mapped = clean_mapped(text, rules)
    assert mapped.text == clean(text, rules)
    assert len(mapped.starts) == len(mapped.ends) == len(mapped.text)


def plain_transformers(text: str) -> str:
    """The slow tokenizer's cleaning, restated from its description."""
    text = "".join(char.lower() for char in "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text))
    text = " ".join(text.split()).replace("``", '"').replace("''", '"')
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).lower()


def plain_original(text: str) -> str:
    """The original code's cleaning, restated from its description."""
    text = " ".join("".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text).split())
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).lower()


@pytest.mark.parametrize(("name", "plain"), [("uncased", plain_transformers), ("original", plain_original)])
@given(text=STRINGS)
@settings(deadline=None)
def test_cleaning_equals_its_description(name: str, plain: Callable[[str], str], text: str) -> None:
    assert clean(text, TOKENIZERS[name]._encoder._rules) == plain(text)
