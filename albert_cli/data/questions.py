"""A question with its choices, and a split of them as one ``datasets.Dataset`` with declared features.

Whatever the source (RACE files, CSV, JSON, parquet, the hub), a split has the columns

- ``idx`` int64: the row's place in its split;
- ``id`` string: the source's identifier, made unique for RACE (``high123.txt#0`` is its first question), or empty;
- ``subset`` string: the part that is scored by itself (``middle`` or ``high`` in RACE), or empty;
- ``context`` string and ``question`` string, either of which may be empty;
- ``choices``: list of strings, two or more;
- ``label`` int64: number of the right choice, from 0; -1 unlabelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from albert_cli.errors import DataError
from albert_cli.files.text import safe_line

MISSING = -1
_MOST_CHOICES = 1000  # a list of more is a mistake, and one row of it would not fit into memory as a batch


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        context: what it is about.
        question: what is asked, or how a sentence begins.
        choices: the answers to choose from.
        label: number of the right one; -1: not known.
        id: of the source.
        subset: part of the data that is scored by itself; empty for none.
    """

    context: str
    question: str
    choices: tuple[str, ...]
    label: int = MISSING
    id: str = ""
    subset: str = ""


def question_dataset(questions: Sequence[Question]) -> Any:
    """A split as a ``datasets.Dataset``."""
    import datasets

    string, number = datasets.Value("string"), datasets.Value("int64")
    features = datasets.Features(
        {
            "idx": number,
            "id": string,
            "subset": string,
            "context": string,
            "question": string,
            "choices": datasets.Sequence(string),
            "label": number,
        }
    )
    columns = {
        "idx": list(range(len(questions))),
        "id": [one.id for one in questions],
        "subset": [one.subset for one in questions],
        "context": [one.context for one in questions],
        "question": [one.question for one in questions],
        "choices": [list(one.choices) for one in questions],
        "label": [one.label for one in questions],
    }
    return datasets.Dataset.from_dict(columns, features=features)


def read_text(value: Any, *, what: str, place: str) -> str:
    """A text of a row; null is the empty text.

    Raises:
        DataError: it is no text.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DataError(f"the {what} is {kind_of(value)}, not text ({place})", hint=f"write the {what} as text")
    return encodable(value)


def read_choices(value: Any, *, place: str) -> tuple[str, ...]:
    """The choices of a question; numbers are taken as they are written.

    Raises:
        DataError: no list, fewer than two, or something in it that is no text.
    """
    if not isinstance(value, list | tuple):
        raise DataError(
            f"the choices are {kind_of(value)}, not a list ({place})", hint='write them as ["first", "second", ...]'
        )
    choices: list[str] = []
    for number, choice in enumerate(value):
        if isinstance(choice, int | float) and not isinstance(choice, bool):
            choice = str(choice)
        if not isinstance(choice, str):
            raise DataError(f"choice {number} is {kind_of(choice)}, not text ({place})", hint="write it as text")
        choices.append(encodable(choice))
    if not 2 <= len(choices) <= _MOST_CHOICES:
        raise DataError(
            f"{len(choices)} {'choice' if len(choices) == 1 else 'choices'} ({place})",
            hint=f"a question has from 2 to {_MOST_CHOICES} choices",
        )
    return tuple(choices)


def read_label(value: Any, choices: Sequence[str], *, place: str, names: Sequence[str] = ()) -> int:
    """Number of the right choice.

    Args:
        value: a number from 0, a letter (A is 0), a name of ``names``, or the text of a choice; None and -1 are none.
        choices: of the question.
        place: where it stands, for messages.
        names: what the source calls the choices, where it does.

    Returns:
        0 to C-1, or -1 where there is none.

    Raises:
        DataError: it names no choice.
    """
    if value is None or value == "" or (not isinstance(value, bool) and str(value).strip() == "-1"):
        return MISSING
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    number = None if isinstance(value, bool | list | dict) else _counted(text, names)
    if isinstance(value, str) and (number is None or number >= len(choices)) and list(choices).count(text) == 1:
        number = list(choices).index(text)
    if number is None or number >= len(choices):
        last = len(choices) - 1
        letters = f", A to {chr(ord('A') + last)}" if last < 26 else ""
        raise DataError(
            f"label {safe_line(text, limit=60)!r} is none of the {len(choices)} choices ({place})",
            hint=f"a label is a number from 0 to {last}{letters}, or the text of the right choice",
        )
    return number


def _counted(text: str, names: Sequence[str]) -> int | None:
    """The number that a name, a number or a letter stands for; None for any other text."""
    if text in names:
        return list(names).index(text)
    if text.isascii() and text.isdigit():
        return int(text)
    return ord(text.upper()) - ord("A") if len(text) == 1 and "A" <= text.upper() <= "Z" else None


def encodable(text: str) -> str:
    r"""JSON can write half of a surrogate pair (``"\ud800"``), which no encoding can; it becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    kinds = {list: "a list", dict: "an object", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value is None else kinds.get(type(value), type(value).__name__)
