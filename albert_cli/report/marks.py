"""How is part of a text marked: in colour on a terminal, in brackets everywhere else?"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

from albert_cli.files.text import safe_text
from albert_cli.report.console import result_text

Kind = Literal["plain", "special", "masked", "answer", "tag", "label"]
_STYLES: dict[Kind, tuple[str, str]] = {  # of the text, and of what is said about it
    "plain": ("", ""),
    "special": ("dim", ""),
    "masked": ("bold yellow", "green"),
    "answer": ("bold green", "green"),
    "tag": ("bold cyan", "cyan"),
    "label": ("bold magenta", ""),
}


@dataclass(frozen=True)
class Marked:
    """A stretch of text.

    Attributes:
        text: itself.
        kind: why it is marked; ``plain`` is not.
        note: what is said about it: the words that a mask hides, the kind of a tag.
    """

    text: str
    kind: Kind = "plain"
    note: str = ""


def bracketed(parts: Sequence[Marked]) -> str:
    """Write parts for a pipe or a file: ``{what is shown = what is said about it}``, and ``[label]``."""
    return " ".join(_bracketed(part) for part in parts)


def _bracketed(part: Marked) -> str:
    if part.kind in ("plain", "special"):
        return part.text
    if part.kind == "label":
        return f"[{part.text}]"
    return f"{{{part.text} = {part.note}}}" if part.note else f"{{{part.text}}}"


def show_marked(parts: Sequence[Marked], *, stream: TextIO | None = None) -> None:
    """Write parts on stdout, with colours where a terminal shows them."""
    stream = sys.stdout if stream is None else stream
    if not shows_colours(stream):
        result_text(bracketed(parts), stream=stream)
        return
    from rich.console import Console
    from rich.text import Text

    line = Text()
    for part in parts:
        style, said = _STYLES[part.kind]
        line.append(safe_text(part.text), style)
        if part.note:
            line.append(f" {safe_text(part.note)}", said)
        line.append(" ")
    Console(file=stream, markup=False, emoji=False, highlight=False).print(line)


def shows_colours(stream: TextIO) -> bool:
    """Whether a stream is a terminal that may be given colours."""
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")
