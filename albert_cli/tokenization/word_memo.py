"""How does a large text become ids quickly? Each word is encoded once and looked up from then on.

SentencePiece's pieces carry the space before a word, so where none goes on over a space the best pieces of a sentence
are those of its words, one after another. There is one exception: SentencePiece adds up scores in single precision from
the start of the text, so where two ways to cut a word are (nearly) equally good, what comes before it decides. Such
words are found when they are first met, and sentences with one are left to SentencePiece. The ids are therefore always
those of ``PieceEncoder.encode``.

Shapes: S texts, W words, T ids.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from itertools import repeat

import numpy as np

from albert_cli.tokenization.pieces import SPACE, PieceEncoder
from albert_cli.tokenization.spm_file import NORMAL, UNIGRAM, USER_DEFINED, SpmModel

_CAPACITY = 1 << 18  # words of a generation; bounds the memory to some 70 MB
_STEMS = 1 << 16
_LONGEST_WORD = 48  # characters; longer ones are rarely words
# Single precision errs by less than a hundredth over texts of this many characters.
_LONGEST_TEXT = 8000
_TOLERANCE = 0.02
_WORST = float("-inf")
_ABSENT = float("inf")
_UNKNOWN_PENALTY = 10.0  # SentencePiece: below the worst piece


class WordMemo:
    """Ids of clean texts through a table of words.

    Args:
        pieces: the encoder that it stands for.
        scores: best score of each string that is a piece; None for a string that pieces only begin with.
        capacity: words of a generation; two are remembered.
    """

    def __init__(self, pieces: PieceEncoder, scores: Mapping[str, float | None], *, capacity: int = _CAPACITY) -> None:
        self._pieces = pieces
        self._scores = scores
        self._unknown = min((s for s in scores.values() if s is not None), default=0.0) - _UNKNOWN_PENALTY
        self._capacity = capacity
        self._codes: dict[str, int] = {}
        self._older: dict[str, int] = {}
        self._unsure: set[int] = set()
        self._pairs = {text[at : at + 2] for text in scores for at in range(len(text) - 1)}
        self._stems: dict[str, bool] = {}
        self._store = _Rows()

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Ids of clean texts, one after another.

        Args:
            texts: clean text.

        Returns:
            (T,) int32 ids of all texts; (S,) int64 number of ids of each.
        """
        if not texts:
            return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64)
        counts = np.fromiter((text.count(" ") for text in texts), dtype=np.int64, count=len(texts)) + 1
        words = " ".join(texts).split(" ")
        codes = self._look_up(words)
        first = np.cumsum(counts) - counts
        held = len(self._store)
        self._replace_unsure(texts, codes, first, counts)
        ids, sizes = self._store.join(codes)
        self._store.shrink(held)
        return ids, np.add.reduceat(sizes, first)

    def _look_up(self, words: list[str]) -> np.ndarray:
        """(W,) code of each word; new words are taken in."""
        codes = self._known(words)
        missing = np.flatnonzero(codes < 0)
        if len(missing):
            absent = dict.fromkeys([words[place] for place in missing.tolist()])
            if len(self._codes) + len(absent) > self._capacity:
                self._age()
                codes = self._known(words)
                missing = np.flatnonzero(codes < 0)
                absent = dict.fromkeys([words[place] for place in missing.tolist()])
            self._codes.update({word: self._older.pop(word) for word in absent if word in self._older})
            self._take_in([word for word in absent if word not in self._codes])
            codes[missing] = self._known([words[place] for place in missing.tolist()])
        return codes

    def _known(self, words: list[str]) -> np.ndarray:
        return np.fromiter(map(self._codes.get, words, repeat(-1)), dtype=np.int64, count=len(words))

    def _age(self) -> None:
        """Forget the words that were not met since the last time; those that were become the older ones."""
        kept = np.fromiter(self._codes.values(), dtype=np.int64, count=len(self._codes))
        self._unsure = set(np.flatnonzero(np.isin(kept, list(self._unsure))).tolist())
        self._store.keep(kept)
        self._older = {word: number for number, word in enumerate(self._codes)}
        self._codes = {}

    def _take_in(self, words: list[str]) -> None:
        if not words:
            return
        start = len(self._store)
        self._store.add(self._pieces.encode(words))
        for code, (word, normal) in enumerate(zip(words, self._pieces.normalise(words), strict=True), start):
            self._codes[word] = code
            if not self._is_sure(word, normal):
                self._unsure.add(code)

    def _is_sure(self, word: str, normal: str) -> bool:
        """Whether a word has the same pieces wherever it stands."""
        if len(normal) > _LONGEST_WORD:
            return False
        if not word.isascii() and unicodedata.category(word[0])[0] == "M":
            return False  # a combining mark might join the space before it
        size = len(normal)
        while size > 1 and normal[size - 2 : size] not in self._pairs:
            size -= 1  # no piece goes over this place, so what follows does not matter: most often a comma or the like
        stem = normal[:size]
        if stem not in self._stems:
            if len(self._stems) >= _STEMS:
                self._stems.clear()
            sure = has_one_best_cut(stem, self._scores, unknown=self._unknown, tolerance=_TOLERANCE)
            self._stems[stem] = sure
        return self._stems[stem]

    def _replace_unsure(self, texts: Sequence[str], codes: np.ndarray, first: np.ndarray, counts: np.ndarray) -> None:
        """Encode texts with unsure words as a whole: the first word stands for all ids, the others for none."""
        unsure = np.isin(codes, np.fromiter(self._unsure, dtype=np.int64, count=len(self._unsure)))
        whole = np.logical_or.reduceat(unsure, first)
        whole |= np.fromiter((len(text) > _LONGEST_TEXT for text in texts), dtype=bool, count=len(texts))
        places = np.flatnonzero(whole)
        if not len(places):
            return
        start = len(self._store)
        self._store.add([[], *self._pieces.encode([texts[place] for place in places.tolist()])])
        for number, place in enumerate(places.tolist(), start=1):
            begin = first[place]
            codes[begin : begin + counts[place]] = start
            codes[begin] = start + number


