"""How do files and directories come to be whole or not at all?

Everything is written beside its place under a temporary name, forced to the disk, and renamed; a rename is atomic.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

# Names that begin so are ours, unfinished, and safe to remove while the run's lock is held.
PARTIAL = ".partial-"
_REPLACED = "old-"  # what stood where a new directory is about to stand


def write_file(path: Path, content: bytes | str) -> None:
    """Write a file that others see whole or not at all.

    Args:
        path: where; replaced if it exists.
        content: bytes, or text stored as UTF-8.

    Raises:
        OSError: the disk would not take it; what stood there before still stands.
    """
    with new_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Make a file that others see whole or not at all.

    Args:
        path: where; replaced if it exists.

    Yields:
        An empty file beside it, to be filled. If filling it fails, it is removed and nothing has changed.

    Raises:
        OSError: the disk would not take it.
    """
    partial = _beside(path)
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """Make a directory that others see whole or not at all.

    Args:
        path: where. A directory that stands there is moved aside at the end, and removed once the new one is in place;
            if the process is killed between the two, `sweep_partial` puts it back.

    Yields:
        An empty directory beside it, to be filled. If filling it fails, it is removed and nothing has changed.
    """
    partial = _beside(path)
    partial.mkdir(parents=True)
    try:
        yield partial
        _sync_tree(partial)
        if path.exists():
            old = _beside(path, _REPLACED)
            path.rename(old)
            partial.rename(path)
            sync_directory(path.parent)
            shutil.rmtree(old)
        else:
            partial.rename(path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    sync_directory(path.parent)


def remove_directory(path: Path) -> None:
    """Remove a directory so that others see it whole or not at all."""
    old = _beside(path, "gone-")
    path.rename(old)
    sync_directory(path.parent)
    shutil.rmtree(old)


def point_link(link: Path, target: str) -> None:
    """Make a symbolic link, or point an existing one elsewhere, in one step.

    Args:
        link: where.
        target: what it points to, relative to the link's directory, so that the whole may be moved.
    """
    partial = _beside(link)
    partial.symlink_to(target)
    partial.replace(link)
    sync_directory(link.parent)


def sweep_partial(folder: Path) -> list[Path]:
    """Remove what a killed process left unfinished; call it only while holding the run's lock.

    Args:
        folder: looked at itself, not below.

    A directory that was moved aside for a new one which never came is put back.

    Returns:
        What was removed.
    """
    if not folder.is_dir():
        return []
    found = sorted(path for path in folder.iterdir() if path.name.startswith(PARTIAL))
    found = [path for path in found if not _put_back(path)]
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return found


def _put_back(path: Path) -> bool:
    """Give what was moved aside its name again, if nothing new has taken it."""
    aside = PARTIAL + _REPLACED
    place = path.with_name(path.name.removeprefix(aside).rpartition("-")[0] or path.name)
    if not path.name.startswith(aside) or place.exists():
        return False
    path.rename(place)
    sync_directory(place.parent)
    return True


def sync_directory(folder: Path) -> None:
    """Force a directory's list of names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_tree(folder: Path) -> None:
    for directory, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(directory, name), "rb") as file:
                os.fsync(file.fileno())
        sync_directory(Path(directory))


def _beside(path: Path, prefix: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent / f"{PARTIAL}{prefix}{path.name}-{os.getpid()}"
