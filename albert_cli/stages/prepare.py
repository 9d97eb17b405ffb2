"""`albert data prepare`: text into token shards, ahead of training."""

from __future__ import annotations

from dataclasses import asdict

from albert_cli.data.text_share import WHOLE, Share
from albert_cli.errors import UsageError
from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.requests import RunOptions
from albert_cli.recipe.schema import PretrainRecipe
from albert_cli.report.console import Talk, result_json, result_text
from albert_cli.stages.corpus_source import token_shards
from albert_cli.stages.tokenizers import load_tokenizer


def run(loaded: LoadedRecipe, options: RunOptions, *, node: str | None = None) -> int:
    """Prepare the shards that a pretraining recipe will use, unless they are there.

    Args:
        loaded: the recipe.
        options: how to go about it.
        node: such as ``2/8``: what the third of eight machines will read, with ``data.each_node: part``.

    Returns:
        Exit code 0.

    Raises:
        UsageError: ``node`` makes no sense.
    """
    recipe = loaded.recipe
    assert isinstance(recipe, PretrainRecipe)
    share = WHOLE if node is None else _share(node, recipe)
    with Talk(quiet=options.quiet) as talk:
        shards = token_shards(recipe.data, load_tokenizer(recipe), talk, share=share)
        if options.json:
            result_json({"command": "data prepare", "folder": str(shards.folder), **asdict(shards.manifest)})
        else:
            result_text(str(shards.folder))
    return 0


def _share(node: str, recipe: PretrainRecipe) -> Share:
    number, _, count = node.partition("/")
    if not (number.isdecimal() and count.isdecimal() and int(number) < int(count)):
        raise UsageError(f"--node {node}", hint="give the machine's number from 0 and how many there are: --node 2/8")
    if recipe.data.each_node != "part":
        raise UsageError(
            f"--node {node} with data.each_node={recipe.data.each_node}: there every machine prepares all that it sees",
            hint="leave --node out, or --set data.each_node=part",
        )
    return Share(int(number), int(count))
