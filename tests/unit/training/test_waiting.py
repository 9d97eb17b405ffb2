"""What is said when another process is gone or silent."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from albert_cli.errors import TrainingError
from albert_cli.training.waiting import losses_explained


def fail(said, *, processes=2):
    with losses_explained(SimpleNamespace(num_processes=processes, process_index=0)):
        raise RuntimeError(said)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            "[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:2",
            "another process has ended",
        ),
        ("Timed out waiting 9000ms for recv operation to complete", "did not answer within runtime.timeout"),
    ],
)
def test_a_lost_process_is_one_message(said, message):
    with pytest.raises(TrainingError, match=message) as raised:
        fail(said)
    assert raised.value.message.startswith("process 0 of 2 stops")
    assert "--resume" in raised.value.hint


def test_other_failures_stay_what_they_are():
    with pytest.raises(RuntimeError, match="a size mismatch"):
        fail("a size mismatch")
    with pytest.raises(RuntimeError, match="gloo"):
        fail("gloo", processes=1)
