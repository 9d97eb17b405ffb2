"""What may a device be called? Light to import, for commands that read no recipe."""

from __future__ import annotations

import re

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?|\d+|-1")


def read_device(text: str) -> str:
    """Return a device in torch's words: `0` is `cuda:0`, `-1` is `cpu`.

    Raises:
        ValueError: it is none of auto, cpu, cuda, cuda:N, N, -1, mps.
    """
    if not _DEVICE.fullmatch(text):
        raise ValueError(f"must be auto, cpu, cuda, cuda:N, N, -1 or mps, found '{text}'")
    if text == "-1":
        return "cpu"
    return f"cuda:{int(text)}" if text.isdigit() else text
