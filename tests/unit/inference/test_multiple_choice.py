"""Multiple choice over lines, JSON and tables: what is answered, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from albert_cli.errors import DataError, UsageError
from albert_cli.inference.choice_records import choice_reader, parse_choice_columns, read_choice_document
from albert_cli.inference.device import Compute
from albert_cli.inference.loading import load_for_task
from albert_cli.inference.multiple_choice import MultipleChoice
from albert_cli.inference.pipeline import pipeline
from albert_cli.inference.queries import Query, Refusal

CPU = Compute(torch.device("cpu"))
QUERY = Query("a river runs through paris", "which city", ("london", "paris", "berlin in winter"))


@pytest.fixture
def folder(tiny_model) -> Path:
    return tiny_model("AlbertForMultipleChoice")


def make(folder: Path, compute: Compute = CPU, **changes: Any) -> MultipleChoice:
    loaded = load_for_task("multiple-choice", folder, device=CPU.device)
    loaded.model.config.extra.update(changes)
    return MultipleChoice(loaded.model, loaded.tokenizer, compute=compute, max_length=loaded.max_length)


def by_label(answer: dict[str, Any]) -> list[float]:
    return [one["score"] for one in sorted(answer["results"], key=lambda one: one["label"])]


def test_choices_come_sorted_with_their_numbers_and_scores_of_transformers(folder: Path) -> None:
    answer = make(folder).answer([QUERY])[0]
    scores = [one["score"] for one in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1)
    assert {(one["label"], one["choice"]) for one in answer["results"]} == set(enumerate(QUERY.choices))
    peer = transformers.AlbertForMultipleChoice.from_pretrained(folder).eval()
    tokenizer = load_for_task("multiple-choice", folder, device=CPU.device).tokenizer
    pairs = tokenizer(
        [QUERY.text] * 3, [f"which city {choice}" for choice in QUERY.choices], padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        logits = peer(**{name: value[None] for name, value in pairs.items()}).logits[0]
    assert by_label(answer) == pytest.approx(logits.double().softmax(-1).tolist(), abs=1e-5)


def test_company_and_parts_change_nothing(folder: Path) -> None:
    queries = [
        QUERY,
        Query("a man", None, ("walks", "sings")),
        Query("x"),
        Query("", "the _ is old", ("street", "dog")),
    ]
    together = make(folder).answer(queries)
    task = make(folder, Compute(torch.device("cpu"), batch_tokens=10))
    for query, answer in zip(queries, together, strict=True):
        (alone,) = task.answer([query])
        if "error" in answer:
            assert alone == answer == {"error": "no choices; multiple-choice takes two or more"}
        else:
            assert by_label(alone) == pytest.approx(by_label(answer), abs=1e-6)


def test_a_long_text_is_cut_and_says_so(folder: Path) -> None:
    answer = make(folder).answer([Query("the river runs " * 100, "which city", ("paris", "london"))])[0]
    assert answer["truncated"] is True
    assert "truncated" not in make(folder).answer([QUERY])[0]


def test_questions_are_read_as_in_the_model_s_training(folder: Path) -> None:
    asked = [Query("a river", "the _ city", ("old", "summer"))]
    filled = [Query("a river", "", ("the old city", "the summer city"))]
    appended = [Query("a river", "", ("the _ city old", "the _ city summer"))]
    kept = {"multiple_choice": {"fills_blanks": False}}
    assert by_label(make(folder).answer(asked)[0]) == by_label(make(folder).answer(filled)[0])
    assert by_label(make(folder, **kept).answer(asked)[0]) == by_label(make(folder, **kept).answer(appended)[0])
    odd = {"multiple_choice": {"max_qa_length": "many"}}
    assert by_label(make(folder, **odd).answer(asked)[0]) == by_label(make(folder).answer(asked)[0])
    short = make(folder, multiple_choice={"max_qa_length": 1}).answer(asked)[0]
    assert short["truncated"] is True


def test_weights_that_are_damaged_give_no_scores(folder: Path) -> None:
    loaded = load_for_task("multiple-choice", folder, device=CPU.device)
    with torch.no_grad():
        loaded.model.classifier.bias.fill_(float("nan"))
    task = MultipleChoice(loaded.model, loaded.tokenizer, compute=CPU, max_length=64)
    assert "not finite" in task.answer([QUERY])[0]["error"]


OBJECT = {"context": "c", "question": "q", "choices": ["x", "y"]}
READ = Query("c", "q", ("x", "y"))


@pytest.mark.parametrize(
    ("format_", "line", "expected"),
    [
        ("infer", json.dumps(OBJECT), READ),
        ("jsonl", json.dumps({"article": "c", "question": "q", "options": ["x", "y"]}), READ),
        ("infer", "c\tx\ty\tz", Query("c", None, ("x", "y", "z"))),
        ("tsv", "{c\tx\ty", Query("{c", None, ("x", "y"))),
        ("infer", json.dumps({"prompt": "c", "ending0": "x", "ending1": "y"}), Query("c", "", ("x", "y"))),
    ],
)
def test_lines(format_: str, line: str, expected: Query) -> None:
    assert choice_reader(format_).feed(line) == expected


@pytest.mark.parametrize(
    ("format_", "line", "reason"),
    [
        ("infer", "only a prompt", "0 choices where two are needed"),
        ("infer", "c\tx", "1 choices where two are needed"),
        ("jsonl", "c\tx\ty", "not JSON"),
        ("jsonl", "[1]", "no object with choices"),
        ("jsonl", json.dumps({"context": "c", "choices": ["x"]}), "1 choice"),
        ("jsonl", json.dumps({"context": "c", "choices": "xy"}), "the choices are text, not a list"),
        ("jsonl", json.dumps({"context": 1, "choices": ["x", "y"]}), "the context is a number, not text"),
        ("jsonl", json.dumps({"choices": ["x", "y"]}), "no column for the context or the question"),
        ("jsonl", json.dumps({"article": "c", "questions": [], "options": []}), "a passage with several questions"),
    ],
)
def test_lines_that_ask_nothing(format_: str, line: str, reason: str) -> None:
    refused = choice_reader(format_).feed(line)
    assert isinstance(refused, Refusal)
    assert refused.reason.startswith(reason)
    assert "row 0" not in refused.reason


def test_tables_with_a_heading() -> None:
    reader = choice_reader("csv")
    lines = ["question,choice0,choice1", '"q, or', 'not",x,y', "r,x", "s,u,v"]
    found = [reader.feed(line) for line in lines]
    assert found[:2] == [None, None]
    assert found[2] == Query("", "q, or\nnot", ("x", "y"))
    assert isinstance(found[3], Refusal)
    assert found[4] == Query("", "s", ("u", "v"))
    assert reader.finish() is None
    reader.feed('"open')
    assert isinstance(reader.finish(), Refusal)
    named = choice_reader("tsv", column="context=a,choices=b")
    assert [named.feed(line) for line in ("a\tb", 'c\t["x", "y"]')] == [None, Query("c", "", ("x", "y"))]


def test_columns_and_formats_that_do_not_fit() -> None:
    assert parse_choice_columns("a, b,choices=c") == {"context": "a", "question": "b", "choices": "c"}
    for text in ("text=a", "a,b,c,d", "context=", "context=a,context=b"):
        with pytest.raises(UsageError, match="--column"):
            parse_choice_columns(text)
    with pytest.raises(UsageError, match="--format text"):
        choice_reader("text")


def test_a_whole_json_file() -> None:
    found = read_choice_document(json.dumps([OBJECT, 5]).encode(), column=None, place="x.json")
    assert found[0] == READ
    assert isinstance(found[1], Refusal)
    with pytest.raises(DataError, match=r"not JSON.*x\.json"):
        read_choice_document(b"{", column=None, place="x.json")


def test_the_pipeline_answers_dicts(folder: Path) -> None:
    ask = pipeline("multiple-choice", folder)
    answer = ask({"context": QUERY.text, "question": QUERY.pair, "choices": list(QUERY.choices)})
    assert answer == make(folder).answer([QUERY])[0]["results"]
    both = ask([OBJECT, OBJECT])
    assert [one["choice"] for one in both[1]] == [one["choice"] for one in ask(OBJECT)]
    with pytest.raises(UsageError, match="no object with choices"):
        ask("a text")
