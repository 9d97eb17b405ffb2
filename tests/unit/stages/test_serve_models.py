"""Real models behind the server: every task answers as it does without one, however many ask at once."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from serve_running import NLI, ask_at_once, no_warning, prepare, running, serve_model
from subcases import each

from albert_cli.errors import ModelError, UsageError
from albert_cli.inference.device import Compute
from albert_cli.inference.loading import Loaded
from albert_cli.inference.queries import Query, Refusal
from albert_cli.inference.run import task_for
from albert_cli.recipe.requests import RunRequest
from albert_cli.stages.serve.command import trained_task
from albert_cli.stages.serve.inputs import query_of
from albert_cli.stages.serve.server import room_for_connections
from albert_cli.stages.serve.sizes import measure_for

WORDS = [
    "the",
    "capital",
    "of",
    "france",
    "is",
    "paris",
    "and",
    "a",
    "river",
    "runs",
    "through",
    "it",
    "while",
    "people",
]


def close(one: Any, other: Any) -> bool:
    """Whether two answers are the same, up to the last digits of their numbers."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) < 1e-5
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(close, one, other))
    return bool(one == other)


def sentences(count: int, seed: int = 5) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(3, 12))) for _ in range(count)]


def direct(asked: RunRequest, loaded: Loaded, compute: Compute, values: list[Any]) -> list[Any]:
    """Each value answered by itself, without a server."""
    task = task_for(asked, loaded, compute, no_warning)
    answers = []
    for value in values:
        query = query_of(value, asked.task)
        assert isinstance(query, Query)
        answers.append({"index": 0, **task.answer([query])[0]})
    return answers


def test_a_thousand_requests_at_once_get_a_thousand_answers_of_their_own(tiny_model: Callable[..., Path]) -> None:
    values = [{"text": f"{text} [MASK] {number}"} for number, text in enumerate(sentences(1000))]
    assert room_for_connections(2 * len(values)) == 2 * len(values)
    model = prepare(tiny_model("AlbertForMaskedLM"), "fill-mask", top_k=3)
    expected = direct(*model, values)
    service = serve_model(*model)
    with running(service) as found:
        answers = ask_at_once(found.port, "/fill-mask", values)
        assert found.metric("albert_batch_inputs_sum") == len(values)
        assert found.metric("albert_batch_inputs_count") < len(values) / 10
    assert [number for number, pair in enumerate(zip(answers, expected, strict=True)) if not close(*pair)] == []
    assert len({str(answer) for answer in answers}) == len(values)


@each(
    "kind, config, task, values, options",
    [
        (
            "AlbertForSequenceClassification",
            {},
            "text-classification",
            [{"text": text, "text_pair": "paris"} for text in sentences(8)],
            {},
        ),
        (
            "AlbertForTokenClassification",
            {"id2label": {0: "O", 1: "B-A", 2: "I-A"}},
            "token-classification",
            [{"text": text} for text in sentences(8)],
            {"aggregation": "simple"},
        ),
        (
            "AlbertForQuestionAnswering",
            {},
            "question-answering",
            [{"question": "what is it", "context": text} for text in sentences(8)],
            {"top_k": 2},
        ),
        (
            "AlbertForMultipleChoice",
            {},
            "multiple-choice",
            [{"context": text, "question": "where", "choices": ["paris", "a river", "stone"]} for text in sentences(8)],
            {},
        ),
        (
            "AlbertForPreTraining",
            {},
            "sentence-order",
            [{"text": text, "text_pair": "it runs"} for text in sentences(8)],
            {},
        ),
        ("AlbertModel", {}, "feature-extraction", [{"text": text} for text in sentences(8)], {"pooling": "mean"}),
        (
            "AlbertForSequenceClassification",
            NLI,
            "zero-shot-classification",
            [{"text": text, "labels": ["paris", "river"]} for text in sentences(8)],
            {},
        ),
    ],
)
def test_every_task_answers_as_without_a_server(
    kind: str,
    config: dict[str, Any],
    task: str,
    values: list[Any],
    options: dict[str, Any],
    tiny_model: Callable[..., Path],
) -> None:
    model = prepare(tiny_model(kind, **config), task, **options)
    expected = direct(*model, values)
    with running(serve_model(*model)) as found:
        together = found.post(f"/{task}", values).json()
        apart = ask_at_once(found.port, f"/{task}", values)
    assert [number for number, pair in enumerate(zip(apart, expected, strict=True)) if not close(*pair)] == []
    numbered = [{**answer, "index": number} for number, answer in enumerate(expected)]
    assert close(together, numbered)


