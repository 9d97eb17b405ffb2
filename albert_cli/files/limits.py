"""How much do we read or write before we stop and say so?"""

from __future__ import annotations

import shutil
from pathlib import Path

from albert_cli.errors import AlbertError

# Ten times the longest line we have met in real corpora; both SentencePiece and our normaliser are linear in it.
MAX_LINE_BYTES = 64 * 1024 * 1024

# A JSON file is one line as a rule: SQuAD 2.0 is 40 MiB, its translations with every letter escaped come to 150 MiB.
MAX_JSON_LINE_BYTES = 256 * 1024 * 1024


def free_bytes(path: Path) -> int:
    """Bytes that this user can still write below a path; the path itself need not exist yet."""
    folder = path.absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def require_free_space(path: Path, needed_bytes: int, *, what: str) -> None:
    """Refuse to start writing what will not fit.

    Args:
        path: where it will be written.
        needed_bytes: estimate of its size, with the caller's own reserve in it.
        what: what is about to be written, for the message ("a checkpoint").

    Raises:
        AlbertError: exit code 3, the disk has less room than that.
    """
    free = free_bytes(path)
    if free < needed_bytes:
        raise AlbertError(
            f"no room for {what}: {needed_bytes / 2**20:,.0f} MiB needed, {free / 2**20:,.0f} MiB free ({path})",
            hint="free some space, or write to another disk with --out",
            exit_code=3,
        )
