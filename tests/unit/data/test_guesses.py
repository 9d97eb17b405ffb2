"""Columns that only their values tell: what is guessed, what is left to the user, and how a user hears of it."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from albert_cli.data.choice_tables import questions_of_table as choice_questions
from albert_cli.data.guesses import guess_label, guess_tagged, guess_text, header_is_a_row
from albert_cli.data.raw_table import RawTable
from albert_cli.data.squad_tables import questions_of_table as span_questions
from albert_cli.data.tag_tables import rows_of_table
from albert_cli.data.tasks.load import load_task
from albert_cli.errors import DataError

FILMS = [("a lovely film that I liked", "good"), ("dull and far too long for me", "bad")] * 10
# Each row has words of its own.
ROWS = [(f"{text} {number}", verdict) for number, (text, verdict) in enumerate(FILMS)]


def table(**columns: list[Any]) -> RawTable:
    return RawTable("x.csv", columns, lines=range(2, 2 + len(next(iter(columns.values())))))


def write(path: Path, heading: list[str], rows: list[tuple[Any, ...]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([heading, *rows])
    return path


@pytest.mark.parametrize(
    ("kind", "values", "fits"),
    [
        ("classification", ["a", "b"] * 5, True),
        ("classification", [1, 2] * 5, True),
        ("classification", ["a"] * 10, False),  # nothing to learn
        ("classification", [f"n{place}" for place in range(10)], False),  # names of the rows
        ("classification", [0.5, 1.5] * 5, False),
        ("classification", ["long " * 20, "longer " * 20] * 5, False),
        ("regression", [0.5, 1.5] * 5, True),
        ("regression", ["0.5", "3"] * 5, True),
        ("regression", list(range(10)), False),  # counts the rows
        ("regression", ["0.5", "much"] * 5, False),
        ("regression", [float("nan"), 1.0] * 5, False),
        ("multi-label", ["a,b", "", "b"] * 4, True),
        ("multi-label", [["a"], []] * 5, True),
        ("multi-label", ["a", "b"] * 5, False),  # one label each: not surely sets
        ("multi-label", [f"one {place}, two {place}" for place in range(10)], False),
    ],
)
def test_a_label_is_known_by_its_values(kind: str, values: list[Any], fits: bool) -> None:
    text = [f"a text of several words, number {place}" for place in range(len(values))]
    assert guess_label(table(x=text, y=values), ["x", "y"], kind=kind) == ("y" if fits else None)


def test_two_that_fit_are_left_to_the_user() -> None:
    classes = ["a", "b"] * 5
    assert guess_label(table(one=classes, two=classes), ["one", "two"], kind="classification") is None
    texts = [f"some words {place}" for place in range(10)]
    assert guess_text(table(one=texts, two=texts), ["one", "two"]) is None
    assert guess_text(table(one=texts, two=[text * 3 for text in texts]), ["one", "two"]) == "two"
    assert guess_tagged(table(one=[["a", "b"]], two=[["O", "X"]]), ["one", "two"]) is None


def test_an_own_table_of_strange_names_is_read_and_the_guess_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "my.csv", ["key", "opinion", "verdict"], [(f"k{n}", *row) for n, row in enumerate(ROWS)])
    found = load_task("text-classification", path=path)
    assert found.label_names == ("bad", "good")
    assert found.columns["train"] == found.columns["dev"] == "text=opinion, label=verdict"
    said = next(note for note in found.notes if "guessed" in note)
    assert said == (
        "columns guessed from their values: label=verdict, text=opinion (another: --set data.columns.label=NAME)"
    )
    named = load_task("text-classification", path=path, columns={"text": "opinion", "label": "verdict"})
    assert not any("guessed" in note for note in named.notes)


def test_every_split_takes_the_columns_guessed_from_the_training_rows(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", ["opinion", "verdict"], ROWS)
    write(tmp_path / "dev.csv", ["opinion", "verdict", "further"], [(*row, "good") for row in ROWS[:2]])
    found = load_task("text-classification", path=tmp_path)
    assert found.columns["dev"] == "text=opinion, label=verdict"


def test_a_file_without_a_heading_is_told_from_one_with_strange_names(tmp_path: Path) -> None:
    path = write(tmp_path / "my.csv", list(ROWS[0]), ROWS[1:])
    with pytest.raises(DataError) as caught:
        load_task("text-classification", path=path)
    assert caught.value.hint == "the first line looks like a row: write a line with names, such as text,label, above it"
    assert header_is_a_row(table(**{"a b": ["c d"], "good": ["good"]}))
    assert not header_is_a_row(table(message=["c d"], spam=["spam"]))


def test_words_and_tags_are_as_many() -> None:
    words = [["Anna", "lives", "in", "Berlin"], ["Nobody", "came"]] * 5
    tags = [["B-PER", "O", "O", "B-LOC"], ["O", "O"]] * 5
    rows = rows_of_table(table(a=tags, b=words), chosen={}, needs_tags=True, numbers_are_names=False)
    assert rows.words == words
    assert rows.notes[1].startswith("columns guessed from their values: tokens=b, tags=a ")
    texts = table(said=[" ".join(one) for one in words], marks=[json.dumps(one) for one in tags])
    assert rows_of_table(texts, chosen={}, needs_tags=True, numbers_are_names=False).words == words
    with pytest.raises(DataError):
        rows_of_table(table(a=words, tags=words), chosen={}, needs_tags=True, numbers_are_names=False)


def test_an_answer_stands_in_its_context() -> None:
    columns = {
        "wanted": [f"Who lives in town {place}?" for place in range(9)],
        "source": [f"For many years a certain Anna {place} has lived quietly in town {place}." for place in range(9)],
        "found": [f"Anna {place}" for place in range(9)],
        "number": list(range(9)),
    }

    questions, taken = span_questions(table(**columns), chosen={}, needs_answers=True, counts=Counter())
    assert (questions[3].question, questions[3].texts) == ("Who lives in town 3?", ("Anna 3",))
    assert "guessed from their values: context=source, answers=found, question=wanted" in taken
    with pytest.raises(DataError):
        span_questions(table(one=["a b"], two=["c d"]), chosen={}, needs_answers=True, counts=Counter())


def test_choices_by_letters_and_a_label_among_them() -> None:
    columns = {"q": ["Which?", "What?"], "A": ["x", "u"], "B": ["y", "v"], "right one": ["A", "B"]}
    questions, taken = choice_questions(table(**columns), chosen={}, needs_label=True)
    assert [one.label for one in questions] == [0, 1]
    assert taken.startswith("question=q, choices=A,B, label=right one; columns guessed from their values: label=right")
