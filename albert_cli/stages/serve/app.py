"""What does the server answer at which path?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from albert_cli import __version__
from albert_cli.errors import AlbertError
from albert_cli.files.text import json_line, safe_line
from albert_cli.inference.queries import Answer, Query, Refusal, Task
from albert_cli.recipe.requests import RUN_ALIASES
from albert_cli.recipe.serving import ServeLimits
from albert_cli.stages.serve.batcher import Answered, Batcher
from albert_cli.stages.serve.gate import Gate, error_response, json_response
from albert_cli.stages.serve.inputs import QUERY_PARAMETERS, example, read_body, read_inputs, read_parameters
from albert_cli.stages.serve.meters import CONTENT_TYPE, Meters
from albert_cli.stages.serve.page import load_page
from albert_cli.stages.serve.refusals import Admission, Refused
from albert_cli.stages.serve.sizes import Measure

_MOST_VARIANTS = 64  # of the task, which requests may ask for and which are kept


@dataclass(frozen=True)
class Variant:
    """The task with some parameters.

    Attributes:
        task: what answers.
        measure: how large an answer may become.
    """

    task: Task
    measure: Measure


@dataclass
class Service:
    """A model that is asked over HTTP.

    Attributes:
        task: what it answers.
        model: its name, to show.
        labels: names of its classes, to show.
        make_variant: makes what answers, with parameters that differ from the server's own.
        batcher: asks the model.
        meters: counts.
        limits: how much is taken.
        hosts: names under which the server may be called; empty means any.
        on_defect: told of an exception that nobody expected.
        is_stopping: whether it answers what it was asked and takes nothing more.
    """

    task: str
    model: str
    labels: list[str]
    make_variant: Callable[[Mapping[str, Any]], Variant]
    batcher: Batcher
    meters: Meters
    limits: ServeLimits
    hosts: tuple[str, ...] = ()
    on_defect: Callable[[Exception], None] = lambda error: None
    is_stopping: bool = False
    admission: Admission = field(init=False)
    _variants: dict[tuple[tuple[str, Any], ...], Variant] = field(default_factory=dict)
    _begin: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.admission = Admission(self.limits.queue, self.batcher.seconds_for)
        self.meters.watch(
            "albert_queue_inputs", "Inputs taken on and not handed over.", lambda: self.admission.num_inputs
        )
        self.meters.watch("albert_waiting_inputs", "Inputs that no batch has taken.", lambda: self.batcher.num_waiting)

    def variant(self, parameters: Mapping[str, Any]) -> Variant:
        """What answers with some parameters; the same object for the same ones, so that batches can hold many.

        Raises:
            Refused: 400, the parameters mean nothing to the task.
        """
        key = tuple(sorted(parameters.items()))
        if key not in self._variants:
            if len(self._variants) >= _MOST_VARIANTS:
                self._variants.pop(next(iter(self._variants)))
            try:
                self._variants[key] = self.make_variant(parameters)
            except AlbertError as error:
                raise Refused(400, error.message, hint=error.hint or "leave it out") from error
        return self._variants[key]

    def about(self) -> dict[str, Any]:
        """What a client may want to know."""
        limits = self.limits
        return {
            "name": "albert-cli",
            "version": __version__,
            "model": self.model,
            "task": self.task,
            "path": f"/{self.task}",
            "example": example(self.task),
            "parameters": sorted(QUERY_PARAMETERS.get(self.task, {})),
            "labels": self.labels,
            "limits": {"body": limits.body, "text": limits.text, "inputs": limits.inputs, "seconds": limits.timeout},
        }

    def health(self) -> dict[str, Any]:
        """Whether and how it is doing."""
        state = "stopping" if self.is_stopping else "ok" if self.batcher.is_alive else "dead"
        return {
            "status": state,
            "task": self.task,
            "queue": self.admission.num_inputs,
            "uptime_seconds": round(time.monotonic() - self._begin, 1),
        }


def build_app(service: Service) -> Gate:
    """Make the application: ``/``, ``/health``, ``/about``, ``/metrics``, and the task under its names."""
    page = load_page()

    async def index(request: Request) -> Response:
        return Response(
            page.html, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": page.policy}
        )

    async def about(request: Request) -> Response:
        return json_response(json_line(service.about()))

    async def health(request: Request) -> Response:
        found = service.health()
        return json_response(json_line(found), status=200 if found["status"] == "ok" else 503)

    async def metrics(request: Request) -> Response:
        return Response(service.meters.text(), headers={"Content-Type": CONTENT_TYPE})

    names = [service.task, *(alias for alias, name in RUN_ALIASES.items() if name == service.task)]
    routes = [
        Route("/", index),
        Route("/about", about),
        Route("/health", health),
        Route("/metrics", metrics),
        *(Route(f"/{name}", Endpoint(service), methods=["POST"]) for name in names),
    ]

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return error_response(_explained(error, request, service.task))

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        service.meters.refused.labels(str(error.status)).inc()
        return error_response(error)

    async def defect(request: Request, error: Exception) -> Response:
        service.on_defect(error)
        return error_response(AlbertError("a defect of the server", hint="its own output says more"))

    app = Starlette(routes=routes, exception_handlers={HTTPException: http_error, Refused: refused, Exception: defect})
    return Gate(app, meters=service.meters, paths=[route.path for route in routes], hosts=service.hosts)


def _explained(error: HTTPException, request: Request, task: str) -> Refused:
    """Our words for what the router refuses."""
    path = safe_line(request.url.path, limit=80)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{path} takes {allowed}, not {safe_line(request.method, limit=20)}"
        return Refused(405, message, hint=f"use {allowed.split(',')[0]}", headers=dict(error.headers or {}))
    if error.status_code == 404:
        return Refused(404, f"nothing is at {path}", hint=f"POST /{task}, or GET /, /about, /health, /metrics")
    return Refused(error.status_code, error.detail, hint="GET /about says what is taken")


class Endpoint:
    """The path of a task (ASGI).

    It is no function that returns a response, because inputs count as taken on until the client has their answers:
    else answers that nobody fetches would fill the memory.

    Args:
        service: the model.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        service = self._service
        try:
            if service.is_stopping:
                raise Refused(503, "the server is stopping", hint="ask another", headers={"Retry-After": "5"})
            variant = service.variant(read_parameters(request.query_params, service.task))
            body = await read_body(request, service.limits, service.admission)
            inputs = read_inputs(body, service.task, service.limits)
            queries, sizes = _measured(inputs.queries, variant.measure)
            with service.admission.inputs(sizes):
                answered = await self._ask(queries, variant.task, receive)
                response = _response(answered, is_list=inputs.is_list, hint=f"send {example(service.task)}")
                await _send(response, send)
        except ClientDisconnect:
            service.meters.refused.labels("gone").inc()

    async def _ask(self, queries: list[Query | Refusal], task: Task, receive: Receive) -> Answered:
        """Answers in the order of the queries, refusals among them.

        Raises:
            Refused: 503, nobody answers any more; 504, it takes too long.
            ClientDisconnect: nobody waits for them any more.
        """
        service = self._service
        good = [query for query in queries if isinstance(query, Query)]
        service.meters.inputs.labels("refused").inc(len(queries) - len(good))
        answered = Answered([], 0)
        if good:
            if not service.batcher.is_alive:
                raise Refused(503, "the model's thread has ended", hint="start the server again")
            answered = await _first(service.batcher.submit(good, task), receive, service.limits.timeout)
        found = iter(answered.answers)
        answers = [next(found) if isinstance(query, Query) else {"error": query.reason} for query in queries]
        return Answered(answers, answered.num_failed)


