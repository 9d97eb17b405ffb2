"""What a recipe takes from the hub comes as files that the recipe then reads. Nothing here opens a connection."""

from __future__ import annotations

import json

import datasets
import huggingface_hub
import pytest
from huggingface_hub import constants

from albert_cli.data.tasks.load import load_task
from albert_cli.errors import DataError, UsageError
from albert_cli.files.checksum import verify_manifest
from albert_cli.recipe.load import load_recipe
from albert_cli.stages import fetch

ROWS = {"sentence": ["good", "bad"], "label": [1, 0], "idx": [0, 1]}


@pytest.fixture
def hub(monkeypatch):
    """A hub with one data set, and a list of what was asked of it."""
    asked = []

    class Facts:
        sha = "0123abc"

    def load(name, config, *, revision):
        asked.append((name, config, revision))
        labels = datasets.ClassLabel(names=["negative", "positive"])
        part = datasets.Dataset.from_dict(ROWS).cast_column("label", labels)
        return datasets.DatasetDict({"train": part, "validation": part})

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *_, **__: Facts())
    monkeypatch.setattr(datasets, "load_dataset", load)
    return asked


def _recipe(*overrides):
    return load_recipe("glue/sst2", overrides=["model=tiny", "tokenizer=somewhere/else.model", *overrides])


def test_rows_come_with_checksums_and_are_read_by_the_task(hub, tmp_path, capsys):
    folder = tmp_path / "films"
    assert fetch.run(_recipe("data.revision=v2"), folder, json=True, quiet=True) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["rows"] == {"train": 2, "validation": 2}
    assert hub == [("nyu-mll/glue", "sst2", "v2")]
    assert verify_manifest(folder) is None
    source = json.loads((folder / "source.json").read_text())["sources"]
    assert source == [{"dataset": "nyu-mll/glue", "config": "sst2", "revision": "v2", "commit": "0123abc"}]
    task = load_task("sst2", path=str(folder))
    assert list(task.splits) == ["train", "dev"]
    assert task.splits["train"][:]["text"] == ROWS["sentence"]


def test_a_model_of_the_hub_is_fetched_too(hub, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fetch, "resolve_model", lambda name: tmp_path / name)
    fetch.run(load_recipe("glue/sst2"), tmp_path / "films", json=True, quiet=True)
    assert list(json.loads(capsys.readouterr().out)["models"]) == ["albert-base-v2"]


def test_nothing_is_overwritten_and_nothing_is_half_there(hub, tmp_path, monkeypatch):
    (tmp_path / "films").mkdir()
    with pytest.raises(UsageError, match="exists"):
        fetch.run(_recipe(), tmp_path / "films", json=True, quiet=True)

    def breaks(*_, **__):
        raise ConnectionError("gone")

    monkeypatch.setattr(datasets, "load_dataset", breaks)
    with pytest.raises(DataError, match="did not answer"):
        fetch.run(_recipe(), tmp_path / "other", json=True, quiet=True)
    assert not (tmp_path / "other").exists()


def test_a_recipe_of_ones_own_files_has_nothing_to_fetch(tmp_path):
    recipe = load_recipe(
        "glue/sst2", overrides=[f"data.path={tmp_path}", "data.dataset=null", "model=tiny", "tokenizer=t"]
    )
    with pytest.raises(UsageError, match="takes nothing from the hub"):
        fetch.run(recipe, tmp_path / "out", json=True, quiet=True)
