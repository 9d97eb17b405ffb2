"""Command lines of ours in the pages: finding them, and putting them to the program without running anything."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import typer

from albert_cli.cli.app import build_app
from albert_cli.recipe.reference import recipe_reference

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHELL = ("", "bash", "sh", "console", "yaml")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`(albert [^`\n]+)`")
_LINE = re.compile(r"(^|[|=\w:] )\s*albert [a-z]|-m albert_cli ")
_GROUPS = ("recipe", "data", "bench", "runs")


@dataclass(frozen=True)
class Call:
    """A command line of ours in a page: the command's name, and the words that follow it."""

    name: tuple[str, ...]
    words: tuple[str, ...]
    line: str

    @property
    def shown(self) -> str:
        """The command's name as it is typed."""
        return " ".join(("albert", *self.name))


def calls(text: str) -> Iterator[Call]:
    """Command lines of ours in the fenced shell blocks of a page, and in its workflow files."""
    for language, block in FENCE.findall(text):
        if language not in SHELL:
            continue
        for line in block.replace("\\\n", " ").splitlines():
            if _LINE.search(line) and not line.lstrip().startswith("#"):
                yield from _calls_of_line(line.partition("run: ")[2] if language == "yaml" else line)


def mentions(text: str) -> Iterator[Call]:
    """Command lines of ours in the prose of a page; words of the user stand in capitals, parts may be left out."""
    for line in _CODE.findall(FENCE.sub("", text)):
        yield from _calls_of_line(line.replace("|", " "))


def _calls_of_line(line: str) -> Iterator[Call]:
    reader = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    reader.whitespace_split = True
    segment: list[str] = []
    for word in [*reader, "|"]:
        if word and not set(word) <= set("|&;<>"):
            segment.append(word)
            continue
        while segment and re.fullmatch(r"\w+=\S*", segment[0]):
            segment.pop(0)
        words = segment[segment.index("albert_cli") + 1 :] if "albert_cli" in segment else segment[1:]
        if words and ("albert_cli" in segment or segment[0] == "albert"):
            depth = 2 if words[0] in _GROUPS and len(words) > 1 and not words[1].startswith("-") else 1
            yield Call(tuple(words[:depth]), tuple(words[depth:]), line)
        segment = []


def problems_of(call: Call) -> Iterator[str]:
    """What is wrong with a command line: its name, its options, the keys that it sets."""
    command: Any = root_command()
    if call.name[0].startswith("-"):
        return
    shown = "albert"
    for name in call.name:
        shown = f"{shown} {name}"
        command = command.commands.get(name)
        if command is None:
            yield f"no command {shown}"
            return
    options = {opt for parameter in command.params for opt in parameter.opts} | {"--help", "-h"}
    for place, word in enumerate(call.words):
        before = call.words[place - 1] if place else ""
        if word.startswith("--") and word.split("=")[0] not in options:
            yield f"{shown} has no {word.split('=')[0]}"
        if before == "--set" and word.split("=")[0] not in recipe_keys():
            yield f"no key {word.split('=')[0]}"


def parsed(call: Call) -> dict[str, Any]:
    """Let the program read a command line as if it were to run it, and return the values of its parameters.

    Raises:
        typer.exceptions.TyperException: an option or a value that the command does not take, or one too few or many.
    """
    command: Any = root_command()
    for name in call.name:
        command = command.commands[name]
    context = command.make_context(call.shown, [word for word in call.words if not re.fullmatch(r"--help|\$\w+", word)])
    return dict(context.params)


@cache
def root_command() -> Any:
    """The program's own commands."""
    return typer.main.get_command(build_app())


@cache
def recipe_keys() -> frozenset[str]:
    """Keys that a recipe may have, from the page that is made of the schema."""
    return frozenset(re.findall(r"^\| `([\w.]+)` \|", recipe_reference(), re.MULTILINE))
