"""Equal to transformers 4.57 and to plain restatements, on a small model of our own: needs the repository alone."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import sentencepiece

from albert_cli.tokenization.tokenizer import AlbertTokenizer

FOLDER = Path(__file__).resolve().parents[1] / "goldens" / "tokenizer"
MODEL = FOLDER / "spiece.model"
CLEANINGS: dict[str, dict[str, bool]] = {
    "uncased": {},
    "cased": {"do_lower_case": False},
    "accents": {"do_lower_case": False, "keep_accents": True},
    "lower_accents": {"keep_accents": True},
}
CONTENT: dict[str, Any] = json.loads((FOLDER / "answers.json").read_text())
TEXTS: list[str] = CONTENT["texts"]
ANSWERS: dict[str, list[Any]] = CONTENT["transformers_4_57_1_slow"]


@pytest.mark.parametrize("cleaning", CLEANINGS)
def test_ids_are_those_of_transformers_457(cleaning: str) -> None:
    tokenizer = AlbertTokenizer(MODEL, **CLEANINGS[cleaning])
    ours = tokenizer.encode_batch(TEXTS, split_special_tokens=False)
    wrong = [text for text, ids, theirs in zip(TEXTS, ours, ANSWERS[cleaning], strict=True) if ids != theirs]
    assert len(TEXTS) > 250
    assert wrong == []
    one_by_one = [tokenizer(text, add_special_tokens=False).input_ids for text in TEXTS]
    assert one_by_one == ours == [tokenizer.encode_with_offsets(t, split_special_tokens=False).ids for t in TEXTS]


def test_decoded_text_is_that_of_transformers_457() -> None:
    tokenizer = AlbertTokenizer(MODEL)
    for text, decoded, plain in zip(TEXTS, ANSWERS["decoded"], ANSWERS["decoded_plain"], strict=True):
        ids = tokenizer(text).input_ids
        assert tokenizer.decode(ids) == decoded
        assert tokenizer.decode(ids, skip_special_tokens=True) == plain


def original_pieces(processor: sentencepiece.SentencePieceProcessor, text: str) -> list[str]:
    """The original code's text to pieces, restated: clean, encode, take numbers and their comma apart."""
    text = unicodedata.normalize("NFKD", " ".join(text.strip().split()))
    text = "".join(char for char in text if not unicodedata.combining(char)).lower()
    pieces: list[str] = []
    for piece in processor.encode(text, out_type=str):
        if len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit():
            pieces += [*processor.encode(piece[:-1].replace("\u2581", ""), out_type=str), ","]
        else:
            pieces.append(piece)
    return pieces


def test_the_original_algorithm_is_the_original_code_restated() -> None:
    processor = sentencepiece.SentencePieceProcessor(model_file=str(MODEL))
    tokenizer = AlbertTokenizer(MODEL, algorithm="original")
    documented = AlbertTokenizer(MODEL)
    differ = 0
    for text in TEXTS:
        expected = [processor.piece_to_id(piece) for piece in original_pieces(processor, text)]
        assert tokenizer(text, add_special_tokens=False).input_ids == expected
        differ += expected != documented(text, add_special_tokens=False).input_ids
    assert differ > 20, "the texts must tell the algorithms apart"
