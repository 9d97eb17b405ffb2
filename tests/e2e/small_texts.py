"""Texts that a small model can learn from within seconds: documents to pretrain on, film reviews in SST-2's form."""

from __future__ import annotations

import random
from pathlib import Path

SUBJECTS = ["the film", "this story", "the acting", "a quiet evening", "the second half", "her new book", "the music"]
GOOD = ["bright", "moving", "clever", "warm", "honest", "fresh", "splendid", "charming"]
BAD = ["dull", "clumsy", "tired", "cold", "hollow", "stale", "dreadful", "tedious"]
ENDINGS = ["from start to end", "and everyone knew it", "as we had hoped", "in every scene", "once more"]


def review(draw: random.Random) -> tuple[str, int]:
    """One sentence and whether it praises."""
    praises = draw.randrange(2)
    words = [draw.choice(SUBJECTS), "was", draw.choice(GOOD if praises else BAD), draw.choice(ENDINGS)]
    return " ".join(words[: draw.randint(3, 4)]), praises


def write_corpus(path: Path, *, documents: int = 60, seed: int = 1) -> Path:
    """Documents with blank lines between them."""
    draw = random.Random(seed)
    texts = [" ".join(f"{review(draw)[0]}." for _ in range(draw.randint(20, 40))) for _ in range(documents)]
    path.write_text("\n\n".join(texts) + "\n")
    return path


def write_reviews(folder: Path, *, train: int = 160, dev: int = 40, test: int = 12) -> Path:
    """Write the three files of SST-2 in their official form."""
    folder.mkdir(parents=True)
    for name, number, seed in (("train", train, 2), ("dev", dev, 3)):
        draw = random.Random(seed)
        rows = [f"{text}\t{label}" for text, label in (review(draw) for _ in range(number))]
        (folder / f"{name}.tsv").write_text("\n".join(["sentence\tlabel", *rows, ""]))
    draw = random.Random(4)
    rows = [f"{number}\t{review(draw)[0]}" for number in range(test)]
    (folder / "test.tsv").write_text("\n".join(["index\tsentence", *rows, ""]))
    return folder