def _measured(queries: list[Query | Refusal], measure: Measure) -> tuple[list[Query | Refusal], list[int]]:
    """Queries, and how large their answers may become; what is refused by its measure becomes a refusal."""
    measured = [measure(query) if isinstance(query, Query) else 0 for query in queries]
    kept = [size if isinstance(size, Refusal) else query for query, size in zip(queries, measured, strict=True)]
    return kept, [0 if isinstance(size, Refusal) else size for size in measured]


async def _first(future: Future[Answered], receive: Receive, timeout: float) -> Answered:
    """Wait for answers, until they come, the time is over, or the client leaves."""
    coming = asyncio.wrap_future(future)
    leaving = asyncio.ensure_future(_disconnected(receive))
    both: set[asyncio.Future[Any]] = {coming, leaving}
    try:
        await asyncio.wait(both, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if coming.done():
            return coming.result()
        if leaving.done():
            raise ClientDisconnect
        raise Refused(504, f"no answer within {timeout:g} s", hint="ask for less at once, or later")
    finally:
        coming.cancel()
        leaving.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _response(answered: Answered, *, is_list: bool, hint: str) -> tuple[int, bytes]:
    """Status and body: a list for a list; for a single input its answer, whose status says whether it is one."""
    answers: list[Answer] = [{"index": index, **answer} for index, answer in enumerate(answered.answers)]
    if is_list:
        return 200, (json_line(answers) + "\n").encode()
    answer = answers[0]
    if "error" not in answer:
        return 200, (json_line(answer) + "\n").encode()
    if answered.num_failed:
        return 500, (json_line({**answer, "try": "the server's own output says more"}) + "\n").encode()
    return 422, (json_line({**answer, "try": hint}) + "\n").encode()


async def _send(response: tuple[int, bytes], send: Send) -> None:
    """Send a response, and return when the client has it."""
    status, body = response
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    # The server waits before a second part until the first is written.
    await send({"type": "http.response.body", "body": b"", "more_body": False})
