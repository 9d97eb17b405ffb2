"""Progress shows life without flooding a log."""

from __future__ import annotations

import io
import time

import pytest

from albert_cli.report.console import Talk
from albert_cli.report.progress import Progress, fields_text


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_pipe_gets_one_line_per_log_interval(clock):
    out = io.StringIO()
    with Progress(Talk(stream=out), total=1000, clock=clock) as progress:
        for step in range(1, 101):
            clock.now += 0.5
            progress.update(
                step, {"loss": 2.5, "learning_rate": 1e-4, "tokens_per_second": 9876.0} if step % 50 == 0 else None
            )
    assert out.getvalue().splitlines() == [
        "step 50/1,000  loss 2.500  learning_rate 1.00e-04  9,876 tokens/s  7 min 55 s left",
        "step 100/1,000  loss 2.500  learning_rate 1.00e-04  9,876 tokens/s  7 min 30 s left",
    ]


def test_a_slow_run_says_something_every_minute(clock):
    out = io.StringIO()
    with Progress(Talk(stream=out), total=None, unit="document", clock=clock) as progress:
        for step in range(1, 10):
            clock.now += 25
            progress.update(step)
    assert out.getvalue().splitlines() == ["document 3", "document 6", "document 9"]


def test_a_resumed_run_estimates_from_its_own_speed(clock):
    progress = Progress(Talk(stream=io.StringIO()), total=110, start=100, clock=clock)
    assert progress.seconds_left() is None
    clock.now += 8
    progress.update(102)
    assert progress.seconds_left() == pytest.approx(32)


def test_a_terminal_gets_a_bar_and_the_log_the_lines(clock, tmp_path, terminal):
    with Talk(stream=terminal) as talk:
        talk.copy_to(tmp_path / "log.txt")
        with Progress(talk, total=10, clock=clock) as progress:
            progress.update(5, {"loss": 1.0})
            talk.say("above the bar")
            progress.update(10)
    assert "above the bar" in terminal.getvalue()
    assert "10/10" in terminal.getvalue()
    assert (tmp_path / "log.txt").read_text().splitlines()[0].startswith("step 5/10  loss 1.000")


def test_quiet_means_no_bar_and_no_lines(clock, terminal):
    for out in (terminal, io.StringIO()):
        with Progress(Talk(stream=out, quiet=True), total=10, clock=clock) as progress:
            progress.update(10, {"loss": 1.0})
        assert out.getvalue() == ""


def test_the_bar_is_taken_down_when_the_work_fails(terminal):

    def work() -> None:
        with Progress(Talk(stream=terminal), total=10):
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert "\x1b[?25h" in terminal.getvalue(), "the cursor is shown again"


def test_a_step_that_takes_long_leaves_no_minute_without_a_line(clock):
    """Nobody calls during an evaluation: a thread looks at the clock."""
    out = io.StringIO()
    with Progress(Talk(stream=out), total=100, clock=clock, heartbeat=0.005) as progress:
        progress.update(40, {"loss": 2.0})
        with progress.doing("evaluating"):
            for _ in range(2):
                clock.now += 61
                lines, patience = out.getvalue().count("\n"), time.monotonic() + 20
                while out.getvalue().count("\n") == lines and time.monotonic() < patience:
                    time.sleep(0.005)
    first, *others = out.getvalue().splitlines()
    assert first.startswith("step 40/100  loss 2.000")
    assert [line.split("  ")[:3] for line in others] == [["step 40/100", "evaluating", "loss 2.000"]] * 2


def test_what_was_best_stands_in_the_lines_and_under_the_bar(clock, terminal):
    out = io.StringIO()
    for stream in (out, terminal):
        with Progress(Talk(stream=stream), total=10, clock=clock) as progress:
            progress.evaluated("step 4  dev  accuracy 0.5", "0.7000 (step 2)")
            progress.update(5, {"loss": 1.0})
            clock.now += 1
    assert "best 0.7000 (step 2)" in out.getvalue()
    for words in ("last evaluation: step 4", "best so far: 0.7000 (step 2)", "loss 1.000"):
        assert words in terminal.getvalue()


def test_the_limit_is_named():
    assert fields_text({"limit_share": 0.625}) == "62.5 % of the limit"


def test_a_bar_of_nothing_done_is_taken_away(clock, make_terminal):
    shown = {}
    for done in (0, 3):
        terminal = make_terminal()
        with Progress(Talk(stream=terminal), total=None, unit="character", clock=clock) as progress:
            if done:
                progress.update(done)
        shown[done] = terminal.getvalue().rsplit("character", 1)[1]
    assert "\x1b[1A\x1b[2K" in shown[0]  # up a line and clear it
    assert "\x1b[1A\x1b[2K" not in shown[3]
