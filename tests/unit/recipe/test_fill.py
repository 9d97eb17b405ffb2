"""A filled recipe says every key, keeps what stood there, and is the same recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from albert_cli.recipe.fill import filled
from albert_cli.recipe.findings import all_keys
from albert_cli.recipe.load import load_recipe
from albert_cli.recipe.problems import dotted
from albert_cli.recipe.schema import RECIPES
from albert_cli.recipe.shipped import parent_from_elsewhere, recipes_folder, shipped_names


def fill(file: Path) -> str:
    return filled(load_recipe(file, inputs_may_be_open=True), file.read_text(encoding="utf-8"))


def test_every_shipped_recipe_is_the_same_when_filled(tmp_path: Path) -> None:
    for name in shipped_names():
        file = recipes_folder() / f"{name}.yaml"
        text = parent_from_elsewhere(fill(file), file)
        again = tmp_path / "r.yaml"
        again.write_text(text, encoding="utf-8")
        assert load_recipe(again, inputs_may_be_open=True).recipe == load_recipe(file, inputs_may_be_open=True).recipe
        lines = text.splitlines()
        original = parent_from_elsewhere(file.read_text(encoding="utf-8"), file).splitlines()
        assert [line for line in original if line not in lines] == [], name
        assert fill(again) == text, name  # nothing is left to add


def test_a_filled_recipe_says_every_key(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(
        "stage: finetune\ntask: cola\nmodel: albert-base-v2\ndata: {path: x}\ntrain: {learning_rate: 1e-5, epochs: 1}\n"
    )
    file.write_text(fill(file))
    origins = load_recipe(file).origins
    assert {place for place in origins.values() if place == "default"} == set()
    keys = {dotted(path) for path, section in all_keys(RECIPES["finetune"]) if section is None and path[0] != "model"}
    assert keys - set(origins) == set()


@pytest.mark.parametrize("ending", ["", "\n"])
def test_comments_values_and_their_spelling_stay(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(
        "# first\nstage: finetune\ntask: cola\nmodel: base   # small\ntokenizer: 'a b'\n"
        "data:  # rows\n  path: x\n  # split: {train: a}\n  columns: {text: review}  # mine\n"
        "# before train\ntrain:\n  learning_rate: 1.0e-5\n  epochs: 2\n  # no warm-up" + ending
    )
    text = fill(file)
    assert text.startswith(
        "# first\nstage: finetune\ntask: cola\nmodel: base   # small\ntokenizer: 'a b'\ndata:  # rows\n"
    )
    assert "  # split: {train: a}\n  columns:  # mine\n    text: review\n    # Second text of a pair.\n" in text
    assert "\n# before train\ntrain:\n  learning_rate: 1.0e-5\n  epochs: 2\n  # no warm-up\n  # " in text
    assert "  # Optimiser steps of warm-up" in text or "  warmup_steps: 0\n" in text
    before = load_recipe(file).recipe
    file.write_text(text)
    assert load_recipe(file).recipe == before


def test_a_whole_recipe_in_braces_is_unfolded(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("{stage: convert, to: hf, source: x, description: '1e-5'}")
    before = load_recipe(file).recipe
    file.write_text(fill(file))
    assert load_recipe(file).recipe == before
    assert "# Activation, where" in file.read_text()


def test_what_a_parent_says_is_left_to_it(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text(
        "stage: finetune\ntask: cola\nmodel: base\ntokenizer: t\ndata:\n  path: x\n"
        "train:\n  learning_rate: 1e-5\n  epochs: 2\n  effective_batch: 64\n"
    )
    child = tmp_path / "child.yaml"
    child.write_text("extends: parent\nseed: 3\n")
    text = fill(child)
    assert "learning_rate: 1" not in text
    assert "accumulate: 1" not in text  # would take the parent's effective_batch away
    assert "  warmup_steps: 0\n" in text
    (tmp_path / "parent.yaml").write_text((tmp_path / "parent.yaml").read_text().replace("1e-5", "2e-5"))
    child.write_text(text)
    train = load_recipe(child).recipe.train
    assert (train.learning_rate, train.effective_batch) == (2e-5, 64)
