"""From tables and SQuAD files to one ``datasets.Dataset`` of questions with declared features.

Whatever the source, a split has the columns

- ``idx`` int64: the row's place in its split;
- ``id`` string: the question's identifier, or ``idx`` where the source has none;
- ``title``, ``question``, ``context``: strings, the title empty where there is none;
- ``answers``: ``text`` (list of strings) and ``answer_start`` (list of int64, -1 unknown), both empty without answers;
- ``is_impossible`` bool: whether the text has no answer, null where nobody knows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from albert_cli.data.guesses import guess_span_columns, header_is_a_row, say_guessed
from albert_cli.data.raw_table import RawTable, empty_table_error
from albert_cli.data.squad_files import SpanQuestion, checked_question, is_nested, nested_questions, text_of
from albert_cli.errors import DataError
from albert_cli.files.text import safe_line

ROLES = ("question", "context", "answers", "answer_start", "id", "title")

# Names that tables give these columns, the most telling first.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "question": ("question", "query", "q"),
    "context": ("context", "passage", "paragraph", "document", "article", "text"),
    "answers": ("answers", "answer", "answer_text", "a"),
    "answer_start": ("answer_start", "answer_starts", "start"),
    "id": ("id", "qid", "question_id", "idx", "guid"),
    "title": ("title",),
    "is_impossible": ("is_impossible",),
}


def questions_of_table(
    table: RawTable, *, chosen: Mapping[str, str], needs_answers: bool, counts: Counter[str]
) -> tuple[list[SpanQuestion], str]:
    """Questions of a table, and a line that says which columns were taken.

    Args:
        table: articles or paragraphs of SQuAD, or one question a row.
        chosen: names that the recipe gives for ``question``, ``context``, ``answers``, ``answer_start``, ``id``,
            ``title``.
        needs_answers: whether a table without a column of answers is an error.
        counts: what `squad_files.nested_questions` counts.

    Raises:
        DataError: located, no questions included.
    """
    if is_nested(table) and not chosen:
        questions, taken = list(nested_questions(table, counts)), "articles of SQuAD"
    else:
        columns = _columns(table, chosen, needs_answers=needs_answers)
        questions = [_row_question(table, row, columns, counts) for row in range(table.num_rows)]
        taken = ", ".join(f"{role}={safe_line(name)}" for role, name in columns.items())
        guessed = {role: name for role, name in columns.items() if role not in _named(table, chosen)}
        taken += f"; {say_guessed(guessed)}" if guessed else ""
    if not questions:
        raise empty_table_error(table.source)
    return questions, taken


def settle_impossible(questions: Sequence[SpanQuestion]) -> list[bool | None]:
    """Whether each question has no answer: as the source says; else one with answers has, and one with none has none
    if others of the split have answers. Where no question has answers (a test set), nobody knows.
    """
    any_answers = any(one.texts for one in questions)
    flags: list[bool | None] = []
    for one in questions:
        if one.is_impossible or one.texts:
            flags.append(bool(one.is_impossible))
        elif one.is_impossible is False or not one.says_answers:
            flags.append(None)  # it should have an answer, and none is given
        else:
            flags.append(True if any_answers else None)
    return flags


def build_span_dataset(labelled: Sequence[tuple[SpanQuestion, bool | None]]) -> Any:
    """A split as a ``datasets.Dataset``.

    Args:
        labelled: questions, each with its flag of `settle_impossible`.
    """
    import datasets

    string, number = datasets.Value("string"), datasets.Value("int64")
    features = {
        "idx": number,
        "id": string,
        "title": string,
        "question": string,
        "context": string,
        "answers": {"text": datasets.Sequence(string), "answer_start": datasets.Sequence(number)},
        "is_impossible": datasets.Value("bool"),
    }
    questions = [question for question, _ in labelled]
    values = {
        "idx": list(range(len(questions))),
        "id": [str(row) if one.id is None else one.id for row, one in enumerate(questions)],
        "title": [one.title for one in questions],
        "question": [one.question for one in questions],
        "context": [one.context for one in questions],
        "answers": [{"text": list(one.texts), "answer_start": list(one.starts)} for one in questions],
        "is_impossible": [flag for _, flag in labelled],
    }
    return datasets.Dataset.from_dict(values, features=datasets.Features(features))


def _row_question(table: RawTable, row: int, columns: Mapping[str, str], counts: Counter[str]) -> SpanQuestion:
    place = table.place(row)
    record = {role: table.columns[name][row] for role, name in columns.items()}
    starts = record.pop("answer_start", None)
    context = text_of(record, "context", place)
    record["answers"] = _beside_starts(_from_json(record.get("answers")), starts, context, place)
    title = record.get("title")
    return checked_question(record, place, context=context, title="" if title is None else str(title), counts=counts)


def _from_json(answers: Any) -> Any:
    """SQuAD's answers written as text into one cell; any other text is an answer."""
    if not isinstance(answers, str) or answers[:1] not in ("{", "["):
        return answers
    try:
        value = json.loads(answers)
    except (ValueError, RecursionError):
        return answers
    is_answers = isinstance(value, Mapping) or value == [] or _holds_objects(value)
    return value if is_answers else answers


