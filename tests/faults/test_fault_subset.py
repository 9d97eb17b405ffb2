"""A few of the faults of ``make faults``: enough to see that the harness works and that a kill loses nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_a_run_killed_anywhere_goes_on_bit_by_bit(tmp_path: Path) -> None:
    """In a process of its own, since the harness forks."""
    script = Path(__file__).with_name("harness.py")
    asked = ["--seed", "7", "--points", "2", "--processes", "1", "--only", "kill", "--stages", "finetune"]
    command = [sys.executable, str(script), *asked, "--out", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr + done.stdout
    counts = json.loads((tmp_path / "faults.json").read_text())["faults"]["kill -9, 1 process"]
    assert counts["identical"] == counts["injected"] == 2
    assert "| all | 2 |" in (tmp_path / "faults.md").read_text()
