"""Every option of a task on the command line does what its parameter does in Python."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from subcases import each

from albert_cli.cli.task_options import OPTION_TASKS
from albert_cli.inference.pipeline import pipeline

NLI = {"id2label": {0: "entailment", 1: "neutral", 2: "contradiction"}}
TAGS = {"id2label": {0: "O", 1: "B-X", 2: "I-X"}}
CONTEXT = "the river runs through paris and people walk along its old stone bridges every morning"
LONG = " ".join([CONTEXT] * 6)

MASKED, PAIRED, TAGGED, ASKED = (
    "AlbertForMaskedLM",
    "AlbertForSequenceClassification",
    "AlbertForTokenClassification",
    "AlbertForQuestionAnswering",
)
QUESTIONS = {"shares_windows": True}
CASES: list[tuple[str, str, dict[str, Any], list[str], dict[str, Any]]] = [
    ("fill-mask", MASKED, {}, ["--joint", "--top-k", "2"], {"joint": True, "top_k": 2}),
    (
        "text-classification",
        PAIRED,
        NLI,
        ["--function", "sigmoid", "--top-k", "3"],
        {"top_k": 3, "function_to_apply": "sigmoid"},
    ),
    (
        "ner",
        TAGGED,
        TAGS,
        ["--ignore-labels", "", "--aggregation", "simple"],
        {"ignore_labels": [], "aggregation_strategy": "simple"},
    ),
    ("ner", TAGGED, TAGS, ["--ignore-labels", "X,O"], {"ignore_labels": ["X", "O"], "aggregation_strategy": "first"}),
    (
        "ner",
        TAGGED,
        TAGS,
        ["--stride", "4", "--ignore-labels", "X"],
        {"stride": 4, "ignore_labels": ["X"], "aggregation_strategy": "first"},
    ),
    ("question-answering", ASKED, {}, ["--max-answer-len", "2"], {"max_answer_len": 2}),
    (
        "question-answering",
        ASKED,
        {},
        ["--max-seq-len", "30", "--doc-stride", "4"],
        {"max_seq_len": 30, "doc_stride": 4},
    ),
    ("question-answering", ASKED, {}, ["--max-question-len", "1"], {"max_question_len": 1}),
    (
        "question-answering",
        ASKED,
        {},
        ["--handle-impossible-answer", "--top-k", "50"],
        {"handle_impossible_answer": True, "top_k": 50},
    ),
    ("question-answering", ASKED, {}, ["--no-align-to-words", "--top-k", "9"], {"align_to_words": False, "top_k": 9}),
    ("zero-shot-classification", PAIRED, NLI, ["--labels", "a river, snow"], {"candidate_labels": ["a river", "snow"]}),
    (
        "zero-shot-classification",
        PAIRED,
        NLI,
        ["--labels", "x,y", "--template", "{}?", "--multi-label"],
        {"candidate_labels": "x,y", "hypothesis_template": "{}?", "multi_label": True},
    ),
]


def close(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, float):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for name in theirs:
            close(ours[name], theirs[name])
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            close(one, other)
    else:
        assert ours == theirs


@each("task, kind, config, options, parameters", CASES)
def test_an_option_is_the_parameter(
    task: str,
    kind: str,
    config: dict[str, Any],
    options: list[str],
    parameters: dict[str, Any],
    albert: Callable[..., Any],
    tiny_model: Callable[..., Path],
) -> None:
    model = tiny_model(kind, **config)
    text: Any = "the [MASK] runs through [MASK]" if task == "fill-mask" else LONG if task == "ner" else CONTEXT
    typed = f"who walks\t{LONG}" if task == "question-answering" else text
    done = albert("run", "--task", task, "--model", model, *options, typed)
    assert done.code == 0, done.err
    (answer,) = (json.loads(line) for line in done.out.splitlines())
    ask = pipeline(task, model, device=-1)
    if task == "question-answering":
        expected = ask("who walks", LONG, **{**QUESTIONS, **parameters})
        expected = expected if isinstance(expected, list) else [expected]
    else:
        expected = ask(text, **parameters)
    close(
        answer.get("results", {name: answer[name] for name in ("sequence", "labels", "scores") if name in answer}),
        expected,
    )
    plain = albert(
        "run", "--task", task, "--model", model, *(["--labels", "x,y"] if "--labels" in options else []), typed
    )
    assert plain.out != done.out, "the option makes no difference"


def test_every_option_of_a_task_was_tried() -> None:
    tried = {option for *_, options, _ in CASES for option in options if option.startswith("--")}
    negated = {"--no-align-to-words": "--align-to-words"}
    elsewhere = {"--targets", "--pooling", "--question", "--context", "--aggregation", "--top-k"}
    assert set(OPTION_TASKS) - {negated.get(option, option) for option in tried} <= elsewhere


def test_an_option_of_another_task_is_refused(albert: Callable[..., Any]) -> None:
    for arguments, said in (
        (["--task", "fill-mask", "--labels", "a"], "--labels is for zero-shot-classification"),
        (["--task", "ner", "--doc-stride", "3"], "--doc-stride is for question-answering"),
        (["--task", "zero-shot-classification"], "no labels to choose from"),
        (["--task", "zero-shot-classification", "--labels", " , "], "no labels to choose from"),
    ):
        done = albert("run", "--model", "none", *arguments, "text")
        assert done.code == 2
        assert said in done.err


def test_features_of_pairs_have_segment_numbers(albert: Callable[..., Any], tiny_model: Callable[..., Path]) -> None:
    """The second text is read as the second: not as if both were one."""
    done = albert(
        "run", "--task", "feature-extraction", "--model", tiny_model("AlbertModel"), "the river\truns", "the river"
    )
    pair, alone = (json.loads(line)["vectors"] for line in done.out.splitlines())
    ask = pipeline("feature-extraction", tiny_model("AlbertModel"), device=-1)
    close(pair, ask({"text": "the river", "text_pair": "runs"})[0])
    assert len(pair) == len(alone) + 2, "runs, [SEP]"
    model, ids = ask.model, [ask.tokenizer("the river", "runs")["input_ids"]]
    import torch

    types = [[0] * len(alone) + [1] * 2]
    with torch.no_grad():
        expected = model(torch.tensor(ids), token_type_ids=torch.tensor(types)).last_hidden_state[0]
        blind = model(torch.tensor(ids)).last_hidden_state[0]
    torch.testing.assert_close(torch.tensor(pair), expected, atol=1e-4, rtol=1e-4)
    assert (torch.tensor(pair) - blind).abs().max() > 0.01
