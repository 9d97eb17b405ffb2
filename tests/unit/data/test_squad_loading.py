"""Splits of questions about texts: which file is which, what becomes the dev split, which labels are required."""

from __future__ import annotations

import json
from collections import Counter

import datasets
import pytest

from albert_cli.data.tasks.squad import load_span_file, load_spans
from albert_cli.errors import DataError, UsageError


def article(name, texts, *, questions=2, answered=True):
    """Texts with questions that name them."""
    paragraphs = []
    for number in range(texts):
        context = f"{name} text {number} is about dogs."
        qas = [
            {
                "id": f"{name}-{number}-{turn}",
                "question": f"what {turn}",
                "answers": [{"text": "dogs", "answer_start": context.index("dogs")}] if answered else [],
            }
            for turn in range(questions)
        ]
        paragraphs.append({"context": context, "qas": qas})
    return {"title": name, "paragraphs": paragraphs}


def write(path, *articles):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": "1.1", "data": list(articles)}))
    return path


def sizes(data):
    return {name: len(rows) for name, rows in data.splits.items()}


def test_the_version_of_the_task_is_taken_from_a_folder_with_both(tmp_path):
    for version, count in (("v1.1", 1), ("v2.0", 2)):
        write(tmp_path / f"train-{version}.json", article("train", count))
        write(tmp_path / f"dev-{version}.json", article("dev", count))
    write(tmp_path / "test-v2.0-noanswers.json", article("test", 3, answered=False))
    assert sizes(load_spans("squad", path=tmp_path)) == {"train": 2, "dev": 2, "test": 6}
    second = load_spans("squad2", path=tmp_path)
    assert sizes(second) == {"train": 4, "dev": 4, "test": 6}
    assert set(second.splits["test"]["is_impossible"]) == {None}
    assert "train: read train-v2.0.json, not train-v1.1.json" in second.notes


@pytest.mark.parametrize("name", ["train.json", "arcd-train.json", "cmrc2018_train.json", "squad/train-v1.1.json"])
def test_names_of_published_files(tmp_path, name):
    write(tmp_path / name, article("train", 1))
    write((tmp_path / name).parent / "valid-v1.3.json", article("dev", 2))
    assert sizes(load_spans("squad", path=tmp_path)) == {"train": 2, "dev": 4}


def test_exact_names_go_before_others(tmp_path):
    write(tmp_path / "train.json", article("train", 1))
    write(tmp_path / "train-old.json", article("old", 5))
    write(tmp_path / "dev.json", article("dev", 1))
    assert sizes(load_spans("squad", path=tmp_path)) == {"train": 2, "dev": 2}


def test_files_named_one_by_one(tmp_path):
    first = write(tmp_path / "amazon_reviews_v1.0.json", article("amazon", 4))
    second = write(tmp_path / "reddit_v1.0.json", article("reddit", 4))
    dev = write(tmp_path / "dev-v1.1.json", article("dev", 2))
    assert sizes(load_spans("squad", path=[str(first), str(second), str(dev)])) == {"train": 16, "dev": 4}
    assert sizes(load_spans("squad", path=dev)) == {"dev": 4}
    chosen = {"train": "amazon_reviews_v1.0", "dev": "reddit_v1.0.json"}
    assert sizes(load_spans("squad", path=tmp_path, split=chosen)) == {"train": 8, "dev": 8}


def test_a_dev_split_is_drawn_by_texts(tmp_path):
    path = write(
        tmp_path / "reddit_v1.0.json", *(article(f"a{number}", 5, questions=number % 4 + 1) for number in range(8))
    )
    data = load_spans("squad", path=path)
    train, dev = data.splits["train"], data.splits["dev"]
    assert len(train) + len(dev) == 100
    assert 10 <= len(dev) <= 14
    assert not set(train["context"]) & set(dev["context"])
    assert train["idx"] == list(range(len(train)))
    assert dev["idx"] == list(range(len(dev)))
    assert any("no dev split found" in note and "whole texts" in note for note in data.notes)
    again = load_spans("squad", path=path).splits["dev"]
    assert again["id"] == dev["id"]


