"""What was measured at which step: the lines of ``metrics.jsonl``, each event exactly once, also after a crash."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from albert_cli.errors import DataError
from albert_cli.files.atomic import write_file
from albert_cli.files.json_text import parse_json
from albert_cli.files.text import json_line, safe_line


class MetricsLog:
    """Appends events to a ``metrics.jsonl`` and reads them back.

    Args:
        path: the file; created by the first event.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_whole = False

    def append(self, event: Mapping[str, Any]) -> None:
        """Add one event; it is with the operating system when this returns, so a killed process loses none.

        Args:
            event: ``step`` and ``split`` first, then what was measured. Numbers that are not finite become null.

        Raises:
            DataError: the event lacks its step or split.
        """
        missing = {"step", "split"} - set(event)
        if missing:
            raise DataError(f"a metrics event without {' and '.join(sorted(missing))}: {json_line(dict(event))}")
        if not self._is_whole:
            self._drop_cut_line()
        with self.path.open("ab") as file:
            file.write(json_line(dict(event)).encode() + b"\n")

    def events(self) -> list[dict[str, Any]]:
        """Every event so far, in the order written. A line that a crash cut short at the end is left out.

        Raises:
            DataError: a line in the middle is not JSON: someone else wrote to this file.
        """
        return list(self._read()) if self.path.exists() else []

    def drop_after(self, step: int) -> int:
        """Forget the events after a step: a resumed run will measure them again.

        Args:
            step: the step of the checkpoint that the run goes on from; its own events stay.

        Returns:
            How many events were dropped, a cut last line not counted.
        """
        if not self.path.exists():
            return 0
        events = self.events()
        kept = [event for event in events if event["step"] <= step]
        write_file(self.path, b"".join(json_line(event).encode() + b"\n" for event in kept))
        return len(events) - len(kept)

    def _drop_cut_line(self) -> None:
        """Remove what a killed process left after the last newline, so that the next event starts a line of its own."""
        if self.path.exists():
            content = self.path.read_bytes()
            if not content.endswith(b"\n"):
                os.truncate(self.path, content.rfind(b"\n") + 1)
        self._is_whole = True

    def _read(self) -> Iterator[dict[str, Any]]:
        lines = self.path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                event = parse_json(line)
            except ValueError:
                if number == len(lines):
                    return
                event = None
            if not _is_event(event):
                raise DataError(
                    f"not an event of a run ({safe_line(str(self.path))}:{number})",
                    hint='restore the line or delete it; it is like {"step": 1, "split": "train", ...}',
                )
            yield event


def _is_event(value: Any) -> bool:
    return isinstance(value, dict) and type(value.get("step")) is int and isinstance(value.get("split"), str)
