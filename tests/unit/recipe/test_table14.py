"""The shipped recipes say what Table 14 of the paper says.

tests/data/table14.tsv was typed once from arXiv 1909.11942 v6; its RACE line for v2 is the exception in the README of
the original code.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from albert_cli.recipe.load import load_recipe
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.recipe.shipped import shipped_names

TABLE = Path(__file__).parents[2] / "data" / "table14.tsv"


def table() -> dict[tuple[str, str], dict[str, float]]:
    """Numbers by task and version of the models."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {(row.pop("task"), row.pop("version")): {key: float(value) for key, value in row.items()} for row in rows}


def numbers(recipe: FinetuneRecipe) -> dict[str, float | None]:
    """The same numbers of a recipe."""
    train = recipe.train
    assert isinstance(train.batch_size, int)
    return {
        "learning_rate": train.learning_rate,
        "batch": train.batch_size * train.accumulate * recipe.runtime.nproc,
        "dropout": train.dropout,
        "classifier_dropout": train.classifier_dropout,
        "steps": train.max_steps,
        "warmup": train.warmup_steps,
        "max_length": recipe.data.max_length,
    }


def test_every_shipped_recipe_has_the_numbers_of_the_paper() -> None:
    wanted = table()
    tasks = {task for task, _ in wanted}
    seen = set()
    for name in shipped_names():
        recipe = load_recipe(name, inputs_may_be_open=True).recipe
        if not isinstance(recipe, FinetuneRecipe) or recipe.task not in tasks:
            continue
        version = "v1" if str(recipe.model).endswith("-v1") else "v2"
        row = wanted.get((recipe.task, "all")) or wanted[recipe.task, version]
        assert numbers(recipe) == row, name
        seen.add((recipe.task, version if (recipe.task, "all") not in wanted else "all"))
    assert seen == set(wanted)


@pytest.mark.parametrize("task", ["rte", "stsb", "mrpc"])
def test_the_small_tasks_may_start_from_mnli(task: str) -> None:
    """Footnote 4 of the paper."""
    recipe = load_recipe(f"glue/{task}-from-mnli").recipe
    assert isinstance(recipe, FinetuneRecipe)
    assert recipe.init.from_ == "runs/glue-mnli"
    plain = load_recipe(f"glue/{task}").recipe
    assert recipe.model_copy(update={"init": plain.init, "description": plain.description}) == plain
