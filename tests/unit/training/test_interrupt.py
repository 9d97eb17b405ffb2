"""Signals: the first asks, the second ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from albert_cli.errors import Interrupted
from albert_cli.training.interrupt import StopFlag, stop_between_runs, stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP])
def test_the_first_signal_sets_the_flag_and_tells_the_user(number):
    told = []
    before = signal.getsignal(number)
    with stop_on_signals(told.append) as flag:
        assert not flag.requested
        os.kill(os.getpid(), number)
        assert flag.requested
        assert flag.signal_number == (signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)
        assert told == [number]
        assert signal.getsignal(number) == signal.SIG_DFL
    assert signal.getsignal(number) == before


def test_the_first_reason_stays():
    flag = StopFlag()
    flag.request(signal.SIGINT)
    flag.request(signal.SIGTERM)
    assert flag.signal_number == signal.SIGINT


def test_a_second_signal_ends_the_process_at_once():
    program = textwrap.dedent("""
        import os, signal
        from albert_cli.training.interrupt import stop_on_signals
        with stop_on_signals():
            os.kill(os.getpid(), signal.SIGTERM)
            print("asked", flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
            print("still here", flush=True)
    """)
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout == "asked\n"
    assert done.returncode == -signal.SIGTERM


def test_a_process_of_ours_takes_the_same_request_twice_for_one(monkeypatch):
    """A scheduler may signal all processes of a job, and the one that started them passes it on."""
    monkeypatch.setenv("ALBERT_NPROC", "2")
    with stop_on_signals() as flag:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert flag.signal_number == signal.SIGTERM


def test_nobody_who_ignores_a_lost_terminal_is_stopped_by_it(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals() as flag:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not flag.requested
    finally:
        signal.signal(signal.SIGHUP, before)


def wait_for_a_signal(number, tidied):
    with stop_between_runs():
        try:
            os.kill(os.getpid(), number)
            time.sleep(10)
        finally:
            tidied.touch()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143)])
def test_between_runs_a_signal_ends_what_is_under_way(number, code, tmp_path):
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match="no step was under way") as raised:
        wait_for_a_signal(number, tmp_path / "tidied")
    assert raised.value.exit_code == code
    assert (tmp_path / "tidied").exists()
    assert signal.getsignal(number) == before


def test_in_another_thread_nothing_is_listened_to():
    with ThreadPoolExecutor(1) as threads:
        threads.submit(lambda: stop_between_runs().__enter__()).result()
