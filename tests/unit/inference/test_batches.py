"""How much is computed at once is a matter of speed alone: every task answers the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from subcases import each

from albert_cli.inference.device import Compute
from albert_cli.inference.loading import load_for_task
from albert_cli.inference.queries import Query
from albert_cli.inference.tasks import RUN_DEFAULTS, make_task

LONG = "the river runs through paris " * 40
TEXTS = [Query("the river"), Query(""), Query(LONG), Query("snow covers roofs")]
PAIRS = [Query("the river runs.", "snow covers roofs."), Query("a", "b"), Query(LONG, LONG)]
TASKS: dict[str, tuple[str, dict[str, Any], list[Query]]] = {
    "fill-mask": ("AlbertForMaskedLM", {"top_k": 3}, [Query("[MASK] and [MASK]"), Query(f"{LONG}[MASK] {LONG}")]),
    "text-classification": ("AlbertForSequenceClassification", {}, TEXTS + PAIRS),
    "token-classification": ("AlbertForTokenClassification", {"aggregation_strategy": "none"}, TEXTS),
    "question-answering": ("AlbertForQuestionAnswering", {"top_k": 3}, PAIRS),
    "multiple-choice": ("AlbertForMultipleChoice", {}, [Query(LONG, "who", ("a", "b")), Query("a", "b", ("c", "d"))]),
    "sentence-order": ("AlbertForPreTraining", {}, PAIRS),
    "feature-extraction": ("AlbertModel", {"pooling": "mean"}, TEXTS + PAIRS),
    "zero-shot-classification": ("AlbertForSequenceClassification", {"candidate_labels": "a,b,snow"}, TEXTS),
}
CONFIGS = {"zero-shot-classification": {"id2label": {0: "entailment", 1: "neutral", 2: "contradiction"}}}


def numbers_in(value: Any) -> list[float]:
    if isinstance(value, float):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [number for item in items for number in numbers_in(item)]


def without_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_numbers(item) for name, item in value.items()}
    return [without_numbers(item) for item in value] if isinstance(value, list) else isinstance(value, float) or value


@each("task", list(TASKS))
def test_few_tokens_at_once_change_no_answer(task: str, tiny_model: Callable[..., Path]) -> None:
    kind, parameters, queries = TASKS[task]
    loaded = load_for_task(task, tiny_model(kind, **CONFIGS.get(task, {})), device=torch.device("cpu"))
    sizes: list[int] = []
    loaded.model.register_forward_pre_hook(
        lambda module, arguments, named: sizes.append(len(arguments[0] if arguments else named["input_ids"])),
        with_kwargs=True,
    )
    answers = []
    for tokens in (100_000, 70):
        compute = Compute(torch.device("cpu"), batch_tokens=tokens)
        said: list[str] = []
        made = make_task(task, loaded, compute, {**RUN_DEFAULTS.get(task, {}), **parameters}, warn=said.append)
        answers.append(made.answer(queries))
        made.answer(queries)
        is_cut = any("truncated" in answer for answer in answers[-1])
        assert len(said) == is_cut, "said once, and only where it is so"
        assert task == "sentence-order" or 0 < max(sizes) <= tokens  # that task asks the encoder directly
        sizes.clear()
    assert without_numbers(answers[0]) == without_numbers(answers[1])
    assert numbers_in(answers[0]) == pytest.approx(numbers_in(answers[1]), rel=1e-4, abs=1e-6)
