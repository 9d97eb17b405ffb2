"""How the tables of cases are written: a command, what stdin gives, the exit code and the words of the message.

    $ run --task fill-mask --model @mlm --top-k 0 x
    2 --top-k | must be

``@name`` is a file or folder of `house`, ``LONG`` a word of 5,000 letters. ``< text`` gives stdin, with escapes as in
Python. The code may be followed by ``xN``: so many problems of a recipe; by ``+``: answers stand on stdout besides.
``~ name`` allows something to be left.
"""

from __future__ import annotations

import codecs
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).with_name("cases")


@dataclass
class Case:
    """One wrong command line.

    Attributes:
        name: file and line of the table.
        line: the command without ``albert``.
        code: exit code.
        says: words that the error lines must hold.
        problems: how many error lines.
        answers: whether stdout may hold something.
        stdin: what is typed.
        leaves: names that may be left in the working directory.
    """

    name: str
    line: str
    code: int = -1
    says: list[str] = field(default_factory=list)
    problems: int = 1
    answers: bool = False
    stdin: str = ""
    leaves: set[str] = field(default_factory=set)

    def words(self, home: Path) -> list[str]:
        """The arguments."""
        return [self._placed(word, home) for word in shlex.split(self.line)]

    @staticmethod
    def _placed(word: str, home: Path) -> str:
        word = word.replace("LONG", "n" * 5000)
        before, mark, name = word.partition("@")
        if not mark or (before and not before.endswith(("=", ","))):
            return word
        return f"{before}{home / name}"


def read_cases() -> list[Case]:
    """Every case of every table."""
    return [case for table in sorted(FOLDER.glob("*.txt")) for case in _cases(table)]


def _cases(table: Path) -> Iterator[Case]:
    case: Case | None = None
    for number, line in enumerate(table.read_text("utf-8").splitlines(), start=1):
        mark, _, rest = line.partition(" ")
        if not mark or mark == "#":
            continue
        if mark == "$":
            if case is not None:
                yield case
            case = Case(f"{table.stem}:{number}", rest)
        elif case is None:
            raise ValueError(f"{table.name}:{number}: no command yet")
        elif mark == "<":
            case.stdin = codecs.decode(rest.encode("latin-1", "backslashreplace"), "unicode_escape")
        elif mark == "~":
            case.leaves |= set(rest.split())
        else:
            digits, _, problems = mark.rstrip("+").partition("x")
            case.code, case.problems, case.answers = int(digits), int(problems or 1), mark.endswith("+")
            case.says = [words for words in rest.split(" | ") if words]
    if case is not None:
        yield case
