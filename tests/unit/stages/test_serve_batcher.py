"""How requests share the model: batches, turns, failures, giving up."""

from __future__ import annotations

import threading

import pytest
from serve_running import Echo, wait_until

from albert_cli.errors import ModelError
from albert_cli.inference.queries import Query
from albert_cli.stages.serve.batcher import BATCH_INPUTS, Batcher
from albert_cli.stages.serve.meters import Meters


class Held:
    """A batcher whose first batch waits until it is let go, so that a queue builds up behind it."""

    def __init__(self, task: Echo | None = None) -> None:
        self.gate = threading.Event()
        self.failures: list[Exception] = []
        self.batcher = Batcher(Meters(), self.failures.append, batch_tokens=4096, gather_seconds=0)
        self.task = task or Echo()
        self._first = Echo(opened=self.gate)

    def __enter__(self) -> Held:
        self.batcher.start()
        self.batcher.submit([Query("first")], self._first)
        wait_until(lambda: bool(self._first.batches))
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self.batcher.stop(20)

    def submit(self, *texts: str, task: Echo | None = None):
        return self.batcher.submit([Query(text) for text in texts], task or self.task)


def labels(future) -> list[str]:
    return [answer["results"][0]["label"] for answer in future.result(20).answers]


def test_requests_that_wait_are_answered_together_and_get_their_own_answers():
    with Held() as held:
        futures = [held.submit(f"a{number}", f"b{number}") for number in range(5)]
        held.gate.set()
        assert [labels(future) for future in futures] == [[f"{n}a", f"{n}b"] for n in range(5)]
    assert [len(batch) for batch in held.task.batches] == [10]


def test_a_request_of_many_inputs_does_not_keep_others_waiting():
    with Held() as held:
        many = held.submit(*(f"many {number}" for number in range(3 * BATCH_INPUTS)))
        one = held.submit("one")
        held.gate.set()
        assert (labels(one), len(labels(many))) == (["eno"], 3 * BATCH_INPUTS)
    assert "one" in held.task.batches[0]


def test_long_texts_make_small_batches():
    with Held() as held:
        futures = [held.submit("x" * 10_000) for _ in range(5)]
        held.gate.set()
        for future in futures:
            future.result(20)
    assert [len(batch) for batch in held.task.batches] == [2, 2, 1]


def test_other_parameters_are_another_batch_that_comes_next():
    other = Echo()
    with Held() as held:
        futures = [held.submit("a"), held.submit("b", task=other), held.submit("c"), held.submit("d", task=other)]
        held.gate.set()
        assert [labels(future) for future in futures] == [["a"], ["b"], ["c"], ["d"]]
    assert (held.task.batches, other.batches) == ([["a", "c"]], [["b", "d"]])


def test_one_bad_input_fails_alone():
    with Held(Echo(bad="bad")) as held:
        good, mixed = held.submit("good"), held.submit("fine", "bad")
        held.gate.set()
        assert labels(good) == ["doog"]
        answered = mixed.result(20)
    assert answered.num_failed == 1
    assert answered.answers == [
        {"results": [{"label": "enif", "score": 1.0}]},
        {"error": "the model failed: RuntimeError"},
    ]
    assert [str(error) for error in held.failures] == ["secret detail"]


def test_our_own_words_about_a_failure_are_passed_on():
    class Full(Echo):
        def answer(self, queries):
            raise ModelError("out of memory on cuda:0", hint="use --device cpu")

    with Held(Full()) as held:
        future = held.submit("a")
        held.gate.set()
        assert future.result(20).answers == [{"error": "the model failed: out of memory on cuda:0"}]


def test_what_is_given_up_is_not_computed():
    with Held() as held:
        given_up, kept = held.submit("given", "up"), held.submit("kept")
        assert held.batcher.num_waiting == 3
        assert given_up.cancel()
        held.gate.set()
        assert labels(kept) == ["tpek"]
        wait_until(lambda: held.batcher.num_waiting == 0)
    assert held.task.batches == [["kept"]]


def test_giving_up_in_the_middle_stops_the_rest():
    task = Echo(seconds=0.05)
    with Held(task) as held:
        future = held.submit(*(str(number) for number in range(4 * BATCH_INPUTS)))
        held.gate.set()
        wait_until(lambda: bool(task.batches))
        assert future.cancel()
        wait_until(lambda: held.batcher.num_waiting == 0)
    assert len(task.batches) < 4


def test_stopping_answers_what_waits():
    with Held() as held:
        futures = [held.submit(str(number)) for number in range(3)]
        stopping = threading.Thread(target=held.batcher.stop)
        stopping.start()
        held.gate.set()
        stopping.join(20)
        assert [labels(future) for future in futures] == [["0"], ["1"], ["2"]]
        assert not held.batcher.is_alive


def test_a_batcher_that_was_never_asked_ends_when_it_is_told():
    batcher = Batcher(Meters(), lambda error: None)
    batcher.start()
    assert batcher.is_alive
    batcher.stop(5)
    assert not batcher.is_alive


@pytest.mark.parametrize("count", [0, 10])
def test_the_estimate_of_waiting_grows_with_the_queue(count):
    assert Batcher(Meters(), lambda error: None).seconds_for(count) == pytest.approx(0.05 * count)