class _Rows:
    """Rows of ids in one flat array, by number."""

    def __init__(self) -> None:
        self._flat = np.zeros(1 << 12, dtype=np.int32)
        self._ends = np.zeros(1, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, rows: Sequence[Sequence[int]]) -> None:
        ends = self._ends[-1] + np.cumsum([len(row) for row in rows], dtype=np.int64)
        if ends[-1] > len(self._flat):
            self._flat = np.concatenate([self._flat, np.zeros(max(len(self._flat), int(ends[-1])), dtype=np.int32)])
        new = slice(int(self._ends[-1]), int(ends[-1]))
        self._flat[new] = np.fromiter((index for row in rows for index in row), np.int32, new.stop - new.start)
        self._ends = np.concatenate([self._ends, ends])

    def join(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ids of rows one after another, and the number of ids of each."""
        begins = self._ends[numbers]
        sizes = self._ends[numbers + 1] - begins
        shift = begins - (np.cumsum(sizes) - sizes)
        return self._flat[np.arange(int(sizes.sum())) + np.repeat(shift, sizes)], sizes

    def shrink(self, count: int) -> None:
        self._ends = self._ends[: count + 1]

    def keep(self, numbers: np.ndarray) -> None:
        flat, sizes = self.join(numbers)
        self._flat, self._ends = flat, np.concatenate([[0], np.cumsum(sizes)])


def word_scores(model: SpmModel) -> dict[str, float | None] | None:
    """What ``WordMemo`` needs to know of a model; None if words of its texts cannot be encoded by themselves.

    Args:
        model: the SentencePiece model.
    """
    parted = all(" " not in piece.text and SPACE not in piece.text[1:] for piece in model.pieces)
    usable = model.model_type == UNIGRAM and model.add_dummy_prefix and model.remove_extra_whitespaces
    if not (parted and usable) or all(piece.text != SPACE for piece in model.pieces):
        return None
    best = max((piece.score for piece in model.pieces if piece.kind == NORMAL), default=0.0)
    scores: dict[str, float | None] = {}
    for piece in model.pieces:
        if piece.kind in (NORMAL, USER_DEFINED):
            # SentencePiece gives user-defined pieces a score that always wins.
            bonus = len(piece.text.encode()) * best - 0.1
            scores[piece.text] = bonus if piece.kind == USER_DEFINED else piece.score
    for text in list(scores):
        for end in range(1, len(text)):
            scores.setdefault(text[:end], None)
    return scores


def has_one_best_cut(text: str, scores: Mapping[str, float | None], *, unknown: float, tolerance: float) -> bool:
    """Whether the best way to cut a text into pieces beats all others by more than a tolerance.

    Args:
        text: as SentencePiece normalised it.
        scores: as in ``WordMemo``.
        unknown: score of a character that is no piece.
        tolerance: in score.
    """
    size, get = len(text), scores.get
    best = [_WORST] * (size + 1)  # score of the best way to each place
    rivalled = [False] * (size + 1)  # whether another way comes close to it; one that does not never will again
    best[0] = 0.0
    for start in range(size):
        before, doubt, last = best[start], rivalled[start], False
        for end in range(start + 1, size + 1):
            score = get(text[start:end], _ABSENT)
            if score is None or score is _ABSENT:
                if end == start + 1:
                    last = score is _ABSENT
                    score = unknown
                elif score is None:  # pieces only begin with it
                    continue
                else:
                    break
            reached, known = before + score, best[end]
            if reached > known + tolerance:
                best[end], rivalled[end] = reached, doubt
            elif reached > known - tolerance:
                best[end], rivalled[end] = max(reached, known), True
            if last:
                break
    return not rivalled[size]
