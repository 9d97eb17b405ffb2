"""What TARGET, --model and --recipe name together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from albert_cli.data.tasks.catalogue import find_task
from albert_cli.errors import ModelError, UsageError
from albert_cli.models.heads import AlbertForSequenceClassification
from albert_cli.stages.target import Target, load_trained, read_target
from albert_cli.stages.tasks.protocol import labels_of


@pytest.fixture
def model(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model("AlbertForSequenceClassification")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    said = {
        "stage": "finetune",
        "task": "sst2",
        "model": "albert-base-v2",
        "data": {"path": "rows"},
        "train": {"max_steps": 2, "learning_rate": 1e-3},
    }
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps(said))
    return path


@pytest.fixture
def run(tmp_path: Path, model: Path, recipe: Path) -> Path:
    folder = tmp_path / "run"
    shutil.copytree(model, folder / "model")
    shutil.copy(recipe, folder / "recipe.yaml")
    (folder / "status.json").write_text(json.dumps({"state": "done"}))
    return folder


def read(target: Path, **said: Any) -> Target:
    chosen = {"model": None, "recipe": None, "overrides": [], "shortcuts": {}}
    return read_target(str(target), **{**chosen, **said})


def test_a_run_knows_its_recipe_and_model(run: Path) -> None:
    found = read(run, overrides=["data.limit=3"])
    assert found.model == run / "model"
    assert found.recipe.task == "sst2"
    assert found.recipe.data.limit == 3


def test_a_run_may_be_scored_with_another_model_or_other_data(
    run: Path, model: Path, recipe: Path, tmp_path: Path
) -> None:
    assert read(run, model=str(model)).model == model
    other = tmp_path / "other.yaml"
    other.write_text(recipe.read_text().replace("sst2", "cola"))
    found = read(run, recipe=str(other))
    assert (found.recipe.task, found.model) == ("cola", run / "model")


def test_a_recipe_needs_a_model_and_a_model_a_recipe(recipe: Path, model: Path) -> None:
    with pytest.raises(UsageError, match="no model to use"):
        read(recipe)
    assert read(recipe, needs_model=False).model is None
    with pytest.raises(UsageError, match="does not say which data"):
        read(model)
    assert read(model, recipe=str(recipe)).model == model
    with pytest.raises(UsageError, match="--model names another"):
        read(model, model=str(model), recipe=str(recipe))


def test_an_untrained_head_is_refused(tiny_model: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="no trained head"):
        load_trained(tiny_model("AlbertForMaskedLM"), AlbertForSequenceClassification)


def test_names_of_classes_come_from_the_model_unless_it_has_none(model: Path) -> None:
    trained, _ = load_trained(model, AlbertForSequenceClassification)
    assert isinstance(trained, AlbertForSequenceClassification)
    assert labels_of(trained.config, find_task("rte").label_names) == find_task("rte").label_names
    trained.config.id2label = {0: "yes", 1: "no"}
    assert labels_of(trained.config, find_task("rte").label_names) == ("yes", "no")
