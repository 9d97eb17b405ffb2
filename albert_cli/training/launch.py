"""How does one command become several processes? It starts itself N times and looks after them.

The processes find each other by the variables that torch's own launcher sets, so ``torchrun -m albert_cli ...`` works
as well. We start them ourselves because that launcher loses their exit codes, ends an interruption with a traceback,
and gives them 30 seconds to save. Nothing here imports torch.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import IO

from albert_cli.errors import UsageError

# Set in the processes we start: how many there should be.
MARKER = "ALBERT_NPROC"
# And by which process.
_STARTED_BY = "ALBERT_LAUNCHER"

_POLL_SECONDS = 0.05
# After one process failed: until the others are asked to stop, and until they are ended.
_PATIENCE_SECONDS = 5.0
_GRACE_SECONDS = 15.0


def rank() -> int:
    """Number of this process among all, from 0."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Processes of this run, on all machines."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_world_size() -> int:
    """Processes of this run on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", os.environ.get("WORLD_SIZE", "1")))


def local_rank() -> int:
    """Number of this process among those of this machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def machines() -> int | None:
    """Machines of this run; None where the launcher does not say.

    torchrun, and accelerate's launcher with it, count them; else it follows from the numbers of processes.
    """
    if "GROUP_WORLD_SIZE" in os.environ:
        return int(os.environ["GROUP_WORLD_SIZE"])
    if "LOCAL_WORLD_SIZE" not in os.environ:
        return 1 if world_size() == 1 else None
    return -(-world_size() // local_world_size())


def machine() -> int:
    """Number of this machine, from 0."""
    if "GROUP_RANK" in os.environ:
        return int(os.environ["GROUP_RANK"])
    return rank() // local_world_size()


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_main() -> bool:
    """Whether this process speaks and writes for all."""
    return rank() == 0


def check_world(nproc: int) -> None:
    """Make sure that there are as many processes as asked for, and that they end with the one that started them.

    Args:
        nproc: processes asked for; 1 accepts what an outside launcher made.

    Raises:
        UsageError: another number is running.
    """
    end_with_launcher()
    if _launched_alone():
        raise UsageError(
            "accelerate launch was told of several processes and started one: without several GPUs it starts no more",
            hint="leave it out and use --nproc N, or: torchrun --nproc-per-node N -m albert_cli ...",
        )
    if nproc > 1 and world_size() != nproc:
        raise UsageError(
            f"{nproc} processes asked for, {world_size()} running",
            hint=f"start it without another launcher and with --nproc {nproc}, or set --nproc {world_size()}",
        )


def _launched_alone() -> bool:
    """Whether accelerate's launcher took the way of a single process although several were asked for.

    It then says where they should meet, but not who they are, and says nothing to its user.
    """
    by_accelerate = "ACCELERATE_MIXED_PRECISION" in os.environ
    return by_accelerate and "MASTER_PORT" in os.environ and "WORLD_SIZE" not in os.environ


def relaunch(nproc: int, argv: Sequence[str], *, program: Sequence[str] = ("-m", "albert_cli")) -> int:
    """Run this command in several processes and wait for them.

    The first one keeps stdin, stdout and stderr. What the others write is kept back, and shown only if one of them was
    the first to fail with another end than the first one's. SIGINT and SIGTERM are passed on; the second one ends all.

    Args:
        nproc: processes.
        argv: arguments of the command, without its name.
        program: what follows the interpreter.

    Returns:
        Exit code for this process: that of the process that failed first, else the first one's.
    """
    command = [sys.executable, *program, *argv]
    common = {
        MARKER: str(nproc),
        _STARTED_BY: str(os.getpid()),
        "WORLD_SIZE": str(nproc),
        "LOCAL_WORLD_SIZE": str(nproc),
    }
    common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    common |= {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(max(1, usable_cores() // nproc)))}
    team = _Team()
    with team.passing_signals_on():
        for number in range(nproc):
            team.start(command, {**os.environ, **common, "RANK": str(number), "LOCAL_RANK": str(number)})
        team.wait()
    return team.exit_code()


@dataclass
class _Team:
    """Processes that live and end together."""

    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    kept_back: list[IO[bytes] | None] = field(default_factory=list)
    first_failed: int | None = None
    passed_on: list[int] = field(default_factory=list)

    def start(self, command: list[str], environment: dict[str, str]) -> None:
        """Start one more; in a session of its own, so that a Ctrl-C reaches it once, through us."""
        aside = tempfile.TemporaryFile() if self.processes else None  # noqa: SIM115 - read after the end
        quiet = {"stdin": subprocess.DEVNULL, "stdout": aside, "stderr": aside} if aside is not None else {}
        self.processes.append(
            subprocess.Popen(command, env=environment, start_new_session=True, **quiet)  # type: ignore[call-overload]
        )
        self.kept_back.append(aside)

    def send(self, number: int) -> None:
        """Pass a signal on to those that still run."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(number)

    @contextmanager
    def passing_signals_on(self) -> Iterator[None]:
        """Pass SIGINT and SIGTERM on, and end all at the second; SIGUSR1 and a lost terminal count as SIGTERM."""

        def handle(number: int, _frame: FrameType | None) -> None:
            number = signal.SIGINT if number == signal.SIGINT else signal.SIGTERM
            self.send(signal.SIGKILL if self.passed_on else number)
            self.passed_on.append(number)

        listened = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
        before = {each: signal.signal(each, handle) for each in listened}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def wait(self) -> None:
        """Wait for all; when one fails, end the others, which could only wait for it."""
        deadlines = [(_PATIENCE_SECONDS, signal.SIGTERM), (_GRACE_SECONDS, signal.SIGKILL)]
        failed_at = 0.0
        while any(process.poll() is None for process in self.processes):
            time.sleep(_POLL_SECONDS)
            if self.first_failed is None:
                self.first_failed = self._look_for_failure()
                failed_at = time.monotonic()
            elif deadlines and time.monotonic() - failed_at > deadlines[0][0]:
                self.send(deadlines.pop(0)[1])
        if self.first_failed is None:
            self.first_failed = self._look_for_failure()

    def _look_for_failure(self) -> int | None:
        """The process that failed, if any; among several at once, one with a telling exit code."""
        ends = [*self.passed_on, *([signal.SIGKILL] if len(self.passed_on) > 1 else [])]
        expected = {None, 0, *(128 + number for number in ends), *(-number for number in ends)}
        codes = {number: process.poll() for number, process in enumerate(self.processes)}
        failed = [number for number, code in codes.items() if code not in expected]
        return min(failed, key=lambda number: (codes[number] == 1, number), default=None)

    def exit_code(self) -> int:
        """Exit code of the whole, with the last words of the one that failed if they were kept back."""
        codes = [_shell_code(process.wait()) for process in self.processes]
        if self.first_failed is None:
            return 128 + self.passed_on[0] if len(self.passed_on) > 1 else codes[0]
        self._tell_of_kill()
        aside = self.kept_back[self.first_failed]
        if aside is not None and codes[self.first_failed] != codes[0]:
            aside.seek(0)
            sys.stderr.write(aside.read().decode(errors="replace"))
            sys.stderr.flush()
        return codes[self.first_failed]

    def _tell_of_kill(self) -> None:
        """Say what a process that was killed cannot say itself."""
        assert self.first_failed is not None
        code = self.processes[self.first_failed].returncode
        if code < 0:
            why = "; the system does that when memory runs out" if -code == signal.SIGKILL else ""
            name = signal.Signals(-code).name
            sys.stderr.write(f"process {self.first_failed} of {len(self.processes)} was ended by {name}{why}\n")


def _shell_code(code: int) -> int:
    return code if code >= 0 else 128 - code


def _free_port() -> int:
    """A port where the processes can meet, below those that the system gives to any outgoing connection."""
    for _ in range(100):
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise UsageError("no free port on this machine for the processes to meet", hint="use --nproc 1")


def end_with_launcher() -> None:
    """Where we started this process: let the kernel end it politely when the one that did is gone (Linux only).

    A SIGTERM comes even if that one is killed; at once if it is gone already.
    """
    if MARKER in os.environ and sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, int(signal.SIGTERM), 0, 0, 0)
        if os.environ.get(_STARTED_BY, str(os.getppid())) != str(os.getppid()):
            os.kill(os.getpid(), signal.SIGTERM)
