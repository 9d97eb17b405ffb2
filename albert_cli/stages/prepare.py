"""`albert data prepare`: text into token shards, ahead of training."""

from __future__ import annotations

from dataclasses import asdict

from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.requests import RunOptions
from albert_cli.recipe.schema import PretrainRecipe
from albert_cli.report.console import Talk, result_json, result_text
from albert_cli.stages.corpus_source import token_shards
from albert_cli.stages.tokenizers import load_tokenizer


def run(loaded: LoadedRecipe, options: RunOptions) -> int:
    """Prepare the shards that a pretraining recipe will use, unless they are there.

    Returns:
        Exit code 0.
    """
    recipe = loaded.recipe
    assert isinstance(recipe, PretrainRecipe)
    with Talk(quiet=options.quiet) as talk:
        shards = token_shards(recipe.data, load_tokenizer(recipe), talk)
        if options.json:
            result_json({"command": "data prepare", "folder": str(shards.folder), **asdict(shards.manifest)})
        else:
            result_text(str(shards.folder))
    return 0
