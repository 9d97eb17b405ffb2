"""What each task answers, alone and in company, short and too long."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from albert_cli.errors import DataError, ModelError, UsageError
from albert_cli.inference.device import Compute, choose_compute, choose_device
from albert_cli.inference.feature_extraction import FeatureExtraction
from albert_cli.inference.fill_mask import FillMask
from albert_cli.inference.loading import load_for_task
from albert_cli.inference.pipeline import pipeline
from albert_cli.inference.queries import Query, shorten
from albert_cli.inference.sentence_order import SentenceOrder
from albert_cli.inference.text_classification import TextClassification

CPU = Compute(torch.device("cpu"))
KINDS = {
    "fill-mask": ("AlbertForMaskedLM", FillMask),
    "text-classification": ("AlbertForSequenceClassification", TextClassification),
    "sentence-order": ("AlbertForPreTraining", SentenceOrder),
    "feature-extraction": ("AlbertModel", FeatureExtraction),
}
LONG = "the river runs through paris " * 40


@pytest.fixture
def make_task(tiny_model) -> Callable[..., Any]:
    def make(task: str, compute: Compute = CPU, **options: Any) -> Any:
        kind, cls = KINDS[task]
        loaded = load_for_task(task, tiny_model(kind), device=compute.device)
        return cls(loaded.model, loaded.tokenizer, compute=compute, max_length=loaded.max_length, **options)

    return make


def numbers_in(value: Any) -> list[float]:
    if isinstance(value, float):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [number for item in items for number in numbers_in(item)]


QUERIES = {
    "fill-mask": [
        Query("the [MASK] runs"),
        Query("[MASK] and [MASK]"),
        Query("snow covers roofs and gardens in [MASK]."),
    ],
    "text-classification": [Query("the river"), Query("", "snow"), Query("a", "b"), Query(LONG)],
    "sentence-order": [Query("the river runs.", "snow covers roofs."), Query("a", "b"), Query(LONG, LONG)],
    "feature-extraction": [Query("the river"), Query(""), Query(LONG)],
}


@pytest.mark.parametrize("task", list(KINDS))
def test_an_answer_does_not_depend_on_its_neighbours(make_task, task):
    answerer = make_task(task)
    together = answerer.answer(QUERIES[task])
    for query, answer in zip(QUERIES[task], together, strict=True):
        (alone,) = answerer.answer([query])
        assert json.loads(json.dumps(alone)).keys() == answer.keys()
        assert numbers_in(alone) == pytest.approx(numbers_in(answer), abs=1e-5)


def test_refused_texts_stand_between_the_answers_where_they_belong(make_task):
    answers = make_task("fill-mask", top_k=1).answer(
        [Query("no mask"), Query("a [MASK]"), Query("a", "[MASK]"), Query("")]
    )
    assert [list(answer) for answer in answers] == [["error"], ["results"], ["error"], ["error"]]
    assert answers[0]["error"] == "no [MASK] in the text"
    assert "fill-mask takes one" in answers[2]["error"]


def test_a_mask_is_recognised_by_fill_mask_alone(make_task):
    masked = make_task("feature-extraction").answer([Query("[MASK]")])[0]["vectors"]
    assert len(masked) > 3, "brackets and letters are pieces of their own"


def test_targets_score_as_among_all_words(make_task):
    (all_words,) = make_task("fill-mask", top_k=10_000).answer([Query("the [MASK] runs")])
    (two,) = make_task("fill-mask", top_k=10_000, targets=[20, 30]).answer([Query("the [MASK] runs")])
    assert sum(word["score"] for word in all_words["results"]) == pytest.approx(1.0, abs=1e-5)
    expected = {word["token"]: word["score"] for word in all_words["results"] if word["token"] in (20, 30)}
    assert {word["token"]: word["score"] for word in two["results"]} == pytest.approx(expected)
    assert len(two["results"]) == 2


def test_a_long_text_is_cut_and_that_is_said(make_task):
    short, long = make_task("text-classification").answer([Query("snow"), Query(LONG)])
    assert "truncated" not in short
    assert long["truncated"] is True
    (refused,) = make_task("text-classification", truncates=False).answer([Query(LONG)])
    assert "at most 64" in refused["error"]


@pytest.mark.parametrize(
    ("first", "second", "room", "kept"),
    [
        (10, 2, 6, (4, 2)),
        (2, 10, 6, (2, 4)),
        (5, 5, 6, (3, 3)),
        (5, 5, 7, (4, 3)),
        (9, 5, 7, (4, 3)),
        (3, 0, 2, (2, 0)),
    ],
)
def test_pairs_lose_from_the_longer_part_and_from_the_second_of_equals(first, second, room, kept):
    left, right = shorten(list(range(first)), list(range(100, 100 + second)), room)
    assert (len(left), len(right)) == kept
    assert left == list(range(kept[0]))
    assert right == list(range(100, 100 + kept[1]))


def test_sentence_order_takes_pairs_and_names_its_labels(make_task):
    answers = make_task("sentence-order").answer([Query("a river", "runs"), Query("only one")])
    assert set(answers[0]["results"][0]) == {"label", "score"}
    assert answers[0]["results"][0]["label"] in ("in_order", "swapped")
    assert answers[0]["results"][0]["score"] >= 0.5
    assert "compares two" in answers[1]["error"]


def test_sentence_order_follows_its_head(make_task):
    """Label 0 of pretraining is in order: a head that always says 0 must answer in_order."""
    task = make_task("sentence-order")
    with torch.no_grad():
        bias = task._model.sop_classifier.classifier.bias
        for logits, label in (([50.0, -50.0], "in_order"), ([-50.0, 50.0], "swapped")):
            bias.copy_(torch.tensor(logits))
            assert task.answer([Query("a", "b")])[0]["results"][0]["label"] == label


@pytest.mark.parametrize(("pooling", "name"), [("none", "vectors"), ("cls", "vector"), ("mean", "vector")])
def test_poolings_come_from_the_same_vectors(make_task, pooling, name):
    (every,) = make_task("feature-extraction").answer([Query("the river runs")])
    (answer,) = make_task("feature-extraction", pooling=pooling).answer([Query("the river runs")])
    vectors = torch.tensor(every["vectors"])
    expected = {"none": vectors, "cls": vectors[0], "mean": vectors.mean(dim=0)}[pooling]
    torch.testing.assert_close(torch.tensor(answer[name]), expected)


def test_features_do_not_need_a_pooling_layer(tiny_model):
    loaded = load_for_task("feature-extraction", tiny_model("AlbertForMaskedLM"), device=CPU.device)
    assert loaded.model.pooler is None


@pytest.mark.parametrize("task", list(KINDS))
def test_damaged_weights_give_an_error_and_not_a_number(make_task, task):
    answerer = make_task(task)
    with torch.no_grad():
        answerer._model.get_input_embeddings().weight[5:] = float("nan")
    (answer,) = answerer.answer(QUERIES[task][:1])
    assert "not finite" in answer["error"]


@pytest.mark.parametrize("task", list(KINDS))
def test_bfloat16_answers_about_the_same(make_task, task):
    exact = make_task(task).answer(QUERIES[task][:1])[0]
    rounded = make_task(task, Compute(torch.device("cpu"), torch.bfloat16)).answer(QUERIES[task][:1])[0]
    ours, theirs = torch.tensor(numbers_in(rounded)), torch.tensor(numbers_in(exact))
    assert (ours - theirs).abs().mean() < 0.1 * theirs.abs().mean()
    assert not torch.equal(ours, theirs), "nothing was computed in bfloat16"


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        ("text-classification", "AlbertForMaskedLM"),
        ("fill-mask", "AlbertForSequenceClassification"),
        ("sentence-order", "AlbertForMaskedLM"),
        ("sentence-order", "AlbertForSequenceClassification"),
    ],
)
def test_a_model_without_a_trained_head_is_refused(tiny_model, task, kind):
    with pytest.raises(ModelError, match=f"no trained weights for {task}") as caught:
        load_for_task(task, tiny_model(kind), device=CPU.device)
    assert caught.value.exit_code == 3
    assert caught.value.hint


def test_a_tokenizer_of_another_model_is_refused(tiny_model, tmp_path):
    model = tiny_model("AlbertForMaskedLM")
    config = json.loads((model / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "vocab_size": 50}))
    from albert_cli.models.config import AlbertConfig
    from albert_cli.models.heads_language import AlbertForMaskedLM

    AlbertForMaskedLM(AlbertConfig.from_pretrained(tmp_path)).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="do not belong together"):
        load_for_task("fill-mask", tmp_path, device=CPU.device, tokenizer=model)


def test_a_device_that_is_not_there_means_a_warning_and_the_processor(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    said: list[str] = []
    assert choose_device("cuda:1", said.append) == torch.device("cpu")
    assert choose_compute("cuda", "fp16", said.append) == CPU
    assert said[0] == "no device cuda:1 on this machine; computing on the cpu"
    assert len(said) == 3
    assert choose_device("auto", said.append) == torch.device("cpu")
    assert len(said) == 3, "auto promised nothing"
    with pytest.raises(UsageError, match="no device is called"):
        choose_device("gpu", said.append)


def test_a_pipeline_takes_loaded_models(tiny_model):
    from albert_cli.models.heads_language import AlbertForMaskedLM
    from albert_cli.tokenization.tokenizer import AlbertTokenizer

    place = tiny_model("AlbertForMaskedLM")
    model, tokenizer = AlbertForMaskedLM.from_pretrained(place), AlbertTokenizer.from_pretrained(place)
    by_name = pipeline("fill-mask", place, device="cpu")("a [MASK]")
    assert pipeline("fill-mask", model, tokenizer, device=-1)("a [MASK]") == by_name
    with pytest.raises(UsageError, match="needs its tokenizer"):
        pipeline("fill-mask", model)
    with pytest.raises(UsageError, match="needs a model of class AlbertForSequenceClassification"):
        pipeline("text-classification", model, tokenizer)


def test_a_pipeline_finds_its_task_and_its_model(tiny_model, monkeypatch):
    place = tiny_model("AlbertForMaskedLM")
    assert pipeline(model=place, device=-1).task == "fill-mask"
    assert pipeline(model=tiny_model("AlbertForQuestionAnswering"), device=-1).task == "question-answering"
    monkeypatch.setenv("ALBERT_MODEL", str(place))
    with pytest.warns(UserWarning, match="no model named; taking") as caught:
        assert pipeline("fill-mask", device=-1).task == "fill-mask"
    assert caught[0].filename == __file__, "the warning points at who called"
    loaded = pipeline("fill-mask", place, device=-1)
    assert pipeline(model=loaded.model, tokenizer=loaded.tokenizer, device=-1).task == "fill-mask"


@pytest.mark.parametrize(
    ("task", "parameters"),
    [
        ("fill-mask", {"top_k": 0}),
        ("fill-mask", {"tokenizer_kwargs": {"truncation": "sideways"}}),
        ("fill-mask", {"tokenizer_kwargs": {"truncation": True, "max_length": 0}}),
        ("text-classification", {"function_to_apply": "tanh"}),
        ("text-classification", {"top_k": 0}),
        ("feature-extraction", {"pooling": "max"}),
    ],
)
def test_values_that_mean_nothing_are_refused(tiny_model, task, parameters):
    ask = pipeline(task, tiny_model(KINDS[task][0]), device=-1)
    with pytest.raises(UsageError):
        ask("a [MASK]", **parameters)


def test_only_one_part_of_a_pair_may_be_cut(make_task):
    both_long = Query(LONG, "snow " * 40)
    for task in ("text-classification", "feature-extraction"):
        cut, refused = make_task(task, truncates=True, cut="first").answer([both_long, Query("a", LONG)])
        assert cut["truncated"] is True
        assert "the second text alone has" in refused["error"]
        (other,) = make_task(task, truncates=True).answer([both_long])  # from the longer part: both lose
        assert numbers_in(other) != pytest.approx(numbers_in(cut), abs=1e-3)


def test_a_pipeline_answers_an_iterator_as_it_is_asked(tiny_model):
    classify = pipeline(
        "text-classification", tiny_model("AlbertForSequenceClassification"), device="cpu", batch_size=2
    )
    taken: list[int] = []

    def texts() -> Any:
        for number in range(10):
            taken.append(number)
            yield f"text {number}"

    answers = classify(texts())
    first = next(answers)
    assert len(taken) == 2
    assert [first, *answers] == classify([f"text {number}" for number in range(10)])


def test_a_pipeline_refuses_what_it_does_not_have(tiny_model):
    place = tiny_model("AlbertForMaskedLM")
    with pytest.raises(UsageError, match="no pipeline for 'translation'") as caught:
        pipeline("translation", place)
    assert "fill-mask, text-classification" in caught.value.hint
    with pytest.raises(UsageError, match="has no parameter topk"):
        pipeline("fill-mask", place, topk=3)
    fill = pipeline("fill-mask", place, device="cpu")
    with pytest.raises(UsageError, match="has no parameter stride"):
        fill("a [MASK]", stride=3)
    with pytest.raises(UsageError, match="passes no add_special_tokens"):
        fill("a [MASK]", tokenizer_kwargs={"add_special_tokens": False})
    with pytest.raises(DataError, match=r"no \[MASK\]"):
        fill("no mask")
    with pytest.raises(UsageError, match="an input is a text"):
        fill([3])
    with pytest.raises(DataError, match="at most 64"):
        pipeline("feature-extraction", place, device="cpu")(LONG)
    with pytest.raises(DataError, match=r"no \[MASK\] in the first 64 tokens"):
        fill(LONG + "[MASK]", tokenizer_kwargs={"truncation": True})
    with pytest.raises(UsageError, match="takes nothing behind its inputs"):
        fill("a [MASK]", ["b"])


def test_target_words_without_any_piece_are_an_error(tiny_model):
    fill = pipeline("fill-mask", tiny_model("AlbertForMaskedLM"), device="cpu")
    with pytest.raises(UsageError, match="no target is in the vocabulary"), pytest.warns(UserWarning, match="left out"):
        fill("a [MASK]", targets=[""])


def test_a_run_directory_names_its_model(tiny_model, tmp_path: Path):
    import shutil

    shutil.copytree(tiny_model("AlbertForMaskedLM"), tmp_path / "model")
    (tmp_path / "status.json").write_text('{"state": "done"}')
    assert pipeline("fill-mask", tmp_path, device="cpu")("a [MASK]", top_k=1)