def _beside_starts(answers: Any, starts: Any, context: str, place: str) -> Any:
    """Texts of answers together with their starts, in SQuAD's form; anything else as it is."""
    texts = [answers] if isinstance(answers, str) else answers
    if not isinstance(texts, list) or _holds_objects(texts):
        return answers
    if starts is None or starts == "":
        starts = [_only_place(text, context, place) for text in texts if text != ""]
        texts = [text for text in texts if text != ""]
    return {"text": texts, "answer_start": starts} if texts not in ([], [""]) else []


def _only_place(text: Any, context: str, place: str) -> int:
    """Where an answer without a start is, if there is no doubt."""
    count = context.count(text) if isinstance(text, str) else 0
    if count != 1:
        where = "is not in its context" if count == 0 else f"is {count} times in its context"
        raise DataError(
            f"an answer without answer_start {where}: {safe_line(str(text), limit=60)!r} ({place})",
            hint="say its first character, counted from 0, in a column answer_start",
        )
    return context.index(text)


def _holds_objects(answers: Any) -> bool:
    return isinstance(answers, list) and bool(answers) and isinstance(answers[0], Mapping)


def _columns(table: RawTable, chosen: Mapping[str, str], *, needs_answers: bool) -> dict[str, str]:
    """Column of each role that the table has: by its name, else by its values."""
    for role, wanted in chosen.items():
        if wanted not in table.columns and (needs_answers or role not in ("answers", "answer_start", "id", "title")):
            raise _missing(table, f"no column {safe_line(wanted)!r} for columns.{role}", role)
    columns = _named(table, chosen)
    needed = ("question", "context", "answers") if needs_answers else ("question", "context")
    if any(role not in columns for role in needed):
        free = [name for name in table.columns if name not in columns.values()]
        guessed = guess_span_columns(table, columns, free)
        columns |= {role: name for role, name in guessed.items() if role in needed}
    for role in needed:
        if role not in columns:
            raise _missing(table, f"no column for the {role} ({' or '.join(_NAMES[role][:3])})", role)
    return columns


def _named(table: RawTable, chosen: Mapping[str, str]) -> dict[str, str]:
    """Columns that the recipe names, or that have usual names."""
    names = tuple(table.columns)
    folded = {name.casefold(): name for name in reversed(names)}
    columns: dict[str, str] = {}
    for role, known in _NAMES.items():
        wanted = chosen.get(role)
        if wanted is not None and wanted in names:
            columns[role] = wanted
        elif wanted is None:
            found = next(
                (folded[name] for name in known if name in folded and folded[name] not in columns.values()), None
            )
            if found is not None:
                columns[role] = found
    return columns


def _missing(table: RawTable, problem: str, role: str) -> DataError:
    found = ", ".join(safe_line(name, limit=40) for name in list(table.columns)[:20])
    place = safe_line(table.source) if table.lines is None else f"{safe_line(table.source)}:1"
    hint = f"name the column: --set data.columns.{role}=NAME"
    if table.lines is not None and header_is_a_row(table):
        hint = "the first line looks like a row: write a line with names, question,context,answer, above it"
    return DataError(f"{problem} ({place} has: {found})", hint=hint)
