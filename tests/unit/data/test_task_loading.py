"""One table, many sources: what a recipe's data keys lead to."""

from __future__ import annotations

import gzip
import json

import datasets
import numpy as np
import pytest
from task_files import LetterTokenizer, sst2_folder, write

from albert_cli.data.features import encode_task
from albert_cli.data.finetuning import FinetuneSource
from albert_cli.data.tasks.catalogue import TASKS, find_task
from albert_cli.data.tasks.load import load_rows, load_task
from albert_cli.errors import DataError, UsageError

HUB_NAMES = {"train": "train", "dev": "validation", "test": "test"}


@pytest.fixture
def hub_rows(tmp_path):
    """The rows of `sst2_folder` as the hub has them: index column, class names of its own, -1 in the test split."""
    task = load_task("sst2", path=sst2_folder(tmp_path / "tsv"))
    kinds = datasets.Features(
        {
            "sentence": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["negative", "positive"]),
            "idx": datasets.Value("int32"),
        }
    )
    splits = {
        HUB_NAMES[name]: datasets.Dataset.from_dict(
            {"sentence": part["text"][:], "label": part["label"][:], "idx": part["idx"][:]}, features=kinds
        )
        for name, part in task.splits.items()
    }
    return task, datasets.DatasetDict(splits)


def _rows(task):
    return {name: part[:] for name, part in task.splits.items()}


def _batches(task):
    encoded = encode_task(task.splits["train"], LetterTokenizer(), max_length=12)
    steps = FinetuneSource(encoded, 2, accumulate=2, seed=3, max_steps=4)
    return [[(b.input_ids.tolist(), b.targets["labels"].tolist()) for b in step] for step in steps]


@pytest.mark.parametrize("layout", ["parquet", "parquet in data/", "parquet in config/", "save_to_disk", "hub"])
def test_every_source_of_sst2_gives_the_same_rows_and_batches(layout, hub_rows, tmp_path, monkeypatch):
    task, tables = hub_rows
    folder = tmp_path / "other"
    if layout == "save_to_disk":
        tables.save_to_disk(folder)
    elif layout.startswith("parquet"):
        inside = folder / {"parquet": "", "parquet in data/": "data", "parquet in config/": "sst2"}[layout]
        inside.mkdir(parents=True)
        for name, part in tables.items():
            part.to_parquet(inside / f"{name}-00000-of-00001.parquet")
    else:
        monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: tables)
        monkeypatch.setattr("albert_cli.data.hub._why_unreachable", lambda name: None)
    other = load_task("sst2", path=None if layout == "hub" else folder)
    assert _rows(other) == _rows(task)
    assert other.splits["train"].features == task.splits["train"].features
    assert other.label_names == task.label_names == ("0", "1")
    assert _batches(other) == _batches(task)


def test_words_that_look_like_missing_values_stay_words(tmp_path):
    task = load_task("sst2", path=sst2_folder(tmp_path))
    assert task.splits["train"]["text"][:4] == ['a "quoted film ', "NA", "null", "nan"]


def test_class_order_of_the_hub_is_mapped_by_name(tmp_path):
    kinds = datasets.Features(
        {
            "premise": datasets.Value("string"),
            "hypothesis": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["entailment", "neutral", "contradiction"]),
        }
    )
    rows = {"premise": list("abc"), "hypothesis": list("def"), "label": [0, 1, 2]}
    part = datasets.Dataset.from_dict(rows, features=kinds)
    names = ["train", "validation_matched", "validation_mismatched"]
    datasets.DatasetDict(dict.fromkeys(names, part)).save_to_disk(tmp_path / "mnli")
    task = load_task("mnli", path=tmp_path / "mnli")
    assert list(task.splits) == ["train", "dev_matched", "dev_mismatched"]
    assert task.label_names == ("contradiction", "entailment", "neutral")
    assert task.splits["train"]["label"][:] == [1, 2, 0]


def test_selection_and_shuffle_of_a_saved_table_are_kept(tmp_path):
    part = datasets.Dataset.from_dict({"text": list("abcdef"), "label": list("xyxyxy")}).select([4, 1, 0, 3])
    datasets.DatasetDict({"train": part, "dev": part}).save_to_disk(tmp_path / "d")
    assert load_task("text-classification", path=tmp_path / "d").splits["train"]["text"][:] == list("ebad")


OWN_ROWS = [{"text": f"number {number}", "label": ["odd", "even"][number % 2 == 0]} for number in range(30)]


