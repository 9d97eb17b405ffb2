"""Running whole commands: in this process where that is enough, in one of their own where they are to be killed."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from albert_cli.cli.app import main

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The object that ``--json`` printed."""
        return json.loads(self.out)

    def refused(self, code: int, *words: str) -> None:
        """Assert that it failed with this code, one error and one hint, no traceback, and says these words."""
        assert self.code == code, self.err
        lines = self.err.splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        assert len(errors) == 1, self.err
        assert lines[-1].startswith("try: "), self.err
        assert "Traceback" not in self.err
        assert "defect" not in self.err, self.err
        for word in words:
            assert word in errors[0], (word, errors[0])


def albert(*arguments: str | Path, stdin: str = "") -> Outcome:
    """Run a command in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    given = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
    words = [str(argument) for argument in arguments]
    with redirect_stdout(out), redirect_stderr(err), patch.object(sys, "stdin", given):
        code = main(words)
    return Outcome(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))


def done(*arguments: str | Path, stdin: str = "") -> Outcome:
    """Run a command that must succeed."""
    outcome = albert(*arguments, stdin=stdin)
    assert outcome.code == 0, outcome.err
    return outcome


def start(*arguments: str | Path, program: tuple[str, ...] = ("-m", "albert_cli")) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, *program, *(str(argument) for argument in arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def wait(process: subprocess.Popen[str]) -> Outcome:
    """Wait for a command; it gets two minutes."""
    try:
        out, err = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Outcome(process.returncode, out, err)


def separately(*arguments: str | Path) -> Outcome:
    """Run a command in a process of its own."""
    return wait(start(*arguments))


def signal_after(step: int, number: signal.Signals, *arguments: str | Path) -> Outcome:
    """Run a command in a process of its own that gets a signal when it has made a step."""
    program = (str(Path(__file__).with_name("signal_after.py")), str(step), str(int(number)))
    return wait(start(*arguments, program=program))


def settings(**values: object) -> list[str]:
    """Write recipe keys as options: ``train__batch_size=8`` becomes ``--set train.batch_size=8``."""
    return [word for key, value in values.items() for word in ("--set", f"{key.replace('__', '.')}={value}")]


def events(run: Path, split: str | None = None) -> list[dict[str, Any]]:
    """Lines of metrics.jsonl without what depends on the time of day."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    chosen = [line for line in lines if split in (None, line["split"])]
    clocked = ("tokens_per_second", "data_share", "saving_share", "evaluating_share")
    return [{key: value for key, value in line.items() if key not in clocked} for line in chosen]


def losses(run: Path, split: str = "train") -> list[float]:
    """Losses of metrics.jsonl."""
    return [line["loss"] for line in events(run, split)]


def status(run: Path) -> Mapping[str, Any]:
    """What status.json says."""
    return json.loads((run / "status.json").read_text())


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the lock, which names its last holder; to see what was written over."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and path.name != "run.lock"
    }


def refuse_without_a_trace(outcome: Outcome, code: int, out: Path, *words: str) -> None:
    """Assert that a command failed with one clear message and made nothing."""
    outcome.refused(code, *words)
    assert not out.exists()
