"""A server in a thread of the test, and a client that says exactly what it is told."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from albert_cli.inference.device import Compute
from albert_cli.inference.loading import Loaded
from albert_cli.inference.queries import Answer, Query
from albert_cli.inference.run import load_model
from albert_cli.recipe.requests import RunRequest
from albert_cli.recipe.serving import ServeLimits
from albert_cli.report.console import Talk
from albert_cli.stages.serve.app import Service, Variant
from albert_cli.stages.serve.batcher import Batcher
from albert_cli.stages.serve.command import make_service
from albert_cli.stages.serve.meters import Meters
from albert_cli.stages.serve.server import Server, bind, make_server, serve

NLI = {"id2label": {0: "entailment", 1: "neutral", 2: "contradiction"}}


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    service: Service
    server: Server
    thread: threading.Thread
    port: int

    def connect(self, *, timeout: float = 20) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def send(self, data: bytes) -> Reply:
        """Send bytes on a new connection and read what comes until the server closes it or has said everything."""
        with self.connect() as connection:
            connection.sendall(data)
            return read_reply(connection)

    def post(self, path: str, value: Any, *, headers: Mapping[str, str] | None = None) -> Reply:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.send(request("POST", path, body, headers=headers))

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Reply:
        return self.send(request("GET", path, headers=headers))

    def metric(self, line: str) -> float:
        """The number behind the beginning of a line of /metrics."""
        for each in self.get("/metrics").body.decode().splitlines():
            if each.startswith(f"{line} "):
                return float(each.rpartition(" ")[2])
        return 0.0


def request(method: str, path: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None) -> bytes:
    given = {"Host": "127.0.0.1", "Connection": "close", **(headers or {})}
    if body:
        given.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def read_reply(connection: socket.socket) -> Reply:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _receive(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += _receive(connection)
    return Reply(int(first.split()[1]), headers, body)


def _receive(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the server closed the connection")
    return data


def ask_at_once(port: int, path: str, values: Sequence[Any]) -> list[Any]:
    """Ask all values at the same moment, each on a connection of its own; their answers in their order."""

    async def ask(value: Any, go: asyncio.Event, connected: list[bool]) -> Any:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        connected.append(True)
        if len(connected) == len(values):
            go.set()
        await go.wait()
        writer.write(request("POST", path, json.dumps(value).encode()))
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        assert head.startswith(b"HTTP/1.1 200"), head
        return json.loads(body)

    async def ask_all() -> list[Any]:
        go, connected = asyncio.Event(), list[bool]()
        return await asyncio.wait_for(asyncio.gather(*(ask(value, go, connected) for value in values)), 120)

    return asyncio.run(ask_all())


class Echo:
    """Answers with the text, backwards; remembers what it was asked together.

    Args:
        seconds: how long it takes.
        opened: waits for this before it answers.
        bad: a text at which it fails.
    """

    def __init__(self, *, seconds: float = 0, opened: threading.Event | None = None, bad: str | None = None) -> None:
        self.batches: list[list[str]] = []
        self._seconds = seconds
        self._opened = opened
        self._bad = bad

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        self.batches.append([query.text for query in queries])
        if self._opened is not None:
            self._opened.wait(30)
        time.sleep(self._seconds)
        if any(query.text == self._bad for query in queries):
            raise RuntimeError("secret detail")
        return [{"results": [{"label": query.text[::-1], "score": 1.0}]} for query in queries]


def echo_service(task: Echo | None = None, *, limits: ServeLimits | None = None, **fields: Any) -> Service:
    """A service without a model."""
    meters = Meters()
    failures: list[Exception] = []
    answers = task or Echo()
    return Service(
        task="text-classification",
        model="echo",
        labels=[],
        make_variant=fields.pop("make_variant", lambda parameters: Variant(answers, lambda query: 100)),
        batcher=Batcher(meters, failures.append),
        meters=meters,
        limits=limits or ServeLimits(),
        **{"hosts": ("localhost", "127.0.0.1"), "on_defect": failures.append, **fields},
    )


@contextmanager
def running(
    service: Service, *, prepare: Callable[[socket.socket], None] = lambda listening: None
) -> Iterator[Running]:
    """Serve in a thread; everything has ended behind the block."""
    ready = threading.Event()
    listening = bind("127.0.0.1", 0)
    prepare(listening)
    server = make_server(service, ready.set)
    service.batcher.start()
    thread = threading.Thread(target=serve, args=(server, listening))
    thread.start()
    assert ready.wait(20)
    try:
        yield Running(service, server, thread, listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(30)
        service.batcher.stop(20)
        assert not thread.is_alive()
        assert not service.batcher.is_alive


def wait_until(holds: Callable[[], bool], *, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def no_warning(text: str) -> None:
    raise AssertionError(text)


def prepare(model: Path, task: str, **options: Any) -> tuple[RunRequest, Loaded, Compute]:
    asked = RunRequest(task=task, model=str(model), device="cpu", **options)
    return asked, *load_model(asked, no_warning)


def serve_model(asked: RunRequest, loaded: Loaded, compute: Compute, **limits: Any) -> Service:
    return make_service(asked, loaded, compute, limits=ServeLimits(**limits), talk=Talk(quiet=True))
