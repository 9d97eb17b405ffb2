"""Where does the server listen, and how does it begin and end?"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import math
import socket
from collections.abc import Callable, Iterator
from typing import Any, cast

import uvicorn

from albert_cli.errors import UsageError
from albert_cli.files.text import safe_line
from albert_cli.recipe.serving import ServeLimits
from albert_cli.stages.serve.app import Service, build_app
from albert_cli.stages.serve.protocol import SPARE_CONNECTIONS, PatientProtocol

_KEEP_ALIVE_SECONDS = 5
_BACKLOG = 2048
_HEADING_BYTES = 32 * 1024
_OTHER_FILES = 192  # descriptors for everything that is no connection


def bind(host: str, port: int) -> socket.socket:
    """Take an address, without listening there yet.

    Raises:
        UsageError: it is taken, not allowed, or none of this machine's.
    """
    shown = f"{safe_line(host)}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"no address {shown}: {error}", hint="--host 127.0.0.1") from None
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        found.close()
        raise UsageError(
            f"cannot listen on {shown}: {error.strerror}", hint="--port 0 takes a free port, or stop what is there"
        ) from None
    return found


def is_loopback(listening: socket.socket) -> bool:
    """Whether only this machine can reach it."""
    return ipaddress.ip_address(listening.getsockname()[0].split("%")[0]).is_loopback


def url_of(listening: socket.socket, host: str) -> str:
    """What to type into a browser on this machine."""
    address, port = listening.getsockname()[:2]
    if ipaddress.ip_address(address.split("%")[0]).is_unspecified:
        host = "127.0.0.1" if listening.family == socket.AF_INET else "::1"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def room_for_connections(wanted: int) -> int:
    """Raise the process's limit of open files if that is needed; returns how many connections fit."""
    import resource

    needed = wanted + SPARE_CONNECTIONS + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    return max(1, min(wanted, soft - SPARE_CONNECTIONS - _OTHER_FILES))


class Server(uvicorn.Server):
    """Uvicorn that tells when it listens, and leaves signals to the command.

    Args:
        config: uvicorn's.
        on_ready: called when requests are taken.
    """

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets=sockets)
        self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: the command has its own handling, with its exit codes."""
        yield


def make_server(service: Service, on_ready: Callable[[], None]) -> Server:
    """Put app, limits and uvicorn together."""
    protocol = functools.partial(PatientProtocol, limits=service.limits, meters=service.meters)
    config = uvicorn.Config(
        build_app(service),
        http=cast(Any, protocol),
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        h11_max_incomplete_event_size=_HEADING_BYTES,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_patience(service.limits),
    )
    server = Server(config, on_ready)
    service.meters.watch("albert_connections", "Open connections.", lambda: len(server.server_state.connections))
    return server


def _patience(limits: ServeLimits) -> int:
    """Seconds after which a request that is neither answered nor given up must be a defect."""
    return math.ceil(limits.timeout + 3 * limits.read_timeout) + 1


def serve(server: Server, listening: socket.socket) -> None:
    """Answer until somebody sets ``server.should_exit``; then finish what was asked."""
    asyncio.run(server.serve(sockets=[listening]))
