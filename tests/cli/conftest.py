"""Running the command line inside the test's process, and stages that do what a test wants."""

from __future__ import annotations

import importlib
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from albert_cli.cli.app import main

RECIPES = Path(__file__).resolve().parents[1] / "data" / "recipes"


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def albert(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run `albert` with some arguments."""

    def run(*arguments: str | Path) -> Outcome:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[tuple[Any, ...], dict[str, Any]]]]:
    """Put a stage in the place of the real one; its calls are kept."""

    def replace(name: str, behaviour: Callable[[], Any] = lambda: None, *, function: str = "run") -> list[Any]:
        calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

        def run(*arguments: Any, **keywords: Any) -> Any:
            calls.append((arguments, keywords))
            return behaviour()

        package_name, _, module_name = name.rpartition(".")
        fake = types.ModuleType(name)
        setattr(fake, function, run)
        monkeypatch.setitem(__import__("sys").modules, name, fake)
        monkeypatch.setattr(importlib.import_module(package_name), module_name, fake, raising=False)
        return calls

    return replace


@pytest.fixture
def recipes() -> Path:
    """Folder of recipes made for tests."""
    return RECIPES


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests are no part of a distributed run, whatever runs them."""
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "ALBERT_MODEL"):
        monkeypatch.delenv(name, raising=False)
