"""Files of predictions: official and own, written and read back."""

from __future__ import annotations

import json

import datasets
import numpy as np
import pytest
from task_files import sst2_folder, write

from albert_cli.data.tasks.catalogue import TASKS
from albert_cli.data.tasks.glue import write_submission
from albert_cli.data.tasks.load import load_task
from albert_cli.data.tasks.predictions import prediction_rows, read_predictions, references, write_predictions
from albert_cli.data.tasks.spec import metric_suffix
from albert_cli.errors import DataError
from albert_cli.metrics.glue import compute_metrics


@pytest.mark.parametrize(
    ("task", "split", "predictions", "name", "lines"),
    [
        ("cola", "test", [1, 0], "CoLA.tsv", ["4\t1", "9\t0"]),
        ("sst2", "test", [1, 0], "SST-2.tsv", ["4\t1", "9\t0"]),
        ("mrpc", "test", [1, 0], "MRPC.tsv", ["4\t1", "9\t0"]),
        ("qqp", "test", [1, 0], "QQP.tsv", ["4\t1", "9\t0"]),
        ("wnli", "test", [1, 0], "WNLI.tsv", ["4\t1", "9\t0"]),
        ("stsb", "test", [2.50049, 5.1], "STS-B.tsv", ["4\t2.500", "9\t5.100"]),
        ("mnli", "test_matched", [0, 1], "MNLI-m.tsv", ["4\tcontradiction", "9\tentailment"]),
        ("mnli", "test_mismatched", [2, 1], "MNLI-mm.tsv", ["4\tneutral", "9\tentailment"]),
        ("ax", "test", [2, 1], "AX.tsv", ["4\tneutral", "9\tentailment"]),
        ("qnli", "test", [0, 1], "QNLI.tsv", ["4\tentailment", "9\tnot_entailment"]),
        ("rte", "test", [0, 1], "RTE.tsv", ["4\tentailment", "9\tnot_entailment"]),
    ],
)
def test_official_files(task, split, predictions, name, lines, tmp_path):
    path = write_submission(TASKS[task], [4, 9], np.array(predictions), tmp_path / "new", split=split)
    assert path == tmp_path / "new" / name
    assert path.read_text() == "\n".join(["index\tprediction", *lines]) + "\n"


def test_no_official_file_for_other_splits_and_tasks(tmp_path):
    for task, split in [("mnli", "dev_matched"), ("text-classification", "test")]:
        with pytest.raises(DataError, match="no official file"):
            write_submission(TASKS[task], [0], [0], tmp_path, split=split)
    with pytest.raises(ValueError, match="1 predictions for 2 rows"):
        write_submission(TASKS["sst2"], [0, 1], [0], tmp_path, split="test")


def _own(tmp_path, task, content):
    path = write(tmp_path / "dev.jsonl", "\n".join(json.dumps(row) for row in content))
    return load_task(task, path=path)


CASES = {
    "text-classification": (
        [{"id": "r1", "text": "a", "label": "yes"}, {"id": "r2", "text": "b", "label": "no"}],
        [1, 1],
    ),
    "text-regression": (
        [{"id": "r1", "text": "a", "label": 1}, {"id": "r2", "text": "b", "label": 2.5}],
        [0.125, -3.5],
    ),
    "multi-label": (
        [{"id": "r1", "text": "a", "labels": ["x", "y"]}, {"id": "r2", "text": "b", "labels": []}],
        [[0, 0], [1, 1]],
    ),
}


@pytest.mark.parametrize("task", list(CASES))
@pytest.mark.parametrize("name", ["p.jsonl", "p.tsv"])
def test_written_predictions_are_read_back_and_scored(task, name, tmp_path):
    rows, predictions = CASES[task]
    data = _own(tmp_path, task, rows)
    dev = data.require("dev")
    written = prediction_rows(dev, np.array(predictions), spec=data.spec, label_names=data.label_names)
    assert [(row["index"], row["id"]) for row in written] == [(0, "r1"), (1, "r2")]
    path = write_predictions(written, tmp_path / "out" / name)
    read = read_predictions(path, dev, spec=data.spec, label_names=data.label_names)
    assert read.tolist() == predictions
    scores = compute_metrics(task, read, references(dev, spec=data.spec))
    assert set(scores) == set(data.spec.metrics)


def test_scores_by_class_name(tmp_path):
    data = _own(tmp_path, "text-classification", CASES["text-classification"][0])
    dev, options = data.require("dev"), {"spec": data.spec, "label_names": data.label_names}
    rows = prediction_rows(dev, np.array([0, 1]), scores=np.array([[0.75, 0.25], [0.5, 0.5]]), **options)
    assert rows[0] == {"index": 0, "id": "r1", "prediction": "no", "scores": {"no": 0.75, "yes": 0.25}}
    assert json.loads(write_predictions(rows, tmp_path / "p.jsonl").read_text().splitlines()[1])["prediction"] == "yes"


def test_official_file_is_read_back(tmp_path):
    data = load_task("sst2", path=sst2_folder(tmp_path / "d"))
    path = write_submission(data.spec, data.splits["test"]["idx"], [0, 1], tmp_path, split="test")
    read = read_predictions(path, data.splits["test"], spec=data.spec, label_names=data.label_names)
    assert read.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("index\tprediction\n0\t1\n", r"1 of 2 rows have no prediction, such as '1'"),
        ("index\tprediction\n0\t1\n0\t1\n", r"row '0' is predicted twice \(.*:3\)"),
        ("index\tprediction\n0\tgood\n1\t1\n", r"unknown label 'good' \(.*:2\)"),
        ("row\tprediction\n0\t1\n", "no columns index and prediction .* has: row, prediction"),
    ],
)
def test_files_that_do_not_fit_are_refused(content, words, tmp_path):
    data = load_task("sst2", path=sst2_folder(tmp_path / "d"))
    path = write(tmp_path / "p.tsv", content)
    with pytest.raises(DataError, match=words):
        read_predictions(path, data.splits["dev"], spec=data.spec, label_names=data.label_names)


def test_rows_may_stand_in_any_order(tmp_path):
    data = load_task("sst2", path=sst2_folder(tmp_path / "d"))
    path = write(tmp_path / "p.tsv", "index\tprediction\n1\t1\n0\t0\n")
    read = read_predictions(path, data.splits["dev"], spec=data.spec, label_names=data.label_names)
    assert read.tolist() == [0, 1]


def test_names_of_scores_by_split():
    spec = TASKS["mnli"]
    assert [metric_suffix(spec, split) for split in spec.dev_splits] == ["", "_mm"]
    assert spec.test_splits == ("test_matched", "test_mismatched", "test_ax")
    assert (spec.best_metric, spec.problem_type) == ("accuracy", "single_label_classification")


def test_classes_of_tables_are_lists_in_json_or_names_with_commas(tmp_path):
    rows = datasets.Dataset.from_dict({"idx": [0, 1, 2, 3]})
    file = tmp_path / "said.csv"
    file.write_text('index,prediction\n0,"[""film"", ""praise""]"\n1,[]\n2,"praise,film"\n3,\n')
    said = read_predictions(file, rows, spec=TASKS["multi-label"], label_names=("film", "praise"))
    assert said.tolist() == [[1, 1], [0, 0], [1, 1], [0, 0]]
