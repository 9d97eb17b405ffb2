"""Pipelines on converted checkpoints: a model goes to another format and back, and answers as before.

Oracle: the pipelines of transformers 5 on what our converter wrote, and our own on the model that was never converted.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from subcases import each

from albert_cli.inference.pipeline import pipeline
from albert_cli.recipe.requests import ConvertRequest
from albert_cli.stages.convert import convert

transformers = pytest.importorskip("transformers", minversion="5.0")

TAGS = {"id2label": dict(enumerate(["O", "B-PER", "I-PER"]))}
NLI = {"id2label": dict(enumerate(["entailment", "neutral", "contradiction"]))}
CASES: list[tuple[str, str, tuple[str, ...], dict[str, Any], dict[str, Any]]] = [
    ("fill-mask", "AlbertForMaskedLM", ("tf1", "tf2", "flax", "hf-bin"), {}, {"top_k": 3}),
    ("text-classification", "AlbertForSequenceClassification", ("tf1", "flax"), {"num_labels": 3}, {"top_k": None}),
    ("token-classification", "AlbertForTokenClassification", ("tf2",), TAGS, {"ignore_labels": []}),
    ("feature-extraction", "AlbertModel", ("flax",), {}, {}),
]


def same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            same(ours[key], theirs[key])
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            same(one, other)
    elif isinstance(theirs, str | int):
        assert ours == theirs
    else:
        assert ours == pytest.approx(float(theirs), rel=1e-4, abs=1e-5)


@each("task, kind, formats, config, parameters", CASES)
def test_answers_survive_a_journey_through_another_format(
    task: str,
    kind: str,
    formats: tuple[str, ...],
    config: dict[str, Any],
    parameters: dict[str, Any],
    tiny_model: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, source = tmp_path_factory.mktemp("journey"), tiny_model(kind, embedding_size=16, **config)
    text = "the [MASK] runs" if task == "fill-mask" else "the river runs"
    before = pipeline(task, source, device=-1)(text, **parameters)
    for format_ in formats:
        there, back = folder / format_, folder / f"{format_}-back"
        convert(ConvertRequest(source=str(source), target=str(there), to=format_, quiet=True))
        head = kind if format_ == "tf1" else None
        convert(ConvertRequest(source=str(there), target=str(back), to="hf", head=head, quiet=True))
        after = pipeline(task, back, device=-1)(text, **parameters)
        theirs = transformers.pipeline(task, model=str(back), tokenizer=str(back), device=-1)(text, **parameters)
        same(after, before)
        same(after, theirs)


def test_what_has_no_pipeline_of_5_survives_too(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    asked: list[tuple[str, str, dict[str, Any], tuple[Any, ...]]] = [
        ("question-answering", "AlbertForQuestionAnswering", {}, ("who runs", "the river runs through paris")),
        ("zero-shot-classification", "AlbertForSequenceClassification", NLI, ("the river", "snow,dogs")),
        ("sentence-order", "AlbertForPreTraining", {}, ({"text": "the river", "text_pair": "runs"},)),
        ("multiple-choice", "AlbertForMultipleChoice", {}, ({"context": "a", "question": "b", "choices": ["c", "d"]},)),
    ]
    for task, kind, config, inputs in asked:
        source = tiny_model(kind, **config)
        there, back = tmp_path / f"{task}-tf2", tmp_path / f"{task}-back"
        convert(ConvertRequest(source=str(source), target=str(there), to="tf2", quiet=True))
        convert(ConvertRequest(source=str(there), target=str(back), to="hf", quiet=True))
        same(pipeline(task, back, device=-1)(*inputs), pipeline(task, source, device=-1)(*inputs))
