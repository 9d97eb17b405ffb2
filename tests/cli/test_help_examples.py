"""Every command's help ends with lines that can be typed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from doc_commands import calls, parsed, problems_of, root_command

from albert_cli.cli.examples import LINES, epilog
from albert_cli.recipe.shipped import shipped_names


def _commands() -> Iterator[str]:
    yield ""
    for name, command in root_command().commands.items():
        yield name
        yield from (f"{name} {inner}" for inner in getattr(command, "commands", {}))


def test_every_command_has_examples_and_nothing_else_has() -> None:
    assert set(LINES) == set(_commands())


@pytest.mark.parametrize("command", sorted(LINES))
def test_examples_are_of_their_command_and_are_understood(command: str) -> None:
    for line in LINES[command]:
        found = list(calls(f"```\n{line}\n```\n"))
        assert found or line.startswith("curl "), line
        for call in found:
            assert [*problems_of(call)] == [], line
            assert " ".join(call.name).startswith(command), line
            words = [word for word in call.words if not re.search("[><]", word)]
            assert parsed(type(call)(call.name, tuple(words), call.line)), line


def test_recipes_of_the_examples_are_shipped() -> None:
    told = {
        call.words[0]
        for lines in LINES.values()
        for line in lines
        for call in calls(f"```\n{line}\n```\n")
        if call.name[0] in ("pretrain", "finetune", "data", "eval") and call.words
    }
    names = {word for word in told if not word.startswith(("-", "runs/"))}
    assert len(names) >= 6
    assert names <= set(shipped_names())


@pytest.mark.parametrize("command", ["", "finetune", "data inspect", "runs"])
def test_the_help_shows_them_unbroken(albert: Any, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    out = albert(*command.split(), "--help").out
    assert "Examples:" in out
    for line in LINES[command]:
        assert line in out


def test_what_has_no_examples_keeps_its_end() -> None:
    assert epilog("no such command") is None
    assert epilog("no such command", before="the end") == "the end"


def test_env_as_markdown_is_a_table_for_a_bug_report(albert: Any) -> None:
    outcome = albert("env", "--markdown")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[:2] == ["| what | value |", "|---|---|"]
    assert all(line.startswith("| ") and line.endswith(" |") for line in lines[2:])
    assert any(line.startswith("| torch | ") for line in lines)
    assert albert("env", "--markdown", "--json").code == 2
