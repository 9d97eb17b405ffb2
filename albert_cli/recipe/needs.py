"""What does a recipe take from the hub?"""

from __future__ import annotations

from typing import Any

from albert_cli.files.hub import is_hub_name
from albert_cli.recipe.schema import ConvertRecipe, FinetuneRecipe, PretrainRecipe, Recipe
from albert_cli.recipe.sections import BUILT_IN_DATA


def hub_data(recipe: Recipe) -> list[tuple[str, str | None, str | None]]:
    """(name, configuration, revision) of the hub data sets that a recipe reads; of one name and configuration once."""
    if isinstance(recipe, ConvertRecipe):
        return []
    places = [recipe.data, *(getattr(recipe.data, "sources", None) or [])]
    found = [(place.dataset, place.config, place.revision) for place in places if place.dataset and place.path is None]
    return list(dict.fromkeys(one for one in found if one[0] != BUILT_IN_DATA))


def hub_models(recipe: Recipe) -> list[str]:
    """Models of the hub that a recipe starts from, or takes its tokenizer from."""
    named: list[Any] = [getattr(recipe, "tokenizer", None)]
    if isinstance(recipe, FinetuneRecipe | PretrainRecipe):
        named += [recipe.model, recipe.init.from_]
    elif isinstance(recipe, ConvertRecipe):
        named += [recipe.source]
    return list(dict.fromkeys(name for name in named if isinstance(name, str) and is_hub_name(name)))
