"""Memory of a process and of those it started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from albert_cli.report.process_memory import PeakMemory, descendants, summed_pss

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the system does not say")

HOLDS_40_MB = "import sys; held = b'x' * 40_000_000; print('ready', flush=True); sys.stdin.read()"


def test_the_peak_counts_processes_that_were_started_and_are_gone() -> None:
    before = summed_pss(os.getpid())
    assert before is not None
    with PeakMemory(seconds=0.02) as memory:
        child = subprocess.Popen(
            [sys.executable, "-c", HOLDS_40_MB], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        child.stdout.readline()
        assert child.pid in descendants(os.getpid())
        during = summed_pss(os.getpid())
        while memory.peak is None or memory.peak < before + 40_000_000:
            pass
        child.communicate("")
    assert during is not None
    assert during > before + 40_000_000
    assert memory.most_processes >= 2
    assert child.pid not in descendants(os.getpid())


def test_a_process_that_is_gone_holds_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert summed_pss(child.pid) is None