def _own_file(folder, name):
    if name.endswith(".parquet"):
        folder.mkdir(exist_ok=True)
        datasets.Dataset.from_list(OWN_ROWS).to_parquet(folder / name)
        return folder / name
    mark = "\t" if ".tsv" in name else ","
    table = "\n".join(["text" + mark + "label", *(f"{row['text']}{mark}{row['label']}" for row in OWN_ROWS)])
    text = {"json": json.dumps(OWN_ROWS), "jsonl": "\n".join(map(json.dumps, OWN_ROWS))}
    content = text.get(name.removesuffix(".gz").rpartition(".")[2], table).encode()
    return write(folder / name, gzip.compress(content) if name.endswith(".gz") else content)


@pytest.mark.parametrize("name", ["r.csv", "r.tsv", "r.json", "r.jsonl", "r.jsonl.gz", "r.csv.gz", "r.parquet"])
def test_one_own_file_of_any_format_gives_the_same_two_splits(name, tmp_path):
    task = load_task("text-classification", path=_own_file(tmp_path / "a", name))
    expected = load_task("text-classification", path=_own_file(tmp_path / "b", "expected.jsonl"))
    assert _rows(task) == _rows(expected)
    assert {split: len(part) for split, part in task.splits.items()} == {"train": 27, "dev": 3}
    assert task.label_names == ("even", "odd")
    assert task.notes == ("no dev split found: 3 of 30 training rows, drawn once with a fixed seed, are it",)
    texts = [text for part in task.splits.values() for text in part["text"][:]]
    assert sorted(texts) == sorted(row["text"] for row in OWN_ROWS)


def test_several_files_and_a_chosen_one(tmp_path):
    first, second = _own_file(tmp_path, "a.csv"), _own_file(tmp_path, "b.jsonl")
    task = load_task("text-classification", path=[first, second], split={"dev": "b", "train": None})
    assert {split: len(part) for split, part in task.splits.items()} == {"dev": 30, "train": 30}
    task = load_task("text-classification", path=[first, second])
    assert len(task.splits["train"]) + len(task.splits["dev"]) == 60
    assert load_task("text-classification", path=first, split={"dev": "a"}).splits.keys() == {"dev"}


def test_shards_of_a_split_have_indices_of_their_own(tmp_path):
    for number in (0, 1):
        _own_file(tmp_path, f"train-{number}.csv")
    _own_file(tmp_path, "dev.csv")
    assert load_task("text-classification", path=tmp_path).splits["train"]["idx"][:] == list(range(60))


def test_limit_takes_the_first_rows_and_keeps_the_classes(tmp_path):
    task = load_task("text-classification", path=_own_file(tmp_path, "a.csv"), limit=1)
    assert {split: len(part) for split, part in task.splits.items()} == {"train": 1, "dev": 1}
    assert task.label_names == ("even", "odd")


def test_regression_and_label_sets(tmp_path):
    scores = load_task("text-regression", path=write(tmp_path / "s.csv", "text,score\na,1\nb,2.5\n"))
    assert (scores.label_names, scores.num_labels) == ((), 1)
    sets = load_task("multi-label", path=write(tmp_path / "m.csv", 'text,tags\na,"x,y"\nb,\nc,y\n'))
    assert (sets.label_names, sets.num_labels) == (("x", "y"), 2)
    assert sorted(label for part in sets.splits.values() for label in part["label"][:]) == [[], [0, 1], [1]]


def test_test_split_may_lack_the_named_label_column(tmp_path):
    write(tmp_path / "train.csv", "words,kind\na,x\nb,y\n")
    write(tmp_path / "dev.csv", "words,kind\na,x\n")
    write(tmp_path / "test.csv", "words\na\n")
    task = load_task("text-classification", path=tmp_path, columns={"text": "words", "label": "kind", "id": None})
    assert task.splits["test"]["label"][:] == [-1]
    assert task.columns["train"] == "text=words, label=kind"


def test_classes_of_a_model_are_matched_by_name(tmp_path):
    path = _own_file(tmp_path, "a.csv")
    task = load_task("text-classification", path=path, label_names=("odd", "even"))
    assert task.label_names == ("odd", "even")
    assert task.splits["dev"]["label"][0] == int(task.splits["dev"]["text"][0].split()[1]) % 2 ^ 1
    with pytest.raises(DataError, match="unknown label 'even'"):
        load_task("text-classification", path=path, label_names=("odd", "prime"))


