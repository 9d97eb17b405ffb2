"""How are lines of stdin predicted as they come, one JSON object each?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from albert_cli.errors import DataError
from albert_cli.inference.queries import Query, Refusal
from albert_cli.inference.stream import Pause, chunks_from_stdin, group_queries, split_lines
from albert_cli.stages.predict_file import SPLIT
from albert_cli.stages.tasks.protocol import Task

Line = tuple[int, str]


class Lines:
    """Answers lines.

    Args:
        opened: makes a task of records.
        answer: asks the model about a task.
        takes_text: whether a line of plain or TAB-separated text will do.
    """

    def __init__(
        self,
        opened: Callable[[list[dict[str, Any]]], Task],
        answer: Callable[[Task], Any],
        *,
        takes_text: bool,
    ) -> None:
        self._opened = opened
        self._answer = answer
        self._takes_text = takes_text

    def answered(self) -> Iterator[list[dict[str, Any]]]:
        """Records of the lines of stdin, in order, as they come; one that cannot be read has ``error``."""
        first = 0
        for group in group_queries(_as_queries(split_lines(chunks_from_stdin()))):
            yield self._group(first, group)
            first += len(group)

    def _group(self, first: int, group: list[Query | Refusal]) -> list[dict[str, Any]]:
        read: dict[int, dict[str, Any]] = {}
        errors: dict[int, str] = {}
        for number, line in enumerate(group, first):
            try:
                if isinstance(line, Refusal):
                    raise DataError(line.reason)
                read[number] = read_line(line.text, plain_text=self._takes_text)
            except DataError as error:
                errors[number] = error.message
        try:
            task = self._opened(list(read.values()))
        except DataError:  # what is wrong with one line is no other line's fault
            errors |= self._refused(read)
            task = self._opened([record for number, record in read.items() if number not in errors])
        said = iter(task.records(SPLIT, self._answer(task)) if len(task.splits[SPLIT]) else ())
        return [
            {"index": number, "error": errors[number]} if number in errors else {**next(said), "index": number}
            for number in range(first, first + len(group))
        ]

    def _refused(self, read: Mapping[int, dict[str, Any]]) -> dict[int, str]:
        errors = {}
        for number, record in read.items():
            try:
                self._opened([record])
            except DataError as error:
                errors[number] = error.message
        return errors


def _as_queries(lines: Iterable[str | Refusal | Pause]) -> Iterator[Query | Refusal | Pause]:
    """Lines in the form in which they are gathered."""
    return (Query(line) if isinstance(line, str) else line for line in lines)


def read_line(line: str, *, plain_text: bool) -> dict[str, Any]:
    """An input line as a JSON object.

    Args:
        line: a JSON object, or text.
        plain_text: whether a line of plain or TAB-separated text will do.

    Raises:
        DataError: an empty line, or no JSON object where one is needed.
    """
    if not line.strip():
        raise DataError("an empty line")
    if plain_text and not line.startswith("{"):
        first, _, second = line.partition("\t")
        return {"text": first, "text_pair": second}
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError("not a JSON object") from error
    if not isinstance(record, dict):
        raise DataError("not a JSON object")
    return record
