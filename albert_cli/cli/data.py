"""`albert data`: look at what training will see, fetch it, and prepare it ahead."""

from __future__ import annotations

from typing import Annotated

import typer

from albert_cli.cli.options import (
    DebugOption,
    JsonOption,
    QuietOption,
    RecipeArgument,
    SeedOption,
    SetOption,
    load,
    shortcuts,
)

HELP = "Look at what training will see, fetch it, and prepare it ahead."


def inspect(
    recipe: RecipeArgument,
    examples: Annotated[
        int, typer.Option("-n", "--examples", metavar="N", min=0, help="How many decoded examples to show.")
    ] = 3,
    set_: SetOption = None,
    seed: SeedOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int | None:
    """Show decoded examples, what is asked of them marked, and statistics of a recipe's data."""
    from albert_cli.recipe.requests import RunOptions

    loaded = load(recipe, stage=None, overrides=set_, said=shortcuts(seed=seed))
    from albert_cli.stages import inspect as stage

    return stage.run(loaded, RunOptions(json=json, quiet=quiet, debug=debug), examples=examples)


def prepare(
    recipe: RecipeArgument,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", help="Processes that turn text into ids.")
    ] = None,
    node: Annotated[
        str | None,
        typer.Option("--node", metavar="K/N", help="What machine K (from 0) of N will read, with data.each_node=part."),
    ] = None,
    set_: SetOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int | None:
    """Turn a recipe's text into token shards, so that training starts at once."""
    from albert_cli.recipe.requests import RunOptions

    loaded = load(recipe, stage="pretrain", overrides=set_, said={} if workers is None else {"data.workers": workers})
    from albert_cli.stages import prepare as stage

    return stage.run(loaded, RunOptions(json=json, quiet=quiet, debug=debug), node=node)


def fetch(
    recipe: RecipeArgument,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="DIR", help="Folder for the rows; else data/RECIPE. Never overwritten."),
    ] = None,
    set_: SetOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int | None:
    """Fetch what a recipe takes from the hub: rows as local files with checksums, and the model into the cache."""
    from pathlib import Path

    loaded = load(recipe, stage=None, overrides=set_, said={})
    from albert_cli.stages import fetch as stage

    return stage.run(loaded, None if out is None else Path(out), json=json, quiet=quiet)


COMMANDS = {"inspect": inspect, "fetch": fetch, "prepare": prepare}
