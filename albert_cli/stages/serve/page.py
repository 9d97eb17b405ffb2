"""What does the page of a server need besides its file: what a browser may run of it, and nothing else?"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


@dataclass(frozen=True)
class Page:
    """The page as it is sent.

    Attributes:
        html: the file.
        policy: its Content-Security-Policy: only its own script and style, by their hashes, and only this server.
    """

    html: bytes
    policy: str


def load_page() -> Page:
    """Read the page that stands beside this module."""
    text = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    hashes: dict[str, list[str]] = {"script": [], "style": []}
    for kind, block in _BLOCK.findall(text):
        digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
        hashes[kind].append(f"'sha256-{digest}'")
    rules = [
        "default-src 'none'",
        f"script-src {' '.join(hashes['script'])}",
        f"style-src {' '.join(hashes['style'])}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    return Page(text.encode(), "; ".join(rules))
