"""Text tasks: what answers look like on disk, and which of them are mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset

from albert_cli.data.tasks.catalogue import find_task
from albert_cli.data.tasks.load import TaskData
from albert_cli.stages.tasks.texts import TextAnswers, TextTask, class_scores, decide, official_lines


def test_class_scores_are_probabilities() -> None:
    scores = class_scores(find_task("sst2"), np.array([[0.0, np.log(3.0)], [1000.0, -1000.0]], dtype=np.float32))
    assert scores is not None
    assert scores.tolist() == [[0.25, 0.75], [1.0, 0.0]]


def test_every_label_of_its_own_has_a_probability_of_its_own() -> None:
    scores = class_scores(find_task("multi-label"), np.array([[0.0, np.log(3.0), -np.log(3.0)]], dtype=np.float32))
    assert scores is not None
    assert scores.tolist() == [[0.5, 0.75, 0.25]]


def test_a_score_has_no_classes() -> None:
    assert class_scores(find_task("stsb"), np.zeros((2, 1), dtype=np.float32)) is None


def test_decisions() -> None:
    logits = np.array([[0.2, -0.1], [-1.0, 3.0]], dtype=np.float32)
    assert decide(find_task("sst2"), logits).tolist() == [0, 1]
    assert decide(find_task("multi-label"), logits).tolist() == [[1, 0], [0, 1]]
    assert decide(find_task("stsb"), logits[:, :1]).tolist() == [pytest.approx(0.2), -1.0]


def test_the_official_text_has_three_decimals_for_scores_and_names_for_classes() -> None:
    rows = [{"index": 0, "prediction": 2.34567}, {"index": 1, "prediction": -0.0004}]
    assert "".join(official_lines(lambda: rows)) == "index\tprediction\n0\t2.346\n1\t-0.000\n"
    one = [{"index": "7", "prediction": "entailment"}]
    assert "".join(official_lines(lambda: one)) == "index\tprediction\n7\tentailment\n"


def test_a_test_split_gets_the_leaderboards_file_and_a_dev_split_does_not(tmp_path: Path) -> None:
    spec = find_task("sst2")
    rows = Dataset.from_dict({"idx": [5, 3], "text": ["a", "b"]})
    task = TextTask(TaskData(spec, {"test": rows, "dev": rows}, ("0", "1")), max_length=8)
    logits = np.array([[0.0, 1.0], [1.0, 0.0]], dtype=np.float32)
    answers = TextAnswers(float("nan"), decide(spec, logits), logits)
    task.write(tmp_path, "dev", answers)
    assert [path.name for path in tmp_path.iterdir()] == ["dev.jsonl"]
    task.write(tmp_path, "test", answers)
    lines = [json.loads(line) for line in (tmp_path / "test.jsonl").read_text().splitlines()]
    assert [(line["index"], line["prediction"]) for line in lines] == [(5, "1"), (3, "0")]
    assert (tmp_path / "SST-2.tsv").read_text().splitlines()[0] == "index\tprediction"


def test_the_worst_mistakes_come_first_and_right_answers_do_not_come() -> None:
    spec = find_task("sst2")
    rows = Dataset.from_dict({"idx": [0, 1, 2], "text": ["good", "bad", "dull"], "label": [1, 0, 0]})
    task = TextTask(TaskData(spec, {"dev": rows}, ("0", "1")), max_length=8)
    logits = np.array([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0]], dtype=np.float32)
    found = task.worst("dev", TextAnswers(0.0, decide(spec, logits), logits), 10)
    assert [(one.row, one.said, one.truth, one.text) for one in found] == [(1, "1", "0", "bad"), (0, "0", "1", "good")]
    assert found[0].loss == pytest.approx(np.log1p(np.exp(3.0)), rel=1e-6)  # softmax cross-entropy by hand
    assert len(task.worst("dev", TextAnswers(0.0, decide(spec, logits), logits), 1)) == 1
