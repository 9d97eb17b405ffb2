"""Every command and every option meets wrong inputs: the message, the exit code, and nothing left behind."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from house import build as build_house
from reading import Case, read_cases

from albert_cli.cli.app import build_app, main

CASES = read_cases()
COMMAND = typer.main.get_command(build_app())
FEWEST_CASES = 600

HARMLESS = {
    "--help": "prints and ends",
    "--version": "prints and ends",
    "--debug": "shows the traceback, by intent; tests/cli/test_exit_codes.py",
    "--install-completion": "typer's own",
    "--show-completion": "typer's own",
}
"""Options without a wrong input."""


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of inputs; nobody writes there, which is looked at when all is over."""
    folder = tmp_path_factory.mktemp("inputs")
    build_house(folder)
    before = _listing(folder)
    yield folder
    assert _listing(folder) == before


@pytest.fixture(autouse=True)
def away(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, no network, no launcher."""
    folder = tmp_path_factory.mktemp("away")
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "ALBERT_MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("typer.main.get_command", lambda _: COMMAND)  # building it anew takes half of the time
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_input_is_refused(
    case: Case, home: Path, away: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(case.stdin.encode()), encoding="utf-8"))
    code = main(case.words(home))
    answers, said = capsys.readouterr()
    lines = said.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert code == case.code, said
    assert len(errors) == case.problems, said
    assert not case.problems or lines[-1].startswith("try: "), said
    assert "Traceback" not in said
    assert "a defect in albert" not in said
    assert not any(character in said + answers for character in "\x1b\x07\u202e")
    for words in case.says:
        assert any(words in line for line in errors), (words, said)
    assert case.answers or not answers
    assert set(os.listdir(away)) <= case.leaves


def _listing(home: Path) -> set[str]:
    """Names of all but the cache; what a command may leave there is its own affair."""
    return {str(path.relative_to(home)) for path in home.rglob("*") if home / "cache" not in (path, *path.parents)}


def test_there_are_cases_enough_and_each_says_what_it_expects() -> None:
    assert len(CASES) >= FEWEST_CASES
    assert all(case.code in (2, 3, 4, 5) for case in CASES)
    assert [case.name for case in CASES if not case.says and case.problems] == []
    assert [line for line, times in Counter((case.line, case.stdin) for case in CASES).items() if times > 1] == []


def test_every_command_and_every_option_occurs() -> None:
    used = [case.line.split() for case in CASES]
    missing = []
    for words, command in _commands(COMMAND, ()):
        lines = [line for line in used if tuple(line[: len(words)]) == words]
        if not lines:
            missing.append(" ".join(words))
        for option in (option for one in command.params for option in (*one.opts, *one.secondary_opts)):
            if option.startswith("--") and option not in HARMLESS and not any(option in line for line in lines):
                missing.append(" ".join((*words, option)))
    assert missing == []


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
        return
    for name, below in inner.items():
        yield from _commands(below, (*words, name))
