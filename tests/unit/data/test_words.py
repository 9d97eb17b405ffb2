"""Where words begin among pieces."""

from __future__ import annotations

import numpy as np
import pytest
from pretraining_toys import LetterTokenizer

from albert_cli.data.words import SPECIAL, piece_kinds, starts_english_word, starts_spaced_word, word_starts


@pytest.mark.parametrize(
    ("piece", "begins"),
    # The cases that the specification of the original rule names.
    [
        ("▁the", True), ("▁", True), ("ing", False), ("ING", False), ("<unk>", True), ("<pad>", True), (".", True),
        (",", True), ("-", True), ("'", True), ("=", True), ("...", False), ("--", False), ("00", True), ("s.", False),
        ("é", True), ("ия", True), ("语", True), ("£", True), ("[CLS]", False), ("e-", False), ("n't", True),
    ],
)  # fmt: skip
def test_english_rule(piece: str, begins: bool) -> None:
    assert starts_english_word(piece) == begins


@pytest.mark.parametrize(
    ("piece", "begins"),
    [
        ("▁the", True), ("ing", False), (".", False), ("'", False), ("00", False), ("é", False), ("ия", False),
        ("करना", False), ("语", True), ("モデル", True), ("ภาษา", True), ("ing语", True), ("한국", False),
    ],
)  # fmt: skip
def test_spaces_rule(piece: str, begins: bool) -> None:
    assert starts_spaced_word(piece) == begins


def test_off_makes_every_piece_a_word() -> None:
    assert word_starts(["▁a", "b", "."], "off") == [True, True, True]


def test_kinds_of_a_vocabulary() -> None:
    kinds = piece_kinds(LetterTokenizer(), "spaces")
    assert kinds.size == LetterTokenizer().vocab_size
    assert kinds.code[[2, 3]].tolist() == [SPECIAL, SPECIAL]
    assert kinds.code[5] == 1  # ▁a
    assert kinds.code[-1] == 0
    assert np.array_equal(kinds.ordinary, np.arange(5, kinds.size))
