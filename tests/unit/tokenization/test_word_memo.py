"""Text through a table of words: the ids are those of SentencePiece over the whole text, whatever the text."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from albert_cli.tokenization import word_memo
from albert_cli.tokenization.spm_file import USER_DEFINED, Piece, SpmModel, build_spm, parse_spm, read_model_bytes
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.tokenization.word_memo import has_one_best_cut, word_scores

CONTROL = [
    Piece("<pad>", 0.0, 3),
    Piece("<unk>", 0.0, 2),
    *(Piece(name, 0.0, 3) for name in ("[CLS]", "[SEP]", "[MASK]")),
]


def tokenizer_of(folder: Path, pieces: list[Piece], **settings: object) -> AlbertTokenizer:
    """A tokenizer over a vocabulary written by hand."""
    model = SpmModel((*CONTROL, *pieces), trainer_ids=(1, -1, -1, 0), **settings)  # type: ignore[arg-type]
    path = folder / "spiece.model"
    path.write_bytes(build_spm(model))
    return AlbertTokenizer(str(path))


def rows_of(tokenizer: AlbertTokenizer, texts: list[str], parts: int = 1) -> list[list[int]]:
    encode = tokenizer.flat_encoder()
    rows: list[list[int]] = []
    for start in range(0, len(texts), -(-len(texts) // parts)):
        ids, sizes = encode(texts[start : start + -(-len(texts) // parts)])
        rows += [row.tolist() for row in np.split(ids, np.cumsum(sizes)[:-1])]
    return rows


TEXTS = [
    "The cat sat, and the dog 2,011 times; again and again!",
    "",
    "   spaces\tand\u00a0others\u3000here ",
    "Ünï̈code, \u0301accents first, ﬁne ligatures … and “quotes”",
    "日本語のテキスト ไทย नमस्ते 🙂 ⁇ \u2581 \u2581\u2581x",
    "xxxxxxxxxxxx yyyyyyyy hahahahaha ......... ------",
    "[MASK] [CLS] <pad> a [SEP]b",
    "\ud800 lone and \ufffd replaced \x00 nul",
    "a" * 200 + " " + "word " * 3000,
]


@pytest.mark.parametrize("parts", [1, 3])
def test_ids_are_those_of_the_whole_text(tiny_tokenizer: Path, parts: int) -> None:
    tokenizer = AlbertTokenizer.from_pretrained(tiny_tokenizer)
    assert tokenizer.flat_encoder()._memo is not None
    assert rows_of(tokenizer, TEXTS, parts) == tokenizer.encode_batch(TEXTS)


def test_ids_are_those_of_the_whole_text_for_random_words(tiny_tokenizer: Path) -> None:
    tokenizer = AlbertTokenizer.from_pretrained(tiny_tokenizer)
    draw = random.Random(5)
    texts = [
        " ".join("".join(draw.choices("aabeinorst,.'2é", k=draw.randint(1, 9))) for _ in range(draw.randint(1, 30)))
        for _ in range(400)
    ]
    assert rows_of(tokenizer, texts, 7) == tokenizer.encode_batch(texts)


def test_forgetting_words_changes_nothing(tiny_tokenizer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_memo.WordMemo.__init__, "__kwdefaults__", {"capacity": 40})
    tokenizer = AlbertTokenizer.from_pretrained(tiny_tokenizer)
    draw = random.Random(6)
    texts = [" ".join(f"word{draw.randint(0, 60)}" for _ in range(12)) for _ in range(300)]
    encode = tokenizer.flat_encoder()
    for start in range(0, 300, 3):
        ids, _ = encode(texts[start : start + 3])
        assert ids.tolist() == [index for row in tokenizer.encode_batch(texts[start : start + 3]) for index in row]
    assert encode._memo is not None
    assert len(encode._memo._codes) <= 40 + 36


def test_a_word_that_can_be_cut_in_two_equally_good_ways_is_left_to_the_whole_text(tmp_path: Path) -> None:
    # "xxx" is x|xx or xx|x, equally good; which one SentencePiece takes depends on rounding, so on what stands before.
    pieces = [Piece("▁", -2.1), Piece("x", -3.3), Piece("xx", -4.7), Piece("a", -2.7), Piece("▁a", -3.9)]
    tokenizer = tokenizer_of(tmp_path, pieces)
    texts = ["a " * count + "xxx" for count in range(200)]
    assert rows_of(tokenizer, texts) == tokenizer.encode_batch(texts)
    tails = {tuple(row[-2:]) for row in tokenizer.encode_batch(texts)}
    assert len(tails) == 2  # else this test would show nothing


@pytest.mark.parametrize(
    ("text", "one"), [("▁ab", True), ("▁abab", True), ("▁xxx", False), ("▁qxxq", True), ("▁q", True)]
)
def test_ties_are_found(text: str, one: bool) -> None:
    scores = {"▁": -2.0, "a": -3.0, "b": -3.0, "ab": -4.0, "x": -3.0, "xx": -4.0, "▁ab": None}
    assert has_one_best_cut(text, scores, unknown=-20.0, tolerance=0.02) is one


def test_a_near_tie_counts_as_one(tmp_path: Path) -> None:
    scores = {"▁": -2.0, "a": -3.0, "b": -3.0, "ab": -6.01, "c": -9.0, "bc": -12.5}
    assert not has_one_best_cut("▁ab", scores, unknown=-20.0, tolerance=0.02)
    assert has_one_best_cut("▁ab", scores, unknown=-20.0, tolerance=0.005)
    assert not has_one_best_cut("▁abc", scores, unknown=-20.0, tolerance=0.02)


def test_vocabularies_whose_pieces_go_over_spaces_are_not_cut_into_words(tmp_path: Path) -> None:
    pieces = [Piece("▁", -2.1), *(Piece(letter, -3.0) for letter in "abc"), Piece("a▁b", -2.0)]
    tokenizer = tokenizer_of(tmp_path, pieces)
    assert tokenizer.flat_encoder()._memo is None
    texts = ["a b c", "ca bc", ""]
    assert rows_of(tokenizer, texts) == tokenizer.encode_batch(texts)
    assert word_scores(parse_spm(read_model_bytes(tmp_path / "spiece.model"))) is None


def test_user_defined_pieces_always_win(tmp_path: Path) -> None:
    pieces = [
        Piece("▁", -2.1),
        *(Piece(letter, -3.0) for letter in "abc"),
        Piece("bc", -1.0),
        Piece("-", 0.0, USER_DEFINED),
    ]
    tokenizer = tokenizer_of(tmp_path, pieces)
    texts = ["a-bc b--c", "-", "a - b", "cb-"]
    assert rows_of(tokenizer, texts) == tokenizer.encode_batch(texts)


@pytest.mark.shared
def test_ids_of_novels_and_of_other_scripts_are_those_of_the_whole_text(shared_dir: Path) -> None:
    tokenizer = AlbertTokenizer(str(shared_dir / "data/albert_spm/spiece.model"))
    files = [shared_dir / "data/pretrain/en_novels/Haggard_Mines_1885.txt"]
    files += sorted((shared_dir / "data/pretrain/multilingual").glob("*.txt"))
    for file in files:
        texts = file.read_text(encoding="utf-8", errors="replace").split("\n")[:600]
        assert rows_of(tokenizer, texts, 3) == tokenizer.encode_batch(texts), file.name
