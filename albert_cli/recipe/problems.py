"""How a mistake in a recipe is said: one located line, with the nearest right word where there is one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One mistake.

    Args:
        where: ``file:line`` or the option that said it (``--set``, ``--seed``).
        key: dotted key, empty for the file as a whole.
        text: what is wrong.
        rank: place in the report; line numbers for files, so that the lines come in reading order.
    """

    where: str
    key: str
    text: str
    rank: int = 0

    def __str__(self) -> str:
        return " ".join(part for part in (self.where, self.key, self.text) if part)


def dotted(path: Iterable[str | int]) -> str:
    """Write a key path as people type it: ``train.batch_size``, ``data.path[1]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the nearest choice, or nothing when none is near."""
    near = nearest(word, choices)
    return f"; did you mean '{near[0]}'?" if near else ""


def nearest(word: str, choices: Iterable[str], *, count: int = 3) -> list[str]:
    """Return up to ``count`` choices that look like ``word``, best first; case and ``-``/``_`` do not count."""
    plain = {choice.lower().replace("-", "_"): choice for choice in choices}
    found = difflib.get_close_matches(word.lower().replace("-", "_"), plain, n=count, cutoff=0.6)
    return [plain[name] for name in found]


def in_order(problems: Iterable[Problem]) -> list[str]:
    """Return the lines in reading order, each once."""
    ordered = sorted(problems, key=lambda problem: (problem.rank == 0, problem.where.rpartition(":")[0], problem.rank))
    return list(dict.fromkeys(str(problem) for problem in ordered))
