"""Bodies of requests, whatever is in them: queries, reasons, or a refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from subcases import each

from albert_cli.inference.queries import Query, Refusal
from albert_cli.recipe.requests import RUN_TASKS
from albert_cli.recipe.serving import ServeLimits
from albert_cli.stages.serve.inputs import example, query_of, read_inputs, read_parameters
from albert_cli.stages.serve.refusals import Refused

LIMITS = ServeLimits(text=50, inputs=5)
NAMES = st.sampled_from(["text", "text_pair", "question", "context", "choices", "labels", "options", "index"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def attempt(read: Callable[[], Any]) -> Any:
    """What it gives, or the refusal that it raises."""
    try:
        return read()
    except Refused as refused:
        return refused


@each("task", RUN_TASKS)
def test_the_example_of_a_task_is_one(task: str) -> None:
    assert isinstance(query_of(json.loads(example(task)), task), Query)


@settings(max_examples=300, deadline=None, database=None)
@given(st.sampled_from(RUN_TASKS), VALUES.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60))
def test_every_body_becomes_queries_or_is_refused(task: str, body: bytes) -> None:
    inputs = attempt(lambda: read_inputs(body, task, LIMITS))
    if isinstance(inputs, Refused):
        assert inputs.status in (400, 422)
        assert inputs.hint
        return
    assert 0 < len(inputs.queries) <= LIMITS.inputs
    for query in inputs.queries:
        assert isinstance(query, Query | Refusal)
        if isinstance(query, Query):
            assert query.num_characters <= LIMITS.text
            parts = (query.text, query.pair or "", *query.choices)
            assert not any("\ud800" <= letter <= "\udfff" for part in parts for letter in part)


@settings(max_examples=200, deadline=None, database=None)
@given(st.sampled_from(RUN_TASKS), st.dictionaries(st.sampled_from(["top_k", "pooling", "x"]), st.text(max_size=12)))
def test_parameters_mean_something_or_are_refused(task: str, given_: dict[str, Any]) -> None:
    found = attempt(lambda: read_parameters(given_, task))
    if isinstance(found, Refused):
        assert found.status == 400
        return
    assert all(1 <= found["top_k"] <= 100 for name in given_ if name == "top_k")
