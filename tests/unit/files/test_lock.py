"""Two processes cannot write into one run directory."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from albert_cli.errors import CheckpointError
from albert_cli.files.lock import lock_directory

HOLDER = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from albert_cli.files.lock import lock_directory
    with lock_directory(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(60)
""")


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path):
    folder = tmp_path / "run"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(CheckpointError, match="another run is writing into") as raised, lock_directory(folder):
            pass
        assert str(folder) in raised.value.message
        assert f"process {holder.pid}" in raised.value.message
        assert raised.value.exit_code == 3
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with lock_directory(folder):
        pass


def test_the_same_process_can_lock_again_afterwards(tmp_path):
    for _ in range(2):
        with lock_directory(tmp_path):
            pass
