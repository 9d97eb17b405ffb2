"""Experiment trackers: only for those who have them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from albert_cli.errors import UsageError
from albert_cli.training import trackers


class Notebook:
    """A tracker that remembers what it was told."""

    requires_logging_directory = True
    told: ClassVar[list] = []

    def __init__(self, run_name, logging_dir):
        self.told.append(("open", run_name, logging_dir))

    def store_init_configuration(self, values):
        self.told.append(("config", values))

    def log(self, values, step):
        self.told.append(("log", values, step))

    def finish(self):
        self.told.append(("finish",))


def test_settings_and_numbers_reach_the_tracker(monkeypatch, tmp_path):
    Notebook.told.clear()
    monkeypatch.setattr(trackers, "LOGGER_TYPE_TO_CLASS", {"notebook": Notebook})
    monkeypatch.setattr(trackers, "get_available_trackers", lambda: ["notebook"])
    config = {"train": {"learning_rate": 0.1, "eval_every": None}, "seeds": [1, 2], "name": "x"}
    opened = trackers.open_trackers(["notebook"], folder=tmp_path, run_name="r", config=config)
    opened.log({"loss": 1.5}, step=3)
    opened.finish()
    assert Notebook.told == [
        ("open", "r", str(tmp_path)),
        ("config", {"train.learning_rate": 0.1, "train.eval_every": "None", "seeds": "[1, 2]", "name": "x"}),
        ("log", {"loss": 1.5}, 3),
        ("finish",),
    ]


def test_a_missing_package_names_what_to_install(monkeypatch):
    monkeypatch.setattr(trackers, "get_available_trackers", lambda: [])
    with pytest.raises(UsageError, match="'tensorboard' is not installed") as raised:
        trackers.open_trackers(["tensorboard"], folder=Path(), run_name="r", config={})
    assert raised.value.hint == "pip install 'albert-cli[trackers]'"
    with pytest.raises(UsageError, match="unknown tracker 'paper'"):
        trackers.open_trackers(["paper"], folder=Path(), run_name="r", config={})


def test_no_tracker_takes_everything_silently():
    none = trackers.Trackers()
    none.log({"loss": 1.0}, step=1)
    none.finish()
