"""What does a recipe's opening comment say: its command, what it costs, and the score that was measured?

Shipped recipes open with the line for editors, the command, and one line of figures in one of two forms::

    # Time, memory, score: not measured.
    # Time: 23 min, two cores. Memory: not measured. Score: 18.4 % of masked pieces.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

NOT_MEASURED = "not measured"

_ALL = re.compile(r"Time, memory, score: (?P<said>not measured\b.*)")
_EACH = re.compile(r"Time: (?P<time>.+?)\. Memory: (?P<memory>.+?)\. Score: (?P<score>.+?)\.?")
_REMARK = re.compile(r"\s{2,}.*")  # what stands far behind a command explains it


@dataclass(frozen=True)
class Header:
    """The opening comment of a recipe.

    Attributes:
        commands: lines that begin with `albert`, remarks behind them left out, in their order.
        figures: whether a line says time, memory and score, or that they were not measured.
        time: of a run, with the machine; None where it was not measured.
        memory: the same of memory.
        score: the same of the score.
    """

    commands: tuple[str, ...] = ()
    figures: bool = False
    time: str | None = None
    memory: str | None = None
    score: str | None = None


def read_header(text: str) -> Header:
    """Read the opening comment of a recipe's text."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    commands = tuple(_REMARK.sub("", line) for line in lines if line.startswith("albert "))
    for line in lines:
        if _ALL.fullmatch(line):
            return Header(commands, figures=True)
        if found := _EACH.fullmatch(line):
            said = {name: None if text.startswith(NOT_MEASURED) else text for name, text in found.groupdict().items()}
            return Header(commands, figures=True, **said)
    return Header(commands)


def command_for(header: Header, name: str) -> str | None:
    """The command of a header that names this very recipe; None where there is none."""
    for command in header.commands:
        try:
            words = shlex.split(command)
        except ValueError:
            continue
        if name in words[1:]:
            return command
    return None
