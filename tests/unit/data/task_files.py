"""Small task files for tests, written as the real ones are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class LetterTokenizer:
    """Stand-in for a tokenizer: a token for each character that is not a space."""

    cls_token_id = 2
    sep_token_id = 3

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [[10 + ord(letter) % 200 for letter in text if letter != " "] for text in texts]


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def sst2_folder(folder: Path) -> Path:
    """SST-2 in its official layout: no index in train and dev, no label in test."""
    rows = ["sentence\tlabel", 'a "quoted film \t1', "NA\t0", "null\t1", "nan\t0", "dull , dull , dull \t0"]
    write(folder / "train.tsv", "\n".join(rows) + "\n")
    write(folder / "dev.tsv", "sentence\tlabel\nfine \t1\nawful \t0\n")
    write(folder / "test.tsv", "index\tsentence\n0\tso so \n1\tgreat \n")
    return folder
