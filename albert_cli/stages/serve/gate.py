"""Who may speak to the server, and what does every response say to a browser?

A server on the own machine is reached by every page that the browser shows. Two things keep pages out: the ``Host`` of
a request must be a name of this machine (else a stranger's name that was made to point here would do), and a request
that comes from a page must come from ours (``Origin``).
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from albert_cli.errors import AlbertError
from albert_cli.files.text import json_line, safe_line
from albert_cli.stages.serve.meters import Meters
from albert_cli.stages.serve.refusals import Refused

_HOST = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[\w.-]+))(?::[0-9]*)?", re.ASCII)
_GONE = 499  # of a request whose client left; nobody sees it but the metrics

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What every response says, unless it says something else of the same name itself."""


class Gate:
    """Checks requests before the app sees them, and completes its responses.

    Args:
        app: who answers.
        meters: counts requests.
        paths: those that are counted by name; others are counted together.
        hosts: names under which the server may be called; empty means any.
    """

    def __init__(self, app: ASGIApp, *, meters: Meters, paths: Collection[str], hosts: Collection[str]) -> None:
        self._app = app
        self._meters = meters
        self._paths = frozenset(paths)
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        if scope["type"] != "http":
            raise AssertionError(f"the server was asked for {scope['type']}")
        begin = time.perf_counter()
        status = _GONE

        async def complete(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._check(Headers(scope=scope), scope["method"])
        except Refused as refused:
            self._meters.refused.labels("stranger").inc()
            await error_response(refused)(scope, receive, complete)
        else:
            await self._app(scope, receive, complete)
        finally:
            path = scope["path"] if scope["path"] in self._paths else "other"
            self._meters.requests.labels(path, str(status)).inc()
            self._meters.request_seconds.labels(path).observe(time.perf_counter() - begin)

    def _check(self, headers: Headers, method: str) -> None:
        host = headers.get("host", "")
        if self._hosts and not is_known_host(host, self._hosts):
            raise Refused(
                403,
                f"this server is not called {safe_line(host, limit=80)!r}",
                hint="call it by its address, or start it with --allow-host NAME",
            )
        origin = headers.get("origin")
        if method not in ("GET", "HEAD") and origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise Refused(
                403, f"asked by a page of {safe_line(origin, limit=80)}", hint="only the server's own page may ask"
            )


def is_known_host(header: str, known: Collection[str]) -> bool:
    """Whether a ``Host`` header (``name``, ``name:port``, ``[::1]:port``) names this server.

    A loopback address does whichever it is: a name can be made to point anywhere, an address cannot.
    """
    found = _HOST.fullmatch(header)
    if found is None:
        return False
    name = (found["address"] or found["name"]).lower().rstrip(".")
    if name in known:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def error_response(error: AlbertError, *, status: int = 500) -> Response:
    """An error in JSON: what is wrong, and what to do next."""
    body = {"error": error.message, "try": error.hint}
    refused = error if isinstance(error, Refused) else None
    return json_response(
        json_line(body),
        status=status if refused is None else refused.status,
        headers=None if refused is None else refused.headers,
    )


def json_response(text: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response of JSON that is text already."""
    return Response(text + "\n", status_code=status, headers=headers, media_type="application/json")
