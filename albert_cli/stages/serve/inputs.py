"""How does the body of a request become queries, and its address parameters of the task? As `albert run` reads them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request

from albert_cli.files.text import safe_line
from albert_cli.inference.choice_records import query_from_record
from albert_cli.inference.queries import Query, Refusal
from albert_cli.inference.records import ARGUMENTS, clean_text, query_from_object
from albert_cli.recipe.requests import AGGREGATIONS, POOLINGS
from albert_cli.recipe.serving import ServeLimits
from albert_cli.stages.serve.refusals import Admission, Refused

MOST_ANSWERS = 100  # each is decoded into a whole sentence

# What a body beyond the limit is read for at most before the connection is closed: a client that writes before it reads
# would otherwise see a broken connection in place of the reason.
_DRAINED_BYTES = 16 * 1024 * 1024
_DRAIN_SECONDS = 2.0


@dataclass(frozen=True)
class Inputs:
    """What a request asks.

    Attributes:
        queries: in their order; what cannot be asked says why.
        is_list: whether they came as a list, so that the answers go back as one.
    """

    queries: list[Query | Refusal]
    is_list: bool


async def read_body(request: Request, limits: ServeLimits, admission: Admission) -> bytes:
    """Read the body of a request, as long as it is small and comes soon.

    Raises:
        Refused: 400, 408, 413, 415 or 503.
        ClientDisconnect: nobody is there any more.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "the body is compressed", hint="send it as it is")
    announced = request.headers.get("content-length")
    chunks = request.stream()
    if announced is not None and int(announced) > limits.body:
        await _drain(chunks)
        raise _too_large(limits)
    body = bytearray()
    with admission.body(limits.body if announced is None else int(announced)):
        try:
            async with asyncio.timeout(limits.read_timeout):
                async for chunk in chunks:
                    body += chunk
                    if len(body) > limits.body:
                        break
        except TimeoutError:
            raise Refused(
                408, f"the body did not come within {limits.read_timeout:g} s", hint="send it at once"
            ) from None
    if len(body) > limits.body:
        await _drain(chunks)
        raise _too_large(limits)
    return bytes(body)


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read on for a moment, and forget it."""
    left = _DRAINED_BYTES
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    return
    except (TimeoutError, ClientDisconnect):
        return


def _too_large(limits: ServeLimits) -> Refused:
    return Refused(
        413,
        f"the body has more than {limits.body:,} bytes",
        hint="send fewer inputs at once, or start the server with a larger --max-body",
        headers={"Connection": "close"},
    )


def read_inputs(body: bytes, task: str, limits: ServeLimits) -> Inputs:
    """Read JSON: an object or a string, or a list of such.

    Raises:
        Refused: 400, it is not JSON; 422, too many inputs or none.
    """
    try:
        document = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        said = "nested too deeply" if isinstance(error, RecursionError) else safe_line(str(error))
        raise Refused(400, f"the body is not JSON: {said}", hint=f"send {example(task)}") from None
    if not isinstance(document, list):
        return Inputs([_read(document, task, limits)], is_list=False)
    if not 0 < len(document) <= limits.inputs:
        raise Refused(
            422, f"a list of {len(document):,} inputs", hint=f"send at least one and at most {limits.inputs:,}"
        )
    return Inputs([_read(value, task, limits) for value in document], is_list=True)


def _read(value: Any, task: str, limits: ServeLimits) -> Query | Refusal:
    query = query_of(value, task)
    if isinstance(query, Query) and query.num_characters > limits.text:
        return Refusal(f"{query.num_characters:,} characters; at most {limits.text:,} are read")
    return query


def query_of(value: Any, task: str) -> Query | Refusal:
    """Read one input, as `albert run` reads a line of JSON."""
    if task == "multiple-choice":
        return query_from_record(value, {})
    if task == "zero-shot-classification" and isinstance(value, dict) and "labels" in value:
        return _with_labels(value)
    return query_from_object(value, {name: name for name in ARGUMENTS[task]})


def _with_labels(value: dict[str, Any]) -> Query | Refusal:
    """A text with labels of its own; they count as its text, for each is read with it."""
    labels, query = value["labels"], query_from_object(value, {"text": "text"})
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
        return Refusal('"labels" is not a list of strings')
    return query if isinstance(query, Refusal) else Query(query.text, choices=tuple(map(clean_text, labels)))


def example(task: str) -> str:
    """A body that the task takes."""
    if task == "multiple-choice":
        return '{"context": "...", "question": "...", "choices": ["...", "..."]}'
    if task == "zero-shot-classification":
        return '{"text": "...", "labels": ["...", "..."]}'
    if task == "fill-mask":
        return '{"text": "... [MASK] ..."}'
    needed = [name for name in ARGUMENTS[task] if task == "sentence-order" or name != "text_pair"]
    return json.dumps(dict.fromkeys(needed, "..."))


QUERY_PARAMETERS: dict[str, dict[str, str]] = {
    "fill-mask": {"top_k": "top_k"},
    "text-classification": {"top_k": "top_k"},
    "question-answering": {"top_k": "top_k"},
    "token-classification": {"aggregation": "aggregation_strategy"},
    "feature-extraction": {"pooling": "pooling"},
}
"""What the address of a request may say about each task, and the name of the task's own parameter for it."""

_CHOICES = {"aggregation": AGGREGATIONS, "pooling": POOLINGS}


def read_parameters(given: Mapping[str, str], task: str) -> dict[str, Any]:
    """Read what follows the ``?`` of an address.

    Raises:
        Refused: 400, a parameter that the task does not have, or a value that means nothing.
    """
    known = QUERY_PARAMETERS.get(task, {})
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            listed = ", ".join(known) or "none"
            raise Refused(400, f"{task} has no parameter {safe_line(name)}", hint=f"it has: {listed}")
        found[known[name]] = _number(name, value) if name == "top_k" else _word(name, value)
    return found


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= MOST_ANSWERS):
        raise Refused(400, f"{name} is {safe_line(value)}", hint=f"a whole number from 1 to {MOST_ANSWERS}")
    return int(value)


def _word(name: str, value: str) -> str:
    if value not in _CHOICES[name]:
        raise Refused(400, f"{name} is {safe_line(value)}", hint=f"one of {', '.join(_CHOICES[name])}")
    return value
