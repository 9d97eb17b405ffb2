"""A small tokenizer and small texts, so that pretraining data can be tested without a trained vocabulary."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

CONTROL = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]


class LetterTokenizer:
    """Every letter a piece; the first of a word carries the space before it."""

    pad_token_id, unk_token_id, cls_token_id, sep_token_id, mask_token_id = range(5)

    def __init__(self, letters: str = string.ascii_lowercase + string.digits + ".,'-") -> None:
        self.pieces = [*CONTROL, *("▁" + letter for letter in letters), *letters]
        self.ids = {piece: number for number, piece in enumerate(self.pieces)}
        self.calls = 0

    @property
    def vocab_size(self) -> int:
        return len(self.pieces)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(" ".join(self.pieces).encode()).hexdigest()

    def piece_table(self) -> list[str]:
        return list(self.pieces)

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        self.calls += 1
        return [[self._id(piece) for word in text.lower().split() for piece in self._pieces(word)] for text in texts]

    def flat_encoder(self) -> Callable[[Sequence[str]], tuple[np.ndarray, np.ndarray]]:
        def encode(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
            rows = self.encode_batch(list(texts))
            sizes = np.array([len(row) for row in rows], dtype=np.int64)
            return np.array([piece for row in rows for piece in row], dtype=np.int32), sizes

        return encode

    def decode(self, ids: list[int]) -> str:
        return "".join(self.pieces[piece] for piece in ids).replace("▁", " ").strip()

    def _id(self, piece: str) -> int:
        return self.ids.get(piece, self.unk_token_id)

    @staticmethod
    def _pieces(word: str) -> list[str]:
        return ["▁" + word[0], *word[1:]]


def sentences(count: int, *, seed: int, words: tuple[int, int] = (3, 9)) -> list[str]:
    """Made-up sentences."""
    rng = np.random.default_rng(seed)
    letters = np.array(list(string.ascii_lowercase))
    made = []
    for _ in range(count):
        sizes = rng.integers(2, 7, size=rng.integers(*words))
        made.append(" ".join("".join(rng.choice(letters, size=size)) for size in sizes) + ".")
    return made


def write_corpus(folder: Path, *, documents: int = 12, sentences_each: int = 15, seed: int = 0) -> Path:
    """A file of documents, a sentence per line, blank lines between documents."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = ["\n".join(sentences(sentences_each, seed=seed + number)) for number in range(documents)]
    path = folder / "corpus.txt"
    path.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    return path
