"""Commands in processes of their own that start at once: forked from this one, which has imported everything already.

Nothing is trained in this process, so torch has no threads here that a child would miss. The processes of `--nproc` are
forked in the same way, inside the launcher's own code; all else of it is as users have it.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import albert_cli.stages.finetune
import albert_cli.stages.pretrain  # noqa: F401 - imported for the children
from albert_cli.cli.app import main
from albert_cli.training import launch

Setup = Callable[[], None]


@dataclass
class Child:
    """A forked process, with the few methods of a ``Popen`` that the launcher uses."""

    pid: int
    returncode: int | None = None

    def poll(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self) -> int:
        """Wait for the end."""
        while self.poll() is None:
            time.sleep(0.01)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if there is anybody to get it."""
        if self.poll() is None:
            os.kill(self.pid, number)


def start(words: Sequence[str], *, folder: Path, log: Path, setup: Setup | None = None) -> Child:
    """Run ``albert WORDS`` in a folder; what it says goes into a file.

    Args:
        words: arguments.
        folder: working directory.
        log: takes stdout and stderr.
        setup: called in each process that does the work, before it begins (with `--nproc`, in each of them).
    """
    pid = os.fork()
    if pid:
        return Child(pid)
    with log.open("wb") as stream:
        _become(stream, dict(os.environ))
    os.chdir(folder)
    launch._Team.start = _start_forked(setup)  # type: ignore[method-assign]
    launch._PATIENCE_SECONDS, launch._GRACE_SECONDS = 2.0, 4.0
    launched = "--nproc" in words
    _end(words, None if launched else setup)


def call(work: Callable[[], None], *, folder: Path, log: Path) -> Child:
    """Call a function in a process of its own; what it says goes into a file, and a failure is exit code 1."""
    pid = os.fork()
    if pid:
        return Child(pid)
    with log.open("wb") as stream:
        _become(stream, dict(os.environ))
    os.chdir(folder)
    sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _start_forked(setup: Setup | None) -> Any:
    def start_one(team: Any, _command: list[str], environment: dict[str, str]) -> None:
        aside = tempfile.TemporaryFile() if team.processes else None  # noqa: SIM115 - read after the end
        words = sys.argv[1:]
        pid = os.fork()
        if not pid:
            _become(aside, environment)
            _end(words, setup)
        team.processes.append(Child(pid))
        team.kept_back.append(aside)

    return start_one


def _become(stream: IO[bytes] | None, environment: dict[str, str]) -> None:
    """Leave the session, the streams, the signals and the environment of the parent."""
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    if stream is not None:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)


def _end(words: Sequence[str], setup: Setup | None) -> None:
    """Do the work and leave without the parent's clean-up."""
    code = 1
    try:
        sys.argv = ["albert", *words]
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - the parent's own may hold text of the parent
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        if setup is not None:
            setup()
        code = main(list(words))
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)