def test_parameters_of_a_request_are_those_of_the_task(tiny_model: Callable[..., Path]) -> None:
    with running(serve_model(*prepare(tiny_model("AlbertForMaskedLM"), "fill-mask"))) as found:
        sizes = [len(found.post(f"/fill-mask{query}", "a [MASK]").json()["results"]) for query in ("", "?top_k=9")]
    assert sizes == [5, 9]
    model = prepare(tiny_model("AlbertForTokenClassification"), "token-classification")
    with running(serve_model(*model)) as found:
        assert found.post("/ner?aggregation=none", "paris and berlin").status == 200
        refused = found.post("/ner?aggregation=most", "paris")
        assert (refused.status, refused.json()["try"]) == (400, "one of none, simple, first, average, max")


def test_labels_of_zero_shot_come_with_the_text_or_with_the_server(tiny_model: Callable[..., Path]) -> None:
    task, path = "zero-shot-classification", "/zero-shot-classification"
    model = prepare(
        tiny_model("AlbertForSequenceClassification", **NLI), task, parameters={"candidate_labels": "paris,river"}
    )
    with running(serve_model(*model, text=60)) as found:
        assert set(found.post(path, {"text": "the capital"}).json()["labels"]) == {"paris", "river"}
        assert found.post(path, {"text": "the capital", "labels": ["stone"]}).json()["labels"] == ["stone"]
        for labels in ("stone", [], [1], ["x" * 50]):
            assert found.post(path, {"text": "the capital", "labels": labels}).status == 422


def test_options_that_mean_nothing_are_refused_before_anything_is_served(tiny_model: Callable[..., Path]) -> None:
    wrong = {"hypothesis_template": "no place for the label"}
    model = prepare(tiny_model("AlbertForSequenceClassification", **NLI), "zero-shot-classification", parameters=wrong)
    with pytest.raises(UsageError, match="no place for the label"):
        serve_model(*model)


def test_the_task_is_the_one_that_the_model_was_trained_for(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    assert trained_task(str(tiny_model("AlbertForMaskedLM"))) == "fill-mask"
    assert trained_task(str(tiny_model("AlbertForQuestionAnswering"))) == "question-answering"
    with pytest.raises(ModelError):
        trained_task(str(tmp_path))


def test_answers_that_could_fill_the_memory_are_foreseen(tiny_model: Callable[..., Path]) -> None:
    _, masked, _ = prepare(tiny_model("AlbertForMaskedLM"), "fill-mask")
    _, encoder, _ = prepare(tiny_model("AlbertModel"), "feature-extraction")
    short, long = Query("a [MASK]"), Query("[MASK] " * 2000)
    measure = measure_for("fill-mask", masked, {"top_k": 100})
    assert isinstance(small := measure(short), int)
    assert isinstance(large := measure(long), int)
    assert (small < 100_000, large > 2**30) == (True, True)
    assert isinstance(measure_for("fill-mask", masked, {"joint": True})(long), Refusal)
    pooled, whole = (measure_for("feature-extraction", encoder, {"pooling": how})(long) for how in ("mean", "none"))
    assert isinstance(pooled, int)
    assert whole == 64 * pooled
    with running(serve_model(*prepare(tiny_model("AlbertForMaskedLM"), "fill-mask"))) as found:
        refused = found.post("/fill-mask?top_k=100", {"text": long.text})
        assert (refused.status, refused.json()["try"]) == (422, "send fewer inputs at once, or shorter ones")
