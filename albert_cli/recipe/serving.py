"""What is asked of `albert serve`, and how much may be asked of it: plain values, light to import."""

from __future__ import annotations

from dataclasses import dataclass, field

from albert_cli.recipe.requests import RunRequest

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000


@dataclass(frozen=True, kw_only=True)
class ServeLimits:
    """How much a server takes before it refuses.

    Args:
        body: bytes of a request's body.
        text: characters of one input, all its parts together.
        inputs: inputs of one request.
        queue: inputs that are worked on, wait, or whose answers are on their way, of all requests together.
        connections: open connections.
        timeout: seconds from a request's arrival to its answer.
        read_timeout: seconds in which a client has to send a heading, in which it has to send a body, and in which it
            has to take an answer.
    """

    body: int = 1024 * 1024
    text: int = 20_000
    inputs: int = 256
    queue: int = 2000
    connections: int = 2000
    timeout: float = 60.0
    read_timeout: float = 10.0


@dataclass(frozen=True, kw_only=True)
class ServeRequest:
    """One call of `albert serve`.

    Args:
        run: model, task and options of the answers, as `albert run` has them.
        host: name or address to listen on.
        port: port to listen on; 0 takes a free one.
        allowed_hosts: further names under which the server may be called.
        limits: how much is taken.
        json: print the address as a JSON object.
    """

    run: RunRequest
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    allowed_hosts: tuple[str, ...] = ()
    limits: ServeLimits = field(default_factory=ServeLimits)
    json: bool = False
