"""Every shipped recipe opens with the line for editors, its command, and what was measured or that nothing was."""

from __future__ import annotations

import itertools
import shlex
from typing import Any

import pytest
import typer

from albert_cli.cli.app import build_app
from albert_cli.recipe.editor import SCHEMA_FILE, schema_line
from albert_cli.recipe.headers import Header, command_for, read_header
from albert_cli.recipe.load import load_recipe
from albert_cli.recipe.shipped import recipes_folder, shipped_names

COMMANDS = {"finetune": ("finetune", "predict"), "pretrain": ("pretrain",)}


def text_of(name: str) -> str:
    return (recipes_folder() / f"{name}.yaml").read_text(encoding="utf-8")


def settings(words: list[str]) -> list[str]:
    return [word for before, word in itertools.pairwise(words) if before == "--set"]


def test_every_recipe_opens_with_a_command_that_names_it_and_works() -> None:
    root: Any = typer.main.get_command(build_app())
    names = shipped_names()
    assert len(names) >= 49
    for name in names:
        header = read_header(text_of(name))
        assert command_for(header, name) is not None, name
        for line in header.commands:
            words = shlex.split(line)
            command = root.commands[words[1]]
            command.make_context(words[1], list(words[2:]))  # refuses options that there are not
            named = words[2]
            recipe = load_recipe(named, overrides=settings(words), inputs_may_be_open=True).recipe
            assert words[1] in COMMANDS.get(recipe.stage, (recipe.stage,)), line


def test_every_recipe_states_time_memory_and_score() -> None:
    assert [name for name in shipped_names() if not read_header(text_of(name)).figures] == []


def test_every_recipe_names_the_schema_in_its_first_line() -> None:
    for name in shipped_names():
        place = "../" * name.count("/") + SCHEMA_FILE
        assert text_of(name).splitlines()[0] == schema_line(place), name
        assert (recipes_folder() / f"{name}.yaml").parent.joinpath(place).is_file()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("# Time, memory, score: not measured.", Header(figures=True)),
        ("# Time, memory, score: not measured; they depend on your rows.", Header(figures=True)),
        (
            "# Time: 1.5 min, a GPU. Memory: not measured. Score: accuracy 58.9 %.",
            Header(figures=True, time="1.5 min, a GPU", score="accuracy 58.9 %"),
        ),
        ("# Time: long. Score: good.", Header()),
        ("# albert finetune x     (a remark)", Header(("albert finetune x",))),
    ],
)
def test_what_a_header_says(line: str, found: Header) -> None:
    assert read_header(f"# first\n{line}\nstage: x\n# Time, memory, score: not measured.\n") == found