def test_rows_to_predict(tmp_path):
    task = load_rows("sst2", write(tmp_path / "mine.csv", "sentence\nnot bad\n"), label_names=("0", "1"))
    assert task.splits["test"][:] == {"idx": [0], "text": ["not bad"], "label": [-1]}
    scored = load_rows("text-regression", write(tmp_path / "s.jsonl", '{"text": "a", "score": 3}'))
    assert scored.splits["test"]["label"][:] == [3.0]


def test_short_rows_of_qqp_are_counted(tmp_path):
    head = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    write(tmp_path / "train.tsv", head + "5\t1\t2\ta?\tb?\t1\n6\t1\t2\ta?\n7\t1\t2\tc?\td?\t0\n")
    write(tmp_path / "dev.tsv", head + "8\t1\t2\ta?\tb?\t1\n")
    task = load_task("qqp", path=tmp_path)
    assert task.skipped_rows == {"train": 1}
    assert task.splits["train"]["idx"][:] == [5, 7]
    assert task.notes == ("train: 1 rows with too few columns left out",)
    with pytest.raises(DataError, match="4 cells where"):
        load_task("text-classification", path=tmp_path / "train.tsv")


@pytest.mark.parametrize(
    ("name", "found"),
    [("SST-2", "sst2"), ("sts-b", "stsb"), ("MNLI", "mnli"), ("text_classification", "text-classification")],
)
def test_spellings_of_a_task(name, found):
    assert find_task(name) is TASKS[found]


def test_unknown_task():
    with pytest.raises(UsageError) as caught:
        find_task("mnil")
    assert caught.value.hint == "did you mean 'mnli'?"


def test_order_of_official_classes():
    # classifier_utils.py of the original: get_labels of each processor
    orders = {name: spec.label_names for name, spec in TASKS.items() if spec.is_official}
    binary, entailment = ("0", "1"), ("entailment", "not_entailment")
    assert orders == {
        **dict.fromkeys(["cola", "sst2", "mrpc", "qqp", "wnli"], binary),
        **dict.fromkeys(["qnli", "rte"], entailment),
        **dict.fromkeys(["mnli", "ax"], ("contradiction", "entailment", "neutral")),
        "stsb": None,
    }


@pytest.mark.parametrize(
    ("files", "options", "words"),
    [
        ({}, {"path": "nowhere"}, "no file or folder .*nowhere"),
        ({"a.txt": "hello"}, {"path": "a.txt"}, r"not a table: .*a\.txt"),
        ({"a.csv": "text,label\nx,1\n"}, {"path": "a.csv"}, "one row only"),
        ({"train.csv": "text,label\nx,1\ny,2\n"}, {"path": ".", "split": {"dev": "valid"}}, "no split 'valid'"),
        ({"dev.csv": "text,label\nx,1\ny,2\nz,\n"}, {"path": "."}, r"no label .*dev\.csv:4"),
        ({"train.csv": "text,label\nx,1\ny,2\n", "dev.csv": "text,label\nx,3\n"}, {"path": "."}, r"'3' .*dev\.csv:2"),
        (
            {"train.csv": "text,label\nx,1\ny,2\n", "dev.csv": "text\nx\n"},
            {"path": "."},
            "for the label .*dev.csv:1 has",
        ),
        ({"a.parquet": "not parquet"}, {"path": "a.parquet"}, r"cannot read parquet: .*a\.parquet"),
        ({"d/dataset_dict.json": "{"}, {"path": "d"}, "cannot read the saved data set"),
        ({}, {}, "needs rows: neither data.path nor data.dataset"),
    ],
)
def test_wrong_data_says_what_and_where(files, options, words, tmp_path):
    for name, content in files.items():
        write(tmp_path / name, content)
    if "path" in options:
        options = {**options, "path": tmp_path / options["path"]}
    with pytest.raises(DataError, match=words) as caught:
        load_task("text-classification", **options)
    assert caught.value.hint
    assert caught.value.exit_code == 3


def test_a_split_that_is_not_there_is_asked_for(tmp_path):
    task = load_task("sst2", path=sst2_folder(tmp_path))
    assert len(task.require("dev")) == 2
    del task.splits["dev"]
    with pytest.raises(DataError, match=r"no split 'dev', only train, test"):
        task.require("dev")


def test_dev_rows_do_not_hang_on_the_seed_of_the_run(tmp_path):
    path = _own_file(tmp_path, "a.csv")
    first, again = (load_task("text-classification", path=path).splits["dev"]["text"][:] for _ in range(2))
    assert first == again
    assert np.intersect1d(first, load_task("text-classification", path=path).splits["train"]["text"][:]).size == 0