def test_one_text_alone_is_parted_by_questions(tmp_path):
    data = load_spans("squad", path=write(tmp_path / "one.json", article("one", 1, questions=20)))
    assert sizes(data) == {"train": 18, "dev": 2}
    with pytest.raises(DataError, match="one question only"):
        load_spans("squad", path=write(tmp_path / "two.json", article("one", 1, questions=1)))


def test_limit_takes_the_first_of_each_split(tmp_path):
    write(tmp_path / "train.json", article("train", 5))
    write(tmp_path / "dev.json", article("dev", 5))
    data = load_spans("squad", path=tmp_path, limit=3)
    assert sizes(data) == {"train": 3, "dev": 3}
    assert data.splits["dev"]["id"] == ["dev-0-0", "dev-0-1", "dev-1-0"]
    assert sizes(load_span_file("squad", tmp_path / "dev.json", limit=4)) == {"test": 4}


@pytest.mark.parametrize("split", ["train", "dev"])
def test_questions_to_learn_from_or_to_score_need_labels(tmp_path, split):
    write(tmp_path / "train.json", article("train", 2, answered=split != "train"))
    write(tmp_path / "dev.json", article("dev", 2, answered=split != "dev"))
    with pytest.raises(
        DataError, match=rf"{split} split without an answer.*data\[0\].paragraphs\[0\].qas\[0\]"
    ) as caught:
        load_spans("squad2", path=tmp_path)
    assert "data.split.test" in caught.value.hint


def test_a_folder_without_splits_says_what_it_holds(tmp_path):
    write(tmp_path / "questions.json", article("x", 1))
    with pytest.raises(DataError, match=r"no file of a split .*questions.json"):
        load_spans("squad", path=tmp_path)
    with pytest.raises(DataError, match=r"no split 'other' for data.split.dev"):
        load_spans("squad", path=tmp_path / "questions.json", split={"dev": "other"})
    with pytest.raises(DataError, match="no file or folder"):
        load_spans("squad", path=tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"neither data.path nor data.dataset"):
        load_spans("question-answering")
    with pytest.raises(UsageError, match="no task 'squat'"):
        load_spans("squat", path=tmp_path)


def hub_rows(count, *, name="x"):
    return datasets.Dataset.from_list(
        [
            {
                "id": f"{name}{number}",
                "title": name,
                "context": f"{name} {number} dogs",
                "question": "what",
                "answers": {
                    "text": ["dogs"] if number % 2 else [],
                    "answer_start": [len(f"{name} {number} ")] * (number % 2),
                },
            }
            for number in range(count)
        ]
    )


def test_saved_folders_and_parquet(tmp_path):
    saved = datasets.DatasetDict({"train": hub_rows(6), "validation": hub_rows(4, name="y")})
    saved.save_to_disk(str(tmp_path / "saved"))
    (tmp_path / "parquet").mkdir()
    saved["train"].to_parquet(tmp_path / "parquet" / "train-00000-of-00001.parquet")
    saved["validation"].to_parquet(tmp_path / "parquet" / "validation-00000-of-00001.parquet")
    for folder in ("saved", "parquet"):
        data = load_spans("squad2", path=tmp_path / folder)
        assert sizes(data) == {"train": 6, "dev": 4}
        assert Counter(data.splits["train"]["is_impossible"]) == {True: 3, False: 3}
        assert data.splits["dev"][1]["answers"] == {"text": ["dogs"], "answer_start": [4]}


def test_the_hub_is_asked_for_the_official_sets(monkeypatch):
    from albert_cli.data import split_sources
    from albert_cli.data.readers_arrow import table_of_dataset

    asked = []

    def read_hub(name, *, config, revision):
        asked.append((name, config, revision))
        return {split: table_of_dataset(hub_rows(4), source=f"{name}/{split}") for split in ("train", "validation")}

    monkeypatch.setattr(split_sources, "read_hub", read_hub)
    assert sizes(load_spans("squad")) == {"train": 4, "dev": 4}
    load_spans("squad2", revision="main")
    load_spans("question-answering", dataset="some/set", config="en")
    assert asked == [
        ("rajpurkar/squad", None, None),
        ("rajpurkar/squad_v2", None, "main"),
        ("some/set", "en", None),
    ]
