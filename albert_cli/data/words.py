"""Where words begin among the pieces of a vocabulary, so that masking can hide whole words.

Three rules:

- ``spaces``: a piece begins a word where the text had a space before it, that is where it begins with "▁". In scripts
  that are written without spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan) every piece
  counts as a word, else a whole sentence would be one. Punctuation belongs to the word before it.
- ``english``: the rule of the original code. A piece goes on with the word before it only if it consists of the letters
  a to z and of ASCII punctuation other than ' < = >; single punctuation marks begin a word. Digits, accents and every
  other script begin one too, so outside English nearly every piece is a word.
- ``off``: every piece is a word.

In a vocabulary of WordPiece, where "##" marks the pieces that go on with a word, ``spaces`` and ``english`` both mean
that mark, as in the original code: a Chinese character and a punctuation mark are words.
"""

from __future__ import annotations

import string
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

WholeWord = Literal["spaces", "english", "off"]

CONTINUES, STARTS, SPECIAL = 0, 1, 2

_SPACE, _CONTINUES = "▁", "##"
_MARKS = frozenset(string.punctuation) - frozenset("'<=>")
_ENGLISH = frozenset(string.ascii_letters) | _MARKS
_UNSPACED = ("CJK ", "HIRAGANA", "KATAKANA", "THAI ", "LAO ", "KHMER ", "MYANMAR ", "TIBETAN ", "YI ", "BOPOMOFO")


class Vocabulary(Protocol):
    """What masking asks of a tokenizer."""

    pad_token_id: int
    unk_token_id: int
    cls_token_id: int
    sep_token_id: int
    mask_token_id: int

    def piece_table(self) -> list[str]:
        """Pieces by id."""


@dataclass(frozen=True)
class PieceKinds:
    """What each piece of a vocabulary is.

    Attributes:
        code: (V,) uint8: 0 goes on with a word, 1 begins one, 2 is [CLS] or [SEP] and is never hidden.
        ordinary: ids that may stand in for a hidden piece, int64: all but the five control symbols.
        cls: id of [CLS].
        sep: id of [SEP].
        mask: id of [MASK].
        unk: id of <unk>.
    """

    code: np.ndarray
    ordinary: np.ndarray
    cls: int
    sep: int
    mask: int
    unk: int

    @property
    def size(self) -> int:
        """V."""
        return len(self.code)


def piece_kinds(vocabulary: Vocabulary, whole_word: WholeWord) -> PieceKinds:
    """Sort the pieces of a tokenizer by a word rule."""
    pieces = vocabulary.piece_table()
    code = np.asarray(word_starts(pieces, whole_word), dtype=np.uint8)
    code[[vocabulary.cls_token_id, vocabulary.sep_token_id]] = SPECIAL
    control = [
        vocabulary.pad_token_id,
        vocabulary.unk_token_id,
        vocabulary.cls_token_id,
        vocabulary.sep_token_id,
        vocabulary.mask_token_id,
    ]
    return PieceKinds(
        code=code,
        ordinary=np.setdiff1d(np.arange(len(pieces)), control),
        cls=vocabulary.cls_token_id,
        sep=vocabulary.sep_token_id,
        mask=vocabulary.mask_token_id,
        unk=vocabulary.unk_token_id,
    )


def word_starts(pieces: Sequence[str], whole_word: WholeWord) -> list[bool]:
    """Whether each piece begins a word under a rule."""
    if whole_word == "off":
        return [True] * len(pieces)
    if is_wordpiece(pieces):
        return [not piece.startswith(_CONTINUES) for piece in pieces]
    rule = starts_english_word if whole_word == "english" else starts_spaced_word
    return [rule(piece) for piece in pieces]


def is_wordpiece(pieces: Sequence[str]) -> bool:
    """Whether a vocabulary marks how words go on ("##ing") and not how they begin ("▁the"), by the larger number."""
    marks = Counter(_CONTINUES if piece.startswith(_CONTINUES) else piece[:1] for piece in pieces)
    return marks[_CONTINUES] > marks[_SPACE]


def starts_spaced_word(piece: str) -> bool:
    """The rule ``spaces``."""
    return piece.startswith(_SPACE) or _any_unspaced(piece)


def starts_english_word(piece: str) -> bool:
    """The rule ``english``, that of the original code (create_pretraining_data.py)."""
    if piece.startswith((_SPACE, "<")) or piece in _MARKS:
        return True
    return not _ENGLISH.issuperset(piece)


def _any_unspaced(characters: Iterable[str]) -> bool:
    return any(unicodedata.name(character, "").startswith(_UNSPACED) for character in characters)
