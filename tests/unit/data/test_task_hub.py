"""The hub, reachable or not: what is asked, what is said. Nothing here opens a connection."""

from __future__ import annotations

import datasets
import huggingface_hub
import pytest
from datasets import exceptions
from huggingface_hub import constants

from albert_cli.data.hub import read_hub
from albert_cli.data.tasks.load import load_task
from albert_cli.errors import DataError


def _fails(error):
    def call(*_, **__):
        raise error

    return call


@pytest.fixture
def reachable(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *_, **__: None)


def test_what_is_asked_of_the_hub(reachable, monkeypatch):
    asked = []

    def load(name, config, *, revision):
        asked.append((name, config, revision))
        part = datasets.Dataset.from_dict({"sentence": ["a", "b"], "label": [1, 0], "idx": [0, 1]})
        return datasets.DatasetDict({"train": part, "validation": part})

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert list(load_task("sst2").splits) == ["train", "dev"]
    load_task("sst2", dataset="me/films", revision="v2")
    assert asked == [("nyu-mll/glue", "sst2", None), ("me/films", None, "v2")]


def test_unreachable_hub_is_named_at_once_and_only_the_cache_is_asked(monkeypatch):
    seen = []

    def load(*_, **__):
        seen.append((constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE))
        raise ConnectionError("Couldn't reach 'nyu-mll/glue' on the Hub (OfflineModeIsEnabled)")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", _fails(OSError("Name or service not known")))
    monkeypatch.setattr(datasets, "load_dataset", load)
    before = datasets.config.HF_HUB_OFFLINE
    with pytest.raises(DataError, match=r"nyu-mll/glue \(cola\) is not on this machine, and no answer from") as caught:
        load_task("cola")
    assert "data.path=DIR_OR_FILE" in caught.value.hint
    assert seen == [(True, True)]
    assert (False, before) == (constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE)


def test_offline_switch_of_the_user_is_named(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", _fails(AssertionError("asked the network")))
    monkeypatch.setattr(datasets, "load_dataset", _fails(ConnectionError("offline")))
    with pytest.raises(DataError, match="HF_HUB_OFFLINE is set"):
        load_task("cola")


def _generation_error():
    error = exceptions.DatasetGenerationError("An error occurred while generating the dataset")
    error.__cause__ = UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid continuation byte")
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionError("gone"), "did not answer for me/x: gone"),
        (RuntimeError("Dataset scripts are no longer supported, but found x.py"), "is a script"),
        (exceptions.DatasetNotFoundError("doesn't exist"), "no data set me/x on the hub, or no permission"),
        (ValueError("BuilderConfig 'z' not found. Available: ['a']"), "BuilderConfig 'z' not found"),
        (StopIteration(), "empty file"),
        (_generation_error(), "UnicodeDecodeError: .*invalid continuation byte"),
        (KeyError("column"), "KeyError: 'column'"),
    ],
)
def test_errors_of_the_client_become_one_line_and_a_way_out(error, words, reachable, monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", _fails(error))
    with pytest.raises(DataError, match=words) as caught:
        read_hub("me/x")
    assert "\n" not in caught.value.message
    assert "data." in caught.value.hint
