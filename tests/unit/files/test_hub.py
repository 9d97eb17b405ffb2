"""A model's name leads to a directory, or to one clear line that says why not. No test here uses the network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import errors

from albert_cli.errors import ModelError
from albert_cli.files.hub import SHORT_NAMES, resolve_model


@pytest.fixture
def asked(monkeypatch, tmp_path) -> list[tuple[str, str | None, list[str]]]:
    """Stands in for the hub: notes what is asked and answers with a directory that has a config and bin weights."""
    calls: list[tuple[str, str | None, list[str]]] = []
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    (snapshot / "config.json").write_text("{}")

    def answer(repo_id, *, revision=None, allow_patterns, etag_timeout):
        calls.append((repo_id, revision, allow_patterns))
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", answer)
    return calls


def _fails_with(monkeypatch, error: Exception) -> None:
    def answer(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", answer)


def test_a_local_directory_is_itself(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    assert resolve_model(str(tmp_path)) == tmp_path
    assert resolve_model(tmp_path) == tmp_path


def test_a_run_gives_its_final_model_else_its_best_checkpoint(tmp_path: Path):
    (tmp_path / "status.json").write_text(json.dumps({"state": "running"}))
    with pytest.raises(ModelError, match="has no model yet"):
        resolve_model(tmp_path)
    best = tmp_path / "checkpoints" / "best"
    best.mkdir(parents=True)
    (best / "config.json").write_text("{}")
    assert resolve_model(tmp_path) == best
    (tmp_path / "model").mkdir()
    assert resolve_model(tmp_path) == best, "an empty model/ is a run that has not finished"
    (tmp_path / "model" / "config.json").write_text("{}")
    assert resolve_model(tmp_path) == tmp_path / "model"


def test_short_names_mean_the_documented_hub_ids(asked):
    for name in SHORT_NAMES:
        resolve_model(name)
    assert {call[0] for call in asked} == {f"albert/{name}" for name in SHORT_NAMES}
    assert "albert-base-v2" in SHORT_NAMES
    assert len(SHORT_NAMES) == 8


def test_other_ids_and_the_revision_are_passed_on(asked):
    resolve_model("someone/their-albert", revision="v1.0")
    assert asked[0][:2] == ("someone/their-albert", "v1.0")


def test_pickled_weights_are_fetched_only_where_there_are_no_safetensors(asked, tmp_path):
    resolve_model("someone/old")
    assert [any("bin" in pattern for pattern in call[2]) for call in asked] == [False, True]
    (tmp_path / "snapshot" / "model.safetensors").write_bytes(b"")
    asked.clear()
    resolve_model("someone/new")
    assert len(asked) == 1


@pytest.mark.parametrize(
    "name", ["./nothing", "/nothing/here", "../nothing", "~/nothing", "a/b/c", "spiece.model", "nothing/"]
)
def test_a_path_that_is_not_there_is_said_to_be_a_path(name, asked):
    with pytest.raises(ModelError, match="no directory"):
        resolve_model(name)
    assert asked == []


def test_a_missing_run_below_an_existing_folder_is_a_path(tmp_path, monkeypatch, asked):
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    with pytest.raises(ModelError, match="no directory runs/mrpc"):
        resolve_model("runs/mrpc")
    assert asked == []


def test_a_file_and_an_empty_name_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="is a file"):
        resolve_model(tmp_path / "file")
    with pytest.raises(ModelError, match="empty"):
        resolve_model(" ")


def test_no_network_is_said_with_the_local_alternative(monkeypatch):
    _fails_with(monkeypatch, errors.LocalEntryNotFoundError("cannot reach"))
    with pytest.raises(
        ModelError, match=r"albert/albert-base-v2 is not on this machine and there is no network"
    ) as caught:
        resolve_model("albert-base-v2")
    assert "local model directory" in caught.value.hint
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("error", [TimeoutError("slow"), RuntimeError("transport")])
def test_other_failures_of_the_client_are_model_errors_too(monkeypatch, error):
    _fails_with(monkeypatch, error)
    with pytest.raises(ModelError, match="fetching someone/x failed"):
        resolve_model("someone/x")


def test_a_repository_without_a_model_is_refused(asked, tmp_path):
    (tmp_path / "snapshot" / "config.json").unlink()
    with pytest.raises(ModelError, match="neither config"):
        resolve_model("someone/dataset")


def test_offline_and_not_cached_fails_at_once_and_names_the_switch(tmp_path):
    """The real client, in a process of its own: it reads HF_HUB_OFFLINE when it is imported."""
    code = (
        "from albert_cli.files.hub import resolve_model\n"
        "from albert_cli.errors import ModelError\n"
        "try:\n    resolve_model('albert-base-v2')\n"
        "except ModelError as error:\n    print(error)\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert answer.stdout == "albert/albert-base-v2 is not on this machine and HF_HUB_OFFLINE is set\n"
    assert answer.stderr == ""
