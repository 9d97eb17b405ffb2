"""What does `albert serve` do, from its request to its exit code?"""

from __future__ import annotations

import dataclasses
import functools
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from albert_cli.errors import Interrupted
from albert_cli.files.hub import resolve_model
from albert_cli.inference.device import Compute
from albert_cli.inference.loading import Loaded
from albert_cli.inference.run import load_model
from albert_cli.inference.tasks import make_task, parameters_of, task_of
from albert_cli.models.config import AlbertConfig
from albert_cli.recipe.requests import RunRequest
from albert_cli.recipe.serving import ServeLimits, ServeRequest
from albert_cli.report.console import Talk, result_json, result_text
from albert_cli.stages.serve.app import Service, Variant
from albert_cli.stages.serve.batcher import Batcher
from albert_cli.stages.serve.meters import Meters
from albert_cli.stages.serve.server import bind, is_loopback, make_server, room_for_connections, serve, url_of
from albert_cli.stages.serve.sizes import measure_for
from albert_cli.training.interrupt import stop_on_signals


def run(request: ServeRequest) -> int:
    """Serve a model until a signal ends it.

    The address is taken before the model is loaded, and printed on stdout when requests are answered.

    Returns:
        Exit code 0, if something else than a signal ended it.

    Raises:
        UsageError: the address cannot be had, or options that mean nothing to the task.
        ModelError: no such model, or one that is not trained for the task.
        Interrupted: by SIGINT or SIGTERM; everything asked before was answered.
    """
    talk = Talk(quiet=request.run.quiet)
    with bind(request.host, request.port) as listening:
        limits = _limits(request.limits, talk)
        local = is_loopback(listening)
        names = (*request.allowed_hosts, *(("localhost", request.host) if local else ()))
        if not local and not request.allowed_hosts:
            talk.warn(
                "everybody who reaches this machine may ask: no password, no encryption (--host 127.0.0.1 ends that)"
            )
        loaded, compute = load_model(request.run, talk.warn)
        service = make_service(request.run, loaded, compute, limits=limits, hosts=names, talk=talk)
        url = url_of(listening, request.host)
        server = make_server(service, lambda: _say_ready(service, url, request, talk))

        def stop(number: int) -> None:
            service.is_stopping = server.should_exit = True
            talk.say(f"{signal.Signals(number).name}: finishing what was asked; again to stop at once")

        service.batcher.start()
        with stop_on_signals(stop) as flag:
            serve(server, listening)
            service.batcher.stop(limits.timeout)
    if flag.signal_number is not None:
        name = signal.Signals(flag.signal_number).name
        raise Interrupted(flag.signal_number, f"stopped by {name}; what was asked before is answered")
    return 0


def trained_task(model: str) -> str:
    """The task that a model was trained for.

    Raises:
        ModelError: no such model, or its config does not say.
    """
    return task_of(AlbertConfig.from_pretrained(resolve_model(model)))


def make_service(
    request: RunRequest,
    loaded: Loaded,
    compute: Compute,
    *,
    limits: ServeLimits,
    hosts: tuple[str, ...] = (),
    talk: Talk,
) -> Service:
    """Put a loaded model behind a queue; its thread is not started yet.

    Raises:
        UsageError: options that mean nothing to the task.
        ModelError: a model that cannot do what they ask.
    """
    own = parameters_of(request)
    meters = Meters()

    def make(given: Mapping[str, Any]) -> Variant:
        parameters = {**own, **given}
        task = make_task(request.task, loaded, compute, parameters, warn=talk.warn)
        return Variant(task, measure_for(request.task, loaded, parameters))

    make({})  # what cannot be is said now, and not to the first who asks
    return Service(
        task=request.task,
        model=_shown_name(request.model),
        labels=_labels(loaded, request.task),
        make_variant=make,
        batcher=Batcher(meters, functools.partial(_say_failure, talk), batch_tokens=compute.batch_tokens),
        meters=meters,
        limits=limits,
        hosts=hosts,
        on_defect=functools.partial(_say_failure, talk),
    )


def _limits(limits: ServeLimits, talk: Talk) -> ServeLimits:
    """The limits that hold on this machine."""
    connections = room_for_connections(limits.connections)
    if connections < limits.connections:
        talk.warn(f"{connections:,} connections at most: the system allows no more open files (ulimit -n)")
    return dataclasses.replace(limits, connections=connections)


def _labels(loaded: Loaded, task: str) -> list[str]:
    names = loaded.model.config.id2label or {}
    return [str(names[number]) for number in sorted(names)] if task.endswith("-classification") else []


def _shown_name(model: str) -> str:
    """The name of a model without the way to it: a hub id as it is, of a directory the last part."""
    path = Path(model)
    return path.resolve().name if path.exists() else model


def _say_ready(service: Service, url: str, request: ServeRequest, talk: Talk) -> None:
    if request.json:
        result_json({"url": url, "task": service.task, "model": service.model})
    else:
        result_text(url)
    talk.say(f"{service.model} answers {service.task}; open the address in a browser; Ctrl-C ends")


def _say_failure(talk: Talk, error: Exception) -> None:
    talk.warn(f"a request failed: {type(error).__name__}: {error}")
