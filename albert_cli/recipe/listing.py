"""What `albert recipe ls` knows of a shipped recipe: from its values, and from the comment that it opens with."""

from __future__ import annotations

from typing import Any

from albert_cli.recipe.headers import command_for, read_header
from albert_cli.recipe.load import load_recipe
from albert_cli.recipe.needs import hub_data, hub_models
from albert_cli.recipe.schema import ConvertRecipe, FinetuneRecipe, PretrainRecipe, Recipe, TokenizerRecipe
from albert_cli.recipe.sections import ModelFields
from albert_cli.recipe.shipped import shipped_file, shown_path


def listed(name: str) -> dict[str, Any]:
    """Describe a shipped recipe.

    Returns:
        name, stage, path, description; task (of the literature, or a kind of own rows; None outside fine-tuning); size
        (a model's name or its layers and width); needs (keys that a run must name); hub (data sets and models that are
        fetched unless others are named); command; time, memory and score as measured, None where they were not.
    """
    path = shipped_file(name)
    assert path is not None
    loaded = load_recipe(name, inputs_may_be_open=True)
    recipe = loaded.recipe
    header = read_header(path.read_text("utf-8"))
    return {
        "name": name,
        "stage": recipe.stage,
        "path": shown_path(path),
        "description": recipe.description,
        "task": recipe.task if isinstance(recipe, FinetuneRecipe) else None,
        "size": size(recipe),
        "needs": list(loaded.needs),
        "hub": [data[0] for data in hub_data(recipe)] + hub_models(recipe),
        "command": command_for(header, name),
        "time": header.time,
        "memory": header.memory,
        "score": header.score,
    }


def size(recipe: Recipe) -> str | None:
    """How large is what a recipe makes: ``base``, ``albert-base-v2``, ``2 x 128``, ``30,000 pieces``; None: unknown."""
    if isinstance(recipe, TokenizerRecipe):
        return f"{recipe.tokenizer.vocab_size:,} pieces"
    if isinstance(recipe, ConvertRecipe):
        return None
    model = recipe.model
    if isinstance(model, ModelFields):
        return f"{model.num_hidden_layers} x {model.hidden_size}"
    starts_elsewhere = isinstance(recipe, FinetuneRecipe | PretrainRecipe) and recipe.init.from_ is not None
    return recipe.init.from_ if model is None or starts_elsewhere else model
