"""Help, version and completion."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from albert_cli import __version__

COMMANDS = ["train-tokenizer", "pretrain", "finetune", "eval", "predict", "run", "serve", "recipe", "data", "env"]


def test_bare_albert_shows_the_help(albert: Any) -> None:
    bare, asked = albert(), albert("--help")
    assert bare.code == asked.code == 0
    for command in COMMANDS:
        assert command in bare.out
    assert bare.out.split() == asked.out.split()
    assert "Exit codes" in bare.out


@pytest.mark.parametrize("group", ["recipe", "data"])
def test_a_bare_group_shows_its_help(albert: Any, group: str) -> None:
    outcome = albert(group)
    assert outcome.code == 0
    assert f"Usage: albert {group}" in outcome.out


def test_version(albert: Any) -> None:
    assert albert("--version").out == f"albert {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(albert: Any, command: str) -> None:
    outcome = albert(command, "-h")
    assert outcome.code == 0
    assert f"Usage: albert {command}" in outcome.out
    assert outcome.err == ""


@pytest.mark.parametrize(
    ("words", "place", "expected"),
    [("albert fin", 1, "finetune"), ("albert recipe ch", 2, "check"), ("albert finetune glue/ss", 2, "glue/sst2")],
)
def test_completion_offers_commands_and_recipes(words: str, place: int, expected: str) -> None:
    environment = {**os.environ, "_ALBERT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(place)}
    command = [sys.executable, "-m", "albert_cli"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == [expected]


def test_no_colour_codes_reach_a_pipe() -> None:
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "40"}
    done = subprocess.run(
        [sys.executable, "-m", "albert_cli", "finetune", "--help"],
        env=environment,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert b"\x1b" not in done.stdout
