"""What questions about texts does a table or a SQuAD file hold, and what is wrong with them?

Two shapes are read: SQuAD's own (articles of paragraphs of questions) and one question a row, as the hub and own tables
have it. Both are checked alike. Answers whose text is not at their ``answer_start`` are counted and kept; everything
else that is wrong is one error that names its place.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from albert_cli.data.raw_table import RawTable
from albert_cli.data.span_places import UNKNOWN_START, locate_answer
from albert_cli.errors import DataError
from albert_cli.files.text import safe_line

_SURROGATES = re.compile("[\ud800-\udfff]")  # half pairs, which JSON can write and no encoding can
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_SHAPE = 'SQuAD\'s answers look like [{"text": "...", "answer_start": 0}]'


@dataclass(frozen=True)
class SpanQuestion:
    """One question about a text.

    Attributes:
        id: of the source; None where it has none.
        title: of the article, or empty.
        question: what is asked.
        context: the text.
        texts: answers; none where there is none or none is known.
        starts: first character of each, as the source says it; -1 unknown.
        is_impossible: whether the source says that the text has no answer; None where it says nothing.
        says_answers: whether the source has a place for answers, be it an empty one.
        place: where it stands, for messages.
    """

    id: str | None
    title: str
    question: str
    context: str
    texts: tuple[str, ...]
    starts: tuple[int, ...]
    is_impossible: bool | None
    says_answers: bool
    place: str


def is_nested(table: RawTable) -> bool:
    """Whether the rows are SQuAD's articles, or their paragraphs."""
    return "paragraphs" in table.columns or {"context", "qas"} <= set(table.columns)


def nested_questions(table: RawTable, counts: Counter[str]) -> Iterator[SpanQuestion]:
    """Questions of SQuAD's own form.

    Args:
        table: its articles as rows (``title``, ``paragraphs``), or paragraphs (``context``, ``qas``).
        counts: takes the answers by how they were found: ``exact``, ``moved``, ``differs``, ``missing``; and
            ``contradictions``, questions that are called impossible and have answers all the same.

    Raises:
        DataError: located: a key that lacks, a value of another kind, an answer outside its text.
    """
    names = list(table.columns)
    for row in range(table.num_rows):
        article = {name: table.columns[name][row] for name in names}
        place = f"{safe_line(table.source)}, data[{row}]"
        if "paragraphs" not in table.columns:
            yield from _paragraph_questions(article, place, title="", counts=counts)
            continue
        title = article.get("title")
        paragraphs = _list(article, "paragraphs", place)
        for number, paragraph in enumerate(paragraphs):
            below = f"{place}.paragraphs[{number}]"
            yield from _paragraph_questions(
                _object(paragraph, below), below, title="" if title is None else str(title), counts=counts
            )


def checked_question(
    record: Mapping[str, Any], place: str, *, context: str, title: str, counts: Counter[str]
) -> SpanQuestion:
    """One question with its answers.

    Args:
        record: ``question``; ``id``, ``answers`` and ``is_impossible`` if it has them.
        place: where it stands.
        context: its text.
        title: of the article.
        counts: as in `nested_questions`.

    Raises:
        DataError: located, as there.
    """
    texts, starts = _answers(record.get("answers"), place)
    impossible = _flag(record.get("is_impossible"), place)
    for text, start in zip(texts, starts, strict=True):
        if not UNKNOWN_START <= start < max(len(context), 1):
            raise DataError(
                f"answer_start {start} is outside its context of {len(context)} characters ({place})",
                hint="answer_start counts characters of the context from 0 (-1: unknown)",
            )
        counts[locate_answer(context, text, start).found] += 1
    if impossible and texts:
        counts["contradictions"] += 1
        texts, starts = [], []
    identifier = record.get("id")
    return SpanQuestion(
        id=None if identifier is None else str(identifier),
        title=_encodable(title),
        question=_text(record, "question", place),
        context=context,
        texts=tuple(texts),
        starts=tuple(starts),
        is_impossible=impossible,
        says_answers=record.get("answers") is not None,
        place=place,
    )


def text_of(record: Mapping[str, Any], name: str, place: str) -> str:
    """A text of a record, fit for UTF-8.

    Raises:
        DataError: it is not there, or no text.
    """
    return _text(record, name, place)


def _paragraph_questions(
    paragraph: Mapping[str, Any], place: str, *, title: str, counts: Counter[str]
) -> Iterator[SpanQuestion]:
    context = _text(paragraph, "context", place)
    for number, record in enumerate(_list(paragraph, "qas", place)):
        below = f"{place}.qas[{number}]"
        yield checked_question(_object(record, below), below, context=context, title=title, counts=counts)


def _object(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DataError(f"{_kind(value)} where an object should be ({place})", hint="check the file against SQuAD's")
    return value


def _list(record: Mapping[str, Any], name: str, place: str) -> Sequence[Any]:
    value = record.get(name)
    if not isinstance(value, list):
        raise DataError(
            f"{'no' if value is None else f'{_kind(value)} as'} {name} ({place})",
            hint=f"{name} is a list in SQuAD's files",
        )
    return value


def _text(record: Mapping[str, Any], name: str, place: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise DataError(
            f"{'no' if value is None else f'{_kind(value)} as'} {name} ({place})", hint=f"every question needs a {name}"
        )
    return _encodable(value)


def _encodable(text: str) -> str:
    """Half pairs become U+FFFD, one for one, so that places stay."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def _answers(value: Any, place: str) -> tuple[list[str], list[int]]:
    """Texts and starts of answers in any of the usual forms; an empty text is no answer."""
    if value is None or value == "":
        return [], []
    if isinstance(value, Mapping):
        texts, starts = _parts(value, "text", place), _parts(value, "answer_start", place)
    elif isinstance(value, list):
        objects = [_object(answer, place) for answer in value]
        texts = [part for answer in objects for part in _parts(answer, "text", place)]
        starts = [part for answer in objects for part in _parts(answer, "answer_start", place)]
    else:
        raise DataError(f"{_kind(value)} as answers ({place})", hint=_SHAPE)
    if len(texts) != len(starts):
        raise DataError(f"{len(texts)} answers with {len(starts)} answer_start ({place})", hint=_SHAPE)
    kept = [(text, start) for text, start in zip(texts, starts, strict=True) if text != ""]
    return [_answer_text(text, place) for text, _ in kept], [_start(start, place) for _, start in kept]


def _parts(answer: Mapping[str, Any], name: str, place: str) -> list[Any]:
    if answer.get(name) is None:
        raise DataError(f"an answer without {name} ({place})", hint=_SHAPE)
    return list(answer[name]) if isinstance(answer[name], list) else [answer[name]]


def _answer_text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"{_kind(value)} as an answer's text ({place})", hint=_SHAPE)
    return _encodable(value)


def _start(value: Any, place: str) -> int:
    try:
        number = value if isinstance(value, int) and not isinstance(value, bool) else int(str(value))
    except ValueError:
        shown = safe_line(str(value), limit=40)
        raise DataError(f"answer_start is no whole number: {shown!r} ({place})", hint=_SHAPE) from None
    return number


def _flag(value: Any, place: str) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    found = _FLAGS.get(str(value).strip().lower())
    if found is None and str(value).strip():
        shown = safe_line(str(value), limit=40)
        raise DataError(f"is_impossible is {shown!r} ({place})", hint="it is true or false")
    return found


def _kind(value: Any) -> str:
    kinds = {
        list: "a list",
        dict: "an object",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return kinds.get(type(value), "null")
