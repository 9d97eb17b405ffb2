"""Where do things stand that can be made again: token shards, encoded splits?"""

from __future__ import annotations

import os
from pathlib import Path


def user_cache(name: str) -> Path:
    """A folder of the user's cache: inside $ALBERT_CACHE, else $XDG_CACHE_HOME, else ``~/.cache``; not made yet."""
    home = os.environ.get("ALBERT_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "albert-cli" / name
