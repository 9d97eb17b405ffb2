"""The table of what the documentation of transformers links."""

from __future__ import annotations

import itertools
import shlex
from typing import Any

import typer

from albert_cli.cli.app import build_app
from albert_cli.recipe.load import load_recipe
from albert_cli.recipe.resources import RESOURCES, resources_page
from albert_cli.recipe.shipped import shipped_names


def test_there_are_31_and_every_command_names_its_recipe() -> None:
    root: Any = typer.main.get_command(build_app())
    assert len(RESOURCES) == len({one.link for one in RESOURCES}) == len({one.title for one in RESOURCES}) == 31
    for one in RESOURCES:
        words = shlex.split(one.command)
        assert words[0] == "albert"
        assert words[2] == one.recipe
        assert one.recipe in shipped_names()
        root.commands[words[1]].make_context(words[1], list(words[2:]))
        settings = [word for before, word in itertools.pairwise(words) if before == "--set"]
        assert load_recipe(one.recipe, overrides=settings, inputs_may_be_open=True).recipe.stage == words[1]
        assert one.command in resources_page()
