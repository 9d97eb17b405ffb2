"""The diagnostic set beside MNLI, and alone: found where it may stand, predicted, never trained on."""

from __future__ import annotations

import datasets
import huggingface_hub
import pytest
from huggingface_hub import constants
from task_files import write

from albert_cli.data.tasks.load import load_task
from albert_cli.errors import DataError

MNLI = "index\tsentence1\tsentence2\tgold_label\n0\tRain.\tA wet day.\tentailment\n1\tRain.\tDry.\tcontradiction\n"
AX = "index\tsentence1\tsentence2\n0\tThe cat sat.\tThe cat stood.\n1\tA.\tB.\n2\tC.\tD.\n"


def mnli(folder):
    for name in ("train", "dev_matched", "dev_mismatched"):
        write(folder / f"{name}.tsv", MNLI)
    return folder


@pytest.mark.parametrize("place", ["MNLI/diagnostic.tsv", "AX/diagnostic.tsv", "diagnostic/diagnostic.tsv"])
@pytest.mark.parametrize("named", ["", "MNLI"])
def test_mnli_takes_the_diagnostic_rows_along(place, named, tmp_path):
    mnli(tmp_path / "MNLI")
    write(tmp_path / place, AX)
    task = load_task("mnli", path=tmp_path / named)
    assert task.spec.test_splits[-1] == "test_ax"
    assert task.splits["test_ax"]["text_pair"][:] == ["The cat stood.", "B.", "D."]
    assert set(task.splits["test_ax"]["label"][:]) == {-1}
    assert task.spec.submission_files["test_ax"] == "AX.tsv"


def test_a_stranger_beside_the_folder_is_left_alone(tmp_path):
    mnli(tmp_path / "data")
    write(tmp_path / "AX/diagnostic.tsv", AX)
    assert "test_ax" not in load_task("mnli", path=tmp_path / "data").splits


@pytest.mark.parametrize("place", ["AX/diagnostic.tsv", "AX/test.tsv", "diagnostic/diagnostic.tsv", "diagnostic.tsv"])
def test_the_diagnostic_set_alone_has_test_rows_only(place, tmp_path):
    write(tmp_path / place, AX)
    task = load_task("ax", path=tmp_path)
    assert {split: len(rows) for split, rows in task.splits.items()} == {"test": 3}
    assert task.label_names == ("contradiction", "entailment", "neutral")
    assert task.spec.submission_files == {"test": "AX.tsv"}
    with pytest.raises(DataError, match="no split 'train'"):
        task.require("train")


def hub(monkeypatch, parts):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *_, **__: None)

    def load(name, config, *, revision):
        if config not in parts:
            raise ValueError(f"BuilderConfig {config!r} not found")
        return parts[config]

    monkeypatch.setattr(datasets, "load_dataset", load)


def hub_rows(labels, rows=2):
    names = datasets.ClassLabel(names=["entailment", "neutral", "contradiction"])  # the hub's order is not ours
    values = {"premise": ["a"] * rows, "hypothesis": ["b"] * rows, "label": labels, "idx": list(range(rows))}
    string = datasets.Value("string")
    features = {"premise": string, "hypothesis": string, "label": names, "idx": datasets.Value("int32")}
    return datasets.Dataset.from_dict(values, features=datasets.Features(features))


def test_from_the_hub_the_labels_go_by_name_and_the_diagnostic_set_comes_with_mnli(monkeypatch):
    labelled, blind = hub_rows([0, 2]), hub_rows([-1, -1])
    splits = {"train": labelled, "validation_matched": labelled, "validation_mismatched": labelled}
    hub(monkeypatch, {"mnli": datasets.DatasetDict(splits), "ax": datasets.DatasetDict({"test": blind})})
    task = load_task("mnli")
    assert [task.label_names[number] for number in task.splits["train"]["label"]] == ["entailment", "contradiction"]
    assert list(task.splits) == ["train", "dev_matched", "dev_mismatched", "test_ax"]
    assert list(load_task("ax").splits) == ["test"]


def test_mnli_from_the_hub_goes_on_without_the_diagnostic_set(monkeypatch):
    part = hub_rows([0, 2])
    hub(monkeypatch, {"mnli": datasets.DatasetDict({"train": part, "validation_matched": part})})
    task = load_task("mnli")
    assert "test_ax" not in task.splits
    assert any("without the diagnostic set" in note for note in task.notes)
