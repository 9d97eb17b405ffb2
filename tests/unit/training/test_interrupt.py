"""Signals: the first asks, the second ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from albert_cli.training.interrupt import StopFlag, stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_sets_the_flag_and_tells_the_user(number):
    told = []
    before = signal.getsignal(number)
    with stop_on_signals(told.append) as flag:
        assert not flag.requested
        os.kill(os.getpid(), number)
        assert flag.requested
        assert flag.signal_number == number
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
