"""Hashes of files, worked out again only for files whose size or date changed."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from albert_cli.files.atomic import write_file
from albert_cli.files.checksum import file_sha256
from albert_cli.files.json_text import parse_json


class FileDigests:
    """Hashes remembered in a file, by place, size and date of what was hashed.

    Args:
        memory: the file; made by ``save``. One that cannot be read counts as empty.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known: dict[str, list[object]] = {}
        self._changed = False
        with suppress(OSError, ValueError):
            known = parse_json(memory.read_text(encoding="utf-8"))
            self._known = known if isinstance(known, dict) else {}

    def __call__(self, path: Path) -> str:
        """SHA-256 of a file's content."""
        place, stat = str(path.resolve()), path.stat()
        seen = self._known.get(place)
        if isinstance(seen, list) and seen[:2] == [stat.st_size, stat.st_mtime_ns] and len(seen) == 3:
            return str(seen[2])
        digest = file_sha256(path)
        self._known[place] = [stat.st_size, stat.st_mtime_ns, digest]
        self._changed = True
        return digest

    def save(self) -> None:
        """Remember for the next time, where the disk takes it."""
        if self._changed:
            with suppress(OSError):
                write_file(self._memory, json.dumps(self._known))
