"""How long `albert --help` takes beside a bare Typer app with the same commands and options.

Run it by hand (it is a measurement, not a test): ``python tests/cli/measure_startup.py [ROUNDS]``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import typer

from albert_cli.cli.app import build_app
from albert_cli.stages.bench.start import bare_app

ROUNDS = 15


def seconds(command: list[str]) -> float:
    """Time one run of a command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Time both in turn, so that a busy moment meets both, and print the best and the median of each."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(bare_app(typer.main.get_command(build_app())), encoding="utf-8")
        commands = {
            "bare": [sys.executable, str(bare), "--help"],
            "albert": [sys.executable, "-m", "albert_cli", "--help"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(seconds(command))
    for name, found in times.items():
        print(f"{name:8} best {min(found):.3f} s  median {sorted(found)[rounds // 2]:.3f} s")
    print(f"ratio    best {min(times['albert']) / min(times['bare']):.2f}")


if __name__ == "__main__":
    main()
