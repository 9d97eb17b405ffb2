"""What does a server count, for `/metrics` to show (Prometheus)?"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Meters:
    """Counts of one server; safe to use from several threads.

    Attributes:
        requests: by path and status.
        request_seconds: from the heading to the end of the answer, by path.
        inputs: by outcome: answered, refused (nothing can be said to it), failed (the model could not).
        refused: connections and requests that never became inputs, by reason.
        batch_inputs: inputs computed together.
        batch_seconds: time of such a computation.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self.requests = Counter(
            "albert_requests", "Requests with an answer, of any status.", ["path", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "albert_request_seconds", "Time of a request.", ["path"], buckets=_SECONDS, registry=registry
        )
        self.inputs = Counter("albert_inputs", "Inputs by what became of them.", ["outcome"], registry=registry)
        self.refused = Counter("albert_refused", "Requests and connections refused.", ["reason"], registry=registry)
        self.batch_inputs = Histogram(
            "albert_batch_inputs", "Inputs that were computed together.", buckets=_SIZES, registry=registry
        )
        self.batch_seconds = Histogram(
            "albert_batch_seconds", "Time of computing them.", buckets=_SECONDS, registry=registry
        )
        for outcome in ("answered", "refused", "failed"):
            self.inputs.labels(outcome)

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Show a number that is asked for when the page is."""
        Gauge(name, text, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return generate_latest(self._registry)
