"""Which file is which split."""

from __future__ import annotations

from pathlib import Path

import pytest

from albert_cli.data.split_files import find_split_files, group_by_split, names_of_split, table_format, table_stem
from albert_cli.data.tasks.glue import GLUE_TASKS
from albert_cli.errors import DataError

SPLITS = ("train", "dev", "test")


def _names(found):
    return {split: [path.name for path in paths] for split, paths in found.files.items()}


@pytest.mark.parametrize(
    ("name", "kind", "stem"),
    [
        ("train.tsv", ".tsv", "train"),
        ("Train.CSV", ".csv", "train"),
        ("dev.jsonl.gz", ".jsonl", "dev"),
        ("train-00000-of-00002.parquet", ".parquet", "train"),
        ("validation-00000-of-00001-0a1b2c.parquet", ".parquet", "validation"),
        ("reviews-2019.csv", ".csv", "reviews-2019"),
        ("readme.txt", None, "readme.txt"),
    ],
)
def test_names(name, kind, stem):
    assert (table_format(Path(name)), table_stem(Path(name))) == (kind, stem)


def test_shards_and_other_names_of_the_dev_split(tmp_path):
    for name in ("train-00001-of-00002.parquet", "train-00000-of-00002.parquet", "valid.jsonl", "notes.md"):
        (tmp_path / name).touch()
    found = find_split_files(tmp_path, splits=SPLITS, chosen={}, inside=())
    assert _names(found) == {
        "train": ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"],
        "dev": ["valid.jsonl"],
    }


def test_two_formats_of_a_split_are_not_mixed_and_it_is_said(tmp_path):
    paths = [tmp_path / "dev.jsonl", tmp_path / "dev.tsv"]
    found = group_by_split(paths, splits=SPLITS, chosen={})
    assert _names(found) == {"dev": ["dev.tsv"]}
    assert found.notes == ["dev: read dev.tsv, not dev.jsonl"]


def test_folders_inside_are_looked_into(tmp_path):
    (tmp_path / "SST-2").mkdir()
    (tmp_path / "SST-2" / "train.tsv").touch()
    found = find_split_files(tmp_path, splits=SPLITS, chosen={}, inside=["SST-2"])
    assert found.files["train"] == [tmp_path / "SST-2" / "train.tsv"]


def test_chosen_names_replace_the_usual_ones(tmp_path):
    for name in ("train.csv", "dev.csv", "challenge.csv"):
        (tmp_path / name).touch()
    found = find_split_files(tmp_path, splits=SPLITS, chosen={"dev": "challenge"}, inside=())
    assert _names(found) == {"train": ["train.csv"], "dev": ["challenge.csv"]}


def test_a_name_for_dev_covers_both_halves_of_mnli():
    halves = GLUE_TASKS["mnli"].dev_splits
    assert [names_of_split(split, {"dev": "validation"})[1] for split in halves] == [
        "validation_matched",
        "validation_mismatched",
    ]
    found = group_by_split([Path("dev_matched.tsv")], splits=halves, chosen={"dev": "dev_matched"})
    assert list(found.files) == ["dev_matched"]


def test_a_folder_without_splits_lists_what_it_holds(tmp_path):
    (tmp_path / "data.txt").touch()
    with pytest.raises(DataError, match=r"holds data\.txt"):
        find_split_files(tmp_path, splits=SPLITS, chosen={}, inside=["SST-2"])
