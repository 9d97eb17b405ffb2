"""What is a target: a reader, sound files for it, and how they are broken."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mutate import mutate


@dataclass
class Target:
    """One reader.

    Attributes:
        name: of the target.
        file: what the broken file is called.
        seeds: sound files.
        read: reads the file, or the folder it is in.
        words: what its mutations put in besides.
        change: makes a broken file; None changes bytes.
        beside: sound files that stand in the same folder.
    """

    name: str
    file: str
    seeds: list[bytes]
    read: Callable[[Path], object]
    words: list[bytes] = field(default_factory=list)
    change: Callable[[random.Random, list[bytes]], bytes] | None = None
    beside: Mapping[str, bytes] = field(default_factory=dict)

    def broken(self, draw: random.Random) -> bytes:
        """A broken file."""
        return self.change(draw, self.seeds) if self.change else mutate(draw, self.seeds, self.words)
