"""Recipes written out: what is written loads again to the same recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from albert_cli.recipe.findings import all_keys
from albert_cli.recipe.load import LoadedRecipe, load_recipe
from albert_cli.recipe.render import differences, dump_resolved, json_schema
from albert_cli.recipe.schema import RECIPES
from albert_cli.recipe.shipped import shipped_names

FIXTURES = Path(__file__).resolve().parents[2] / "data" / "recipes"


def load(name: str, *overrides: str) -> LoadedRecipe:
    return load_recipe(FIXTURES / name, overrides=overrides)


@pytest.mark.parametrize("origins", [False, True])
@pytest.mark.parametrize("name", ["finetune.yaml", "pretrain.yaml"])
def test_a_resolved_recipe_loads_again_to_the_same(tmp_path: Path, name: str, origins: bool) -> None:
    loaded = load(name, "seed=7", 'description="two\\nlines: # not a comment"')
    again = tmp_path / "recipe.yaml"
    again.write_text(dump_resolved(loaded, origins=origins), encoding="utf-8")
    assert load_recipe(again).recipe == loaded.recipe


def test_every_shipped_recipe_survives_being_written_out(tmp_path: Path) -> None:
    names = shipped_names()
    assert names
    for name in names:
        loaded = load_recipe(name, inputs_may_be_open=True)
        again = tmp_path / "recipe.yaml"
        again.write_text(dump_resolved(loaded), encoding="utf-8")
        assert load_recipe(again, inputs_may_be_open=True).recipe == loaded.recipe, name


def test_text_that_looks_like_a_number_stays_text(tmp_path: Path) -> None:
    loaded = load("finetune.yaml", "tokenizer='1e-5'", "description='0o17'")
    again = tmp_path / "recipe.yaml"
    again.write_text(dump_resolved(loaded), encoding="utf-8")
    recipe = load_recipe(again).recipe
    assert (recipe.tokenizer, recipe.description) == ("1e-5", "0o17")


def test_origins_stand_behind_their_values() -> None:
    text = dump_resolved(load("finetune.yaml", "train.keep=9"), origins=True)
    assert "  keep: 9  # --set\n" in text
    assert "  accumulate: 1  # default\n" in text
    assert "finetune.yaml:11\n" in next(line + "\n" for line in text.splitlines() if "learning_rate:" in line)


def test_differences_name_key_and_both_values() -> None:
    found = differences(load("finetune.yaml"), load("finetune.yaml", "train.max_steps=3", "seed=1"))
    assert found == [("seed", 42, 1), ("train.epochs", 2.0, None), ("train.max_steps", None, 3)]


def test_the_json_schema_knows_every_key_and_refuses_others() -> None:
    definitions = json_schema()["$defs"]
    for stage, recipe in (("pretrain", "PretrainRecipe"), ("finetune", "FinetuneRecipe")):
        assert definitions[recipe]["additionalProperties"] is False
        top = {str(path[0]) for path, _ in all_keys(RECIPES[stage])}
        assert top | {"extends"} == set(definitions[recipe]["properties"])
    assert "from" in definitions["Init"]["properties"]


def test_every_key_has_a_description() -> None:
    for name, definition in json_schema()["$defs"].items():
        for key, value in definition["properties"].items():
            assert value.get("description") or "$ref" in value, f"{name}.{key}"
