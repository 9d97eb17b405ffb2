"""Who may write into a run directory? One process at a time.

The lock is the kernel's, on an open file: it is gone with the process that held it, however that one ended.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from albert_cli.errors import CheckpointError

LOCK_FILE = "run.lock"


@contextmanager
def lock_directory(folder: Path) -> Iterator[None]:
    """Hold a run directory for this process.

    Args:
        folder: the run directory; made if it does not exist.

    Raises:
        CheckpointError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_FILE
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip()
            raise CheckpointError(
                f"another run is writing into {folder}" + (f" (process {holder})" if holder.isdigit() else ""),
                hint="wait for it, or choose another directory with --out",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def wait_for(path: Path) -> Iterator[None]:
    """Hold a lock; wait while another process holds it. Where the file system knows no locks there is none.

    Args:
        path: the lock's file; made, and left where it is.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
