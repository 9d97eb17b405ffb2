"""How do requests that come together share one model? A thread answers them in batches, each request in its turn."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass

from albert_cli.errors import AlbertError
from albert_cli.inference.device import BATCH_TOKENS
from albert_cli.inference.queries import Answer, Query, Task
from albert_cli.stages.serve.meters import Meters

# Long enough for requests that were sent together to meet, short beside the time that a model takes.
GATHER_SECONDS = 0.003
BATCH_INPUTS = 64
_CHARACTERS_OF_A_TOKEN = 4  # an estimate, for deciding when to begin; tasks count exactly what they compute at once
_SPECIAL_TOKENS = 2
_MEMORY = 0.2  # weight of the newest batch in the estimate of speed


@dataclass(frozen=True)
class Answered:
    """What became of a request.

    Attributes:
        answers: one for each query.
        num_failed: how many of them say that the model failed.
    """

    answers: list[Answer]
    num_failed: int


class _Ticket:
    """A request in the queue: which of its queries come next, and what is known already."""

    def __init__(self, queries: Sequence[Query], task: Task) -> None:
        self.queries = queries
        self.task = task
        self.future: Future[Answered] = Future()
        self.answers: list[Answer] = [{} for _ in queries]
        self.next = 0
        self.num_left = len(queries)
        self.num_failed = 0

    def put(self, place: int, answer: Answer, *, failed: bool) -> None:
        """Note an answer; the last one completes the request."""
        self.answers[place] = answer
        self.num_left -= 1
        self.num_failed += failed
        if not self.num_left:
            try:
                self.future.set_result(Answered(self.answers, self.num_failed))
            except InvalidStateError:  # given up in this very moment
                return


class Batcher:
    """One thread that owns the model.

    It takes what waits, an input of each request in turn, until a batch is full: a request of many inputs does not keep
    the others waiting, and who asks for one thing is never far behind.

    Args:
        meters: counts batches and inputs.
        on_failure: told when the model fails, in the thread of the model.
        batch_tokens: tokens that are computed together, about.
        gather_seconds: how long a batch that is not full waits for more.
    """

    def __init__(
        self,
        meters: Meters,
        on_failure: Callable[[Exception], None],
        *,
        batch_tokens: int = BATCH_TOKENS,
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        self._meters = meters
        self._on_failure = on_failure
        self._batch_tokens = batch_tokens
        self._gather_seconds = gather_seconds
        self._tickets: deque[_Ticket] = deque()
        self._changed = threading.Condition()
        self._num_waiting = 0
        self._is_stopping = False
        self._seconds_per_input = 0.05
        self._thread = threading.Thread(target=self._work, name="albert-model", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether somebody answers."""
        return self._thread.is_alive()

    @property
    def num_waiting(self) -> int:
        """Inputs that no batch has taken yet."""
        return self._num_waiting

    def seconds_for(self, count: int) -> float:
        """How long so many inputs take, as far as the last ones tell."""
        return count * self._seconds_per_input

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """Answer what waits, then end."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        self._thread.join(timeout)

    def submit(self, queries: Sequence[Query], task: Task) -> Future[Answered]:
        """Queue some queries.

        Args:
            queries: at least one.
            task: what answers them; queries of the same task object are computed together.

        Returns:
            Their answers to come. Cancelling it takes out of the queue what no batch has taken yet.
        """
        ticket = _Ticket(queries, task)
        with self._changed:
            self._tickets.append(ticket)
            self._num_waiting += len(queries)
            self._changed.notify_all()
        return ticket.future

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            if batch:
                self._answer(batch)

    def _next_batch(self) -> list[tuple[_Ticket, int]] | None:
        """Wait for something to do; None when there is nothing and never will be."""
        with self._changed:
            while not self._tickets:
                if self._is_stopping:
                    return None
                self._changed.wait()
            self._gather()
            return self._choose()

    def _gather(self) -> None:
        """Let others join while the batch is not full."""
        end = time.monotonic() + self._gather_seconds
        while self._num_waiting < BATCH_INPUTS and not self._is_stopping:
            left = end - time.monotonic()
            if left <= 0:
                return
            self._changed.wait(left)

    def _choose(self) -> list[tuple[_Ticket, int]]:
        """Take inputs of one task from the requests in turn, up to what is computed at once."""
        others: deque[_Ticket] = deque()
        batch: list[tuple[_Ticket, int]] = []
        tokens = 0
        while self._tickets and len(batch) < BATCH_INPUTS and tokens < self._batch_tokens:
            ticket = self._tickets.popleft()
            if ticket.future.cancelled():
                self._num_waiting -= len(ticket.queries) - ticket.next
                continue
            if batch and ticket.task is not batch[0][0].task:
                others.append(ticket)
                continue
            batch.append((ticket, ticket.next))
            tokens += _SPECIAL_TOKENS + ticket.queries[ticket.next].num_characters // _CHARACTERS_OF_A_TOKEN
            ticket.next += 1
            self._num_waiting -= 1
            if ticket.next < len(ticket.queries):
                self._tickets.append(ticket)
        self._tickets.extendleft(reversed(others))
        return batch

    def _answer(self, batch: list[tuple[_Ticket, int]]) -> None:
        queries = [ticket.queries[place] for ticket, place in batch]
        begin = time.perf_counter()
        outcomes = self._compute(queries, batch[0][0].task)
        seconds = time.perf_counter() - begin
        self._seconds_per_input += _MEMORY * (seconds / len(batch) - self._seconds_per_input)
        self._meters.batch_inputs.observe(len(batch))
        self._meters.batch_seconds.observe(seconds)
        for (ticket, place), (answer, failed) in zip(batch, outcomes, strict=True):
            outcome = "failed" if failed else "refused" if "error" in answer else "answered"
            self._meters.inputs.labels(outcome).inc()
            ticket.put(place, answer, failed=failed)

    def _compute(self, queries: list[Query], task: Task) -> list[tuple[Answer, bool]]:
        """Answers, each with whether the model failed at it."""
        try:
            answers = task.answer(queries)
            if len(answers) != len(queries):
                raise AssertionError(f"{len(answers)} answers to {len(queries)} queries")
        except Exception as error:  # one bad input must not take the others with it, nor end the thread
            if len(queries) > 1:
                return [outcome for query in queries for outcome in self._compute([query], task)]
            self._on_failure(error)
            return [({"error": f"the model failed: {_words(error)}"}, True)]
        return [(answer, False) for answer in answers]


def _words(error: Exception) -> str:
    """What a stranger may read of a failure: our own words, but of others only the kind."""
    return error.message if isinstance(error, AlbertError) else type(error).__name__
