"""Tags that no model of the run gave: saved ones, and what knowing the words alone gives.

Shapes: W words of a split, C tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from albert_cli.data.conll_files import conll_text, read_conll
from albert_cli.data.readers_json import read_jsonl
from albert_cli.errors import DataError
from albert_cli.files.text import safe_line
from albert_cli.metrics.tag_spans import TagTable


def word_baseline(
    train_words: Sequence[Sequence[str]], train_tags: np.ndarray, words: Sequence[Sequence[str]], *, num_tags: int
) -> tuple[np.ndarray, int]:
    """The tag that each word most often has in the training sentences; other words get the most frequent tag of all.

    Args:
        train_words: of each sentence.
        train_tags: tag numbers of all their words one after another.
        words: of each sentence to tag.
        num_tags: C.

    Returns:
        (W,) int64 tags, and the most frequent tag.
    """
    numbers: dict[str, int] = {}
    flat = [numbers.setdefault(word, len(numbers)) for sentence in train_words for word in sentence]
    counts = np.zeros((len(numbers) + 1, num_tags), dtype=np.int64)
    np.add.at(counts, (np.asarray(flat, dtype=np.int64), train_tags), 1)
    counts[-1] = counts.sum(axis=0)  # of unknown words
    best = counts.argmax(axis=1)
    said = [best[numbers.get(word, -1)] for sentence in words for word in sentence]
    return np.asarray(said, dtype=np.int64), int(best[-1])


def column_file(records: Callable[[], Iterable[Mapping[str, Any]]]) -> Iterator[str]:
    """A column file of words and predicted tags from the objects of the JSON Lines."""
    sentences = [(row["tokens"], row["prediction"]) for row in records()]
    yield conll_text([words for words, _ in sentences], [tags for _, tags in sentences])


def read_saved_tags(path: Path, words: Sequence[Sequence[str]], table: TagTable) -> np.ndarray:
    """Read predicted tags of a split.

    Args:
        path: JSON Lines with ``index`` and ``prediction`` in any order, or a column file with the tags last.
        words: of each sentence of the split.
        table: the tags.

    Returns:
        (W,) int64 tag numbers.

    Raises:
        DataError: located: other sentences, another number of words, an unknown tag.
    """
    is_json = path.name.removesuffix(".gz").endswith((".jsonl", ".ndjson"))
    sentences, places = _from_json(path, len(words)) if is_json else _from_columns(path, words)
    said: list[int] = []
    for row, tags in enumerate(sentences):
        if len(tags) != len(words[row]):
            raise DataError(
                f"{len(tags)} tags for {len(words[row])} words ({places[row]})",
                hint="predict the same split that is scored",
            )
        for tag in tags:
            if tag not in table.numbers:
                known = ", ".join(safe_line(name, limit=40) for name in table.names[:12])
                raise DataError(
                    f"unknown tag {safe_line(str(tag), limit=60)!r} ({places[row]})", hint=f"known tags: {known}"
                )
            said.append(table.numbers[tag])
    return np.asarray(said, dtype=np.int64)


def _from_json(path: Path, number: int) -> tuple[list[list[str]], list[str]]:
    table = read_jsonl(path)
    if "index" not in table.columns or "prediction" not in table.columns:
        found = ", ".join(safe_line(name) for name in table.columns)
        raise DataError(
            f"no columns index and prediction ({safe_line(str(path))} has: {found})",
            hint="give a file that `albert predict` wrote",
        )
    rows: dict[int, int] = {}
    for row, index in enumerate(table.columns["index"]):
        if type(index) is not int or not 0 <= index < number or index in rows:
            raise DataError(
                f"sentence {safe_line(str(index), limit=40)} is none of the split's, or is there twice "
                f"({table.place(row)})",
                hint="predict the same split that is scored",
            )
        if not isinstance(table.columns["prediction"][row], list):
            raise DataError(f"the prediction is no list of tags ({table.place(row)})", hint="a tag for each word")
        rows[index] = row
    if len(rows) != number:
        raise _other_number(path, len(rows), number)
    order = [rows[index] for index in range(number)]
    return [table.columns["prediction"][row] for row in order], [table.place(row) for row in order]


def _from_columns(path: Path, words: Sequence[Sequence[str]]) -> tuple[list[list[str]], list[str]]:
    file = read_conll(path, word_column=1, tag_column=-1)
    # An empty sentence cannot be seen in a column file.
    filled = [row for row, sentence in enumerate(words) if sentence]
    if file.tags is None or len(file.tags) != len(filled):
        raise _other_number(path, 0 if file.tags is None else len(file.tags), len(filled))
    tags: list[list[str]] = [[] for _ in words]
    places = [safe_line(str(path))] * len(words)
    for row, sentence, lines in zip(filled, file.tags, file.lines, strict=True):
        tags[row], places[row] = sentence, f"{safe_line(str(path))}:{lines[0]}"
    return tags, places


def _other_number(path: Path, found: int, expected: int) -> DataError:
    return DataError(
        f"predictions of {found} sentences for {expected} ({safe_line(str(path))})",
        hint="predict the same split that is scored",
    )
