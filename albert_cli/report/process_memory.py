"""How much memory do a process and those it started hold together, and how much is left on the machine? (Linux only)

Shared pages are counted once (PSS).
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from pathlib import Path

_PROC = Path("/proc")
_CONTAINER = Path("/sys/fs/cgroup")


def summed_pss(root: int) -> int | None:
    """Bytes that a process and all its descendants hold, each shared page divided among those that share it.

    Args:
        root: process id.

    Returns:
        None where the system does not say.
    """
    total, found = 0, False
    for pid in descendants(root):
        try:
            lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue  # it has just ended, or there is no such file
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        found = True
    return total if found else None


def resident_bytes(*, reset_peak: bool = False) -> int:
    """Bytes of memory that this process holds now.

    Args:
        reset_peak: let `peak_bytes` count from here on, where the system can; else its peak may be an earlier one.
    """
    if reset_peak:
        try:
            (_PROC / "self" / "clear_refs").write_text("5")
        except OSError:
            return peak_bytes()
    return _status("VmRSS")


def peak_bytes() -> int:
    """Most bytes of memory that this process has held."""
    return _status("VmHWM")


def _status(name: str) -> int:
    try:
        lines = (_PROC / "self" / "status").read_text().splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) * 1024


def available_bytes() -> int | None:
    """Bytes of memory that a new process may still take here; None where the system does not say."""
    try:
        lines = (_PROC / "meminfo").read_text().splitlines()
    except OSError:
        return None
    machine = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
    left = _left_in_container()
    return min((number for number in (machine, left) if number is not None), default=None)


def _left_in_container() -> int | None:
    try:
        limit = int((_CONTAINER / "memory.max").read_text())
        used = int((_CONTAINER / "memory.current").read_text())
    except (OSError, ValueError):  # no container, or no limit ("max")
        return None
    return max(0, limit - used)


def descendants(root: int) -> list[int]:
    """A process, those it started, and so on."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir() if _PROC.is_dir() else ():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


class PeakMemory:
    """Watches `summed_pss` while a block runs.

    Args:
        root: process id; None is this process.
        seconds: between looks.
    """

    def __init__(self, root: int | None = None, *, seconds: float = 0.1) -> None:
        self._root = os.getpid() if root is None else root
        self._seconds = seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak: int | None = None
        self.most_processes = 0

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            now = summed_pss(self._root)
            if now is not None:
                self.peak = max(now, self.peak or 0)
                self.most_processes = max(self.most_processes, len(descendants(self._root)))
            if self._over.wait(self._seconds):
                return
