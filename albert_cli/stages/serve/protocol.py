"""How long does a connection wait for its client, and how many are there? What uvicorn leaves open is closed here.

Uvicorn waits for a heading, and for a client to take its answer, as long as the client likes. A few hundred clients
that send a byte a minute would keep everybody else out.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from albert_cli.files.text import json_line
from albert_cli.recipe.serving import ServeLimits
from albert_cli.stages.serve.gate import HEADERS
from albert_cli.stages.serve.meters import Meters

SPARE_CONNECTIONS = 64
"""Connections beyond the limit that are told so; any further one is cut."""

_REFUSED_SECONDS = 1.0
_PHRASES = {400: "Bad Request", 408: "Request Timeout", 503: "Service Unavailable"}


class PatientProtocol(H11Protocol):
    """One connection, with an end to its patience.

    Args:
        limits: how many connections, and how long each may take.
        meters: counts what is refused.
        arguments: of uvicorn's protocol.
    """

    def __init__(self, *, limits: ServeLimits, meters: Meters, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._limits = limits
        self._meters = meters
        self._is_refused = False
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a heading."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # so that `pause_writing` tells of every byte that is not taken
        excess = len(self.connections) - self._limits.connections
        if excess > SPARE_CONNECTIONS:
            self._meters.refused.labels("connections").inc()
            transport.abort()
            return
        self._is_refused = excess > 0
        self._wait_for_client(_REFUSED_SECONDS if self._is_refused else self._limits.read_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        if self._is_refused:
            self._refuse(
                503, "connections", "too many connections", "ask again in a second", extra="Retry-After: 1\r\n"
            )
            return
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._watch()

    def pause_writing(self) -> None:
        """Begin to wait for the client to take its answer."""
        super().pause_writing()
        if self._writing is None:
            self._writing = self.loop.call_later(self._limits.read_timeout, self._cut, "slow reader")

    def resume_writing(self) -> None:
        """The client took it."""
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(400, "malformed", "not a request of HTTP/1.1, or a heading too long", "use an HTTP client")

    def _watch(self) -> None:
        """Be impatient when it is the client's turn: within a heading, or within a body that nobody wants."""
        theirs, ours = self.conn.their_state, self.conn.our_state
        is_idle = theirs is h11.IDLE and self.timeout_keep_alive_task is None
        if is_idle or (theirs is h11.SEND_BODY and ours in (h11.DONE, h11.MUST_CLOSE)):
            self._wait_for_client(self._limits.read_timeout)
        else:
            self._stop_waiting()

    def _wait_for_client(self, seconds: float) -> None:
        if self._reading is None:
            self._reading = self.loop.call_later(seconds, self._end_patience)

    def _stop_waiting(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _end_patience(self) -> None:
        self._reading = None
        if self.conn.their_state is h11.IDLE and not self._is_refused:
            self._refuse(
                408, "slow", f"no whole heading within {self._limits.read_timeout:g} s", "send the request at once"
            )
        else:
            self._cut("slow")

    def _refuse(self, status: int, reason: str, message: str, hint: str, *, extra: str = "") -> None:
        """Say why, where that can still be said, and close."""
        self._stop_waiting()
        self._meters.refused.labels(reason).inc()
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json_line({"error": message, "try": hint}) + "\n"
            headers = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
            self.transport.write(
                f"HTTP/1.1 {status} {_PHRASES[status]}\r\nContent-Type: application/json\r\n{headers}{extra}"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode("ascii")
            )
        self.transport.close()

    def _cut(self, reason: str) -> None:
        self._meters.refused.labels(reason).inc()
        self.transport.abort()
