"""How are answers to questions written with the questions' identifiers, and read back to be scored without a model?

Shapes: N questions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from albert_cli.data.questions import MISSING, read_label
from albert_cli.data.raw_table import RawTable
from albert_cli.data.readers_arrow import read_parquet
from albert_cli.data.readers_delimited import read_csv, read_tsv, strict_lines
from albert_cli.data.readers_json import read_json, read_jsonl
from albert_cli.data.split_files import table_format
from albert_cli.errors import DataError
from albert_cli.files.json_text import parse_json
from albert_cli.files.text import safe_line

_READERS = {".tsv": read_tsv, ".csv": read_csv, ".json": read_json, ".parquet": read_parquet}
_HINT = "give a file that `albert predict` wrote for this split"


def answer_rows(
    dataset: Any, predictions: np.ndarray, *, scores: Sequence[np.ndarray] | None, letters: bool
) -> list[dict[str, Any]]:
    """Answers as objects that name their question.

    Args:
        dataset: the split, with the columns of `data.questions`.
        predictions: (N,) numbers of the choices that were taken.
        scores: probabilities of each question's choices; None where there are none.
        letters: whether choices are called A, B, ...; else by number from 0.

    Returns:
        One object per question: ``index``, ``id`` where the source has one, ``prediction``, ``choice`` (its text), and
        ``scores`` in the order of the choices.
    """
    if len(dataset) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(dataset)} questions")
    rows: list[dict[str, Any]] = []
    for number, question in enumerate(dataset.select_columns(["idx", "id", "choices"])):
        said = int(predictions[number])
        row: dict[str, Any] = {"index": question["idx"]}
        if question["id"]:
            row["id"] = question["id"]
        row |= {"prediction": label_name(said, letters=letters), "choice": question["choices"][said]}
        if scores is not None:
            row["scores"] = [round(float(score), 6) for score in scores[number]]
        rows.append(row)
    return rows


def label_name(number: int, *, letters: bool) -> str | int:
    """What a choice is called: a letter while there are any, or its number."""
    return chr(ord("A") + number) if letters and number < 26 else number


def answer_lines(records: Callable[[], Iterable[Mapping[str, Any]]]) -> Iterator[str]:
    """The objects of `answer_rows` as lines of tab-separated text with a header: index, id, prediction."""
    names: list[str] | None = None
    for row in records():
        if names is None:
            names = [name for name in ("index", "id", "prediction") if name in row]
            yield "\t".join(names) + "\n"
        yield "\t".join(" ".join(str(row[name]).split()) for name in names) + "\n"


def leaderboard_column(predictions: np.ndarray) -> str:
    """One number from 0 on each line, as the leaderboards of SWAG and HellaSwag take them."""
    return "".join(f"{int(number)}\n" for number in predictions)


def read_answers(path: Path, dataset: Any) -> tuple[np.ndarray, list[np.ndarray] | None]:
    """Read saved answers in the order of a split's questions.

    Args:
        path: JSON Lines, JSON, TSV or CSV with ``index`` or ``id``, and ``prediction`` (a number from 0, a letter, or
            the text of the choice); or one number on each line.
        dataset: the split that was answered.

    Returns:
        (N,) int64 numbers of the choices; and their probabilities where the file has ``scores`` for all.

    Raises:
        DataError: located: no such choice, a question twice, questions without an answer.
    """
    if not path.is_file():
        raise DataError(f"no file {safe_line(str(path))}", hint=_HINT)
    bare = _bare_column(path, dataset)
    if bare is not None:
        return bare, None
    table = _READERS.get(table_format(path) or "", read_jsonl)(path)
    key = next((name for name in ("index", "idx", "id") if name in table.columns), None)
    if key is None or "prediction" not in table.columns:
        found = ", ".join(safe_line(name) for name in table.columns)
        raise DataError(f"no columns index and prediction ({safe_line(str(path))} has: {found})", hint=_HINT)
    places = _places(table, key)
    questions = dataset.select_columns(["idx", "id", "choices"])[:]
    ids = [str(value) for value in questions["id" if key == "id" else "idx"]]
    missing = [name for name in ids if name not in places]
    if missing or len(places) != len(ids):
        problem = f"{len(places)} predictions for {len(ids)} questions"
        if missing:
            problem = f"{len(missing)} of {len(ids)} questions have no prediction, such as {safe_line(missing[0])!r}"
        raise DataError(f"{problem} ({safe_line(str(path))})", hint=_HINT)
    said = [
        _answer(table.columns["prediction"][places[name]], choices, place=table.place(places[name]))
        for name, choices in zip(ids, questions["choices"], strict=True)
    ]
    scores = _scores(table, [places[name] for name in ids], questions["choices"])
    return np.asarray(said, dtype=np.int64), scores


def _places(table: RawTable, key: str) -> dict[str, int]:
    places: dict[str, int] = {}
    for row, identifier in enumerate(table.columns[key]):
        if str(identifier) in places:
            raise DataError(
                f"question {safe_line(str(identifier))!r} is answered twice ({table.place(row)})",
                hint="remove one of them",
            )
        places[str(identifier)] = row
    return places


def _answer(value: Any, choices: Sequence[str], *, place: str) -> int:
    number = read_label(value, choices, place=place)
    if number == MISSING:
        raise DataError(f"no prediction ({place})", hint=_HINT)
    return number


def _scores(table: RawTable, rows: Sequence[int], choices: Sequence[Sequence[str]]) -> list[np.ndarray] | None:
    """Probabilities of the choices; None unless every question has one number for each of its choices."""
    if "scores" not in table.columns:
        return None
    scores: list[np.ndarray] = []
    for row, offered in zip(rows, choices, strict=True):
        value = table.columns["scores"][row]
        try:
            given = np.asarray(parse_json(value) if isinstance(value, str) else value, dtype=np.float64)
        except (TypeError, ValueError):
            return None
        if given.shape != (len(offered),) or not np.isfinite(given).all():
            return None
        scores.append(given)
    return scores


def _bare_column(path: Path, dataset: Any) -> np.ndarray | None:
    """Answers of a file with nothing but a number (or letter) on each line; None for any other file."""
    if table_format(path) in (".jsonl", ".ndjson", ".json", ".parquet"):
        return None
    lines = [(number, line.strip()) for number, line in strict_lines(path) if line.strip()]
    if not lines or any(len(line) > 3 or not line.isalnum() for _, line in lines):
        return None
    choices = dataset.select_columns(["choices"])[:]["choices"]
    if len(lines) != len(choices):
        raise DataError(f"{len(lines)} predictions for {len(choices)} questions ({safe_line(str(path))})", hint=_HINT)
    said = [
        _answer(line, offered, place=f"{safe_line(str(path))}:{number}")
        for (number, line), offered in zip(lines, choices, strict=True)
    ]
    return np.asarray(said, dtype=np.int64)
