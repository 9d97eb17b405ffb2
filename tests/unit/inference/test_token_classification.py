"""Names in texts: words kept whole, no piece without a tag, whatever the length."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from albert_cli.errors import UsageError
from albert_cli.inference.device import Compute
from albert_cli.inference.loading import load_for_task
from albert_cli.inference.pipeline import pipeline
from albert_cli.inference.queries import Query
from albert_cli.inference.token_classification import TokenClassification

CPU = Compute(torch.device("cpu"))
BIO = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
BIOES = ["O", "B-PER", "I-PER", "E-PER", "S-PER"]


class Script:
    """A model that gives each token of a text the tag that a script says, with score near 1."""

    def __init__(self, config: Any, tags: list[int]) -> None:
        self.config, self.tags = config, tags

    def __call__(self, input_ids: torch.Tensor, **_: Any) -> Any:
        logits = torch.zeros(len(input_ids), self.config.num_labels)
        for place, tag in enumerate(self.tags[: len(input_ids) - 2]):
            logits[place + 1, tag] = 9.0
        return type("Output", (), {"logits": logits})


@pytest.fixture
def make_task(tiny_model):
    def make(names=BIO, tags=None, max_length=None, **options):
        loaded = load_for_task(
            "token-classification",
            tiny_model("AlbertForTokenClassification", id2label=dict(enumerate(names))),
            device=CPU.device,
        )
        model = loaded.model if tags is None else Script(loaded.model.config, tags)
        return TokenClassification(
            model, loaded.tokenizer, compute=CPU, max_length=max_length or loaded.max_length, **options
        )

    return make


@pytest.mark.parametrize("aggregation", ["first", "average", "max"])
def test_no_word_is_cut_and_every_word_is_the_very_text(make_task, aggregation):
    task = make_task(aggregation=aggregation, ignored=())
    text = "Ünsal-Péter went  to (Łódź) with 1,234 naïve\u200b dogs\tand U.S. officials"
    results = task.answer([Query(text)])[0]["results"]
    covered = [one["word"] for one in results]
    assert " ".join(" ".join(covered).split()) == " ".join(text.split())
    for one in results:
        assert one["word"] == text[one["start"] : one["end"]]
        assert one["start"] == 0 or text[one["start"] - 1].isspace()
        assert one["end"] == len(text) or text[one["end"]].isspace()


def test_each_piece_of_a_long_text_has_one_tag_though_the_model_reads_little(make_task):
    text = "people walk along its old stone bridges " * 60
    task = make_task(aggregation="none", ignored=())
    results = task.answer([Query(text)])[0]["results"]
    assert [one["index"] for one in results] == list(range(1, len(results) + 1))
    assert results[-1]["end"] == len(text.rstrip())
    assert [one["start"] for one in results] == sorted(one["start"] for one in results)
    alone = make_task(aggregation="none", ignored=(), max_length=12).answer([Query("x" * 200)])[0]["results"]
    assert alone[-1]["end"] == 200


def test_answers_do_not_depend_on_company(make_task):
    task = make_task(aggregation="simple", ignored=())
    texts = ["the river", "", "snow covers roofs and gardens", "people walk along its old stone bridges " * 30]
    together = task.answer([Query(text) for text in texts])
    for text, one in zip(texts, together, strict=True):
        alone = task.answer([Query(text)])[0]
        assert [row["entity_group"] for row in alone["results"]] == [row["entity_group"] for row in one["results"]]
        assert [row["score"] for row in alone["results"]] == pytest.approx(
            [row["score"] for row in one["results"]], abs=1e-5
        )
    assert together[1] == {"results": []}


def groups(answer: Any) -> list[tuple[str, str]]:
    return [(one["entity_group"], one["word"]) for one in answer["results"]]


def test_a_begin_begins_and_an_inside_goes_on(make_task):
    # A word each: the tiny vocabulary has these whole.
    text = "paris people london"
    task = make_task(tags=[1, 2, 1], aggregation="first")
    assert len(task._tokenizer.encode_batch([text])[0]) == 3
    assert groups(task.answer([Query(text)])[0]) == [("PER", "paris people"), ("PER", "london")]
    assert groups(make_task(tags=[2, 4, 0], aggregation="simple").answer([Query(text)])[0]) == [
        ("PER", "paris"),
        ("LOC", "people"),
    ]


def test_ends_and_single_words_end_a_span_in_models_that_mark_them(make_task):
    text = "paris people london"
    assert groups(make_task(BIOES, tags=[1, 3, 2], aggregation="first").answer([Query(text)])[0]) == [
        ("PER", "paris people"),
        ("PER", "london"),
    ]
    assert groups(make_task(BIOES, tags=[4, 4, 0], aggregation="first").answer([Query(text)])[0]) == [
        ("PER", "paris"),
        ("PER", "people"),
    ]


def test_values_that_are_not_finite_are_an_error(make_task):
    task = make_task()
    with torch.no_grad():
        weight = task._model.classifier.weight
        before = weight.clone()
        weight.fill_(float("nan"))
        answer = task.answer([Query("the river")])[0]
        weight.copy_(before)
    assert "not finite" in answer["error"]


def test_parameters_of_the_pipeline(tiny_model):
    directory = tiny_model("AlbertForTokenClassification", id2label=dict(enumerate(BIO)))
    ask = pipeline("ner", directory, device=-1, ignore_labels=[])
    assert set(ask("the river")[0]) == {"entity", "score", "index", "word", "start", "end"}
    assert set(ask("the river", aggregation_strategy="max")[0]) == {"entity_group", "score", "word", "start", "end"}
    with pytest.raises(UsageError, match="no aggregation_strategy 'best'"):
        ask("the river", aggregation_strategy="best")
    with pytest.raises(UsageError, match="no parameter top_k"):
        pipeline("ner", directory, top_k=3)
