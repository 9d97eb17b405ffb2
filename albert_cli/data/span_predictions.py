"""How are answers to questions about texts written in the official files of SQuAD, and read back?

``predictions.json`` has the answer of each question by its id, ``nbest_predictions.json`` its rivals with their
probabilities, ``null_odds.json`` the score of "no answer" (SQuAD v2.0).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from albert_cli.data.readers_json import read_jsonl
from albert_cli.data.span_decoding import RowAnswers
from albert_cli.errors import DataError
from albert_cli.files.text import safe_line

PREDICTIONS, NBEST, NULL_ODDS = "predictions.json", "nbest_predictions.json", "null_odds.json"
_HINT = "give a predictions.json or the JSON Lines that `albert predict` wrote for these questions"


@dataclass(frozen=True)
class SavedAnswers:
    """Answers read from files, in the order of a split's questions.

    Attributes:
        texts: answers; empty for "no answer".
        odds: scores of "no answer"; None where no file has them.
    """

    texts: tuple[str, ...]
    odds: tuple[float, ...] | None


def official_files(ids: Sequence[str], texts: Sequence[str], rows: Sequence[RowAnswers]) -> dict[str, str]:
    """Contents of the official files by name.

    Args:
        ids: of the questions.
        texts: answers as they count, empty for "no answer".
        rows: what was found for each question.
    """
    files: dict[str, Any] = {
        PREDICTIONS: dict(zip(ids, texts, strict=True)),
        NBEST: {name: nbest(row) for name, row in zip(ids, rows, strict=True)},
    }
    odds = {name: row.odds for name, row in zip(ids, rows, strict=True) if row.odds is not None}
    if odds:
        files[NULL_ODDS] = odds
    return {name: _document(content) for name, content in files.items()}


def predictions_document(records: Callable[[], Iterable[Mapping[str, Any]]]) -> Iterator[str]:
    """predictions.json of the JSON Lines' objects."""
    yield _document({row["id"]: row["prediction"] for row in records()})


def odds_document(records: Callable[[], Iterable[Mapping[str, Any]]]) -> Iterator[str]:
    """null_odds.json of the JSON Lines' objects."""
    yield _document({row["id"]: row["null_odds"] for row in records() if "null_odds" in row})


def _document(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def nbest(row: RowAnswers) -> list[dict[str, Any]]:
    """Entries of nbest_predictions.json for one question, best first."""
    return [
        {
            "text": entry.text,
            "probability": share,
            "start_log_prob": entry.start_score,
            "end_log_prob": entry.end_score,
        }
        for entry, share in row.ranked()
    ]


def answer_record(row: RowAnswers, text: str) -> dict[str, Any]:
    """What the JSON Lines say of one question: ``prediction`` and, where one was given, where it stands.

    Args:
        row: what was found.
        text: the answer as it counts, empty for "no answer".
    """
    record: dict[str, Any] = {"prediction": text}
    ranked = {entry.text: (entry, share) for entry, share in row.ranked()}
    if text and text in ranked:
        entry, share = ranked[text]
        record |= {"start": entry.start, "end": entry.end, "score": share}
    return record if row.odds is None else {**record, "null_odds": row.odds}


def read_saved(path: Path, ids: Sequence[str]) -> SavedAnswers:
    """Read saved answers.

    Args:
        path: a predictions.json, with null_odds.json (or, beside ``NAME.json``, ``NAME_null_odds.json``) in its folder
            if there is one; or JSON Lines with ``id``, ``prediction`` and perhaps ``null_odds``.
        ids: of the split's questions. Answers to other questions are left out.

    Raises:
        DataError: located: the file is none of these, or questions have no answer in it.
    """
    if not path.is_file():
        raise DataError(f"no file {safe_line(str(path))}", hint=_HINT)
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return _read_lines(path, ids)
    said = _strings(path, _object(path))
    texts = _in_order(said, ids, path)
    beside = _odds_file(path)
    if not beside.is_file():
        return SavedAnswers(texts, None)
    return SavedAnswers(texts, _in_order(_numbers(beside, _object(beside)), ids, beside))


def odds_name(name: str) -> str:
    """Name of the file of odds that belongs to a file of predictions."""
    return NULL_ODDS if name == PREDICTIONS else f"{Path(name).stem}_{NULL_ODDS}"


def _odds_file(path: Path) -> Path:
    return path.with_name(odds_name(path.name))


def _read_lines(path: Path, ids: Sequence[str]) -> SavedAnswers:
    table = read_jsonl(path)
    if "id" not in table.columns or "prediction" not in table.columns:
        found = ", ".join(safe_line(name) for name in table.columns)
        raise DataError(f"no id and prediction ({safe_line(str(path))} has: {found})", hint=_HINT)
    names = [str(name) for name in table.columns["id"]]
    texts = _strings(path, dict(zip(names, table.columns["prediction"], strict=True)))
    odds = None
    if all(value is not None for value in table.columns.get("null_odds", [None])):
        numbers = _numbers(path, dict(zip(names, table.columns["null_odds"], strict=True)))
        odds = _in_order(numbers, ids, path)
    return SavedAnswers(_in_order(texts, ids, path), odds)


def _object(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {safe_line(str(error))} ({safe_line(str(path))})", hint=_HINT) from error
    if not isinstance(content, dict):
        raise DataError(f"not an object of answers by question id ({safe_line(str(path))})", hint=_HINT)
    return content


def _strings(path: Path, values: Mapping[str, Any]) -> dict[str, str]:
    for name, value in values.items():
        if not isinstance(value, str):
            raise DataError(
                f"the answer to {safe_line(name, limit=60)!r} is no text ({safe_line(str(path))})", hint=_HINT
            )
    return dict(values)


def _numbers(path: Path, values: Mapping[str, Any]) -> dict[str, float]:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise DataError(
                f"the odds of {safe_line(name, limit=60)!r} are no number ({safe_line(str(path))})",
                hint="null_odds.json has a number for each question",
            )
    return {name: float(value) for name, value in values.items()}


def _in_order(values: Mapping[str, Any], ids: Sequence[str], path: Path) -> tuple[Any, ...]:
    missing = [name for name in ids if name not in values]
    if missing:
        raise DataError(
            f"{len(missing):,} of {len(ids):,} questions are not in it, such as {safe_line(missing[0], limit=60)!r} "
            f"({safe_line(str(path))})",
            hint=_HINT,
        )
    return tuple(values[name] for name in ids)
