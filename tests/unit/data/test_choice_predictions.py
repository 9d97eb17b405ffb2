"""Answers written with their questions' identifiers, and read back in any order."""

from __future__ import annotations

import json

import numpy as np
import pytest

from albert_cli.data.choice_predictions import answer_lines, answer_rows, leaderboard_column, read_answers
from albert_cli.data.questions import Question, question_dataset
from albert_cli.errors import DataError

ROWS = question_dataset(
    [
        Question("c", "q", ("x", "y", "z"), 2, "a#0"),
        Question("c", "r", ("x", "y"), 0, "a#1"),
        Question("d", "s", ("v", "w"), 1, "b#0"),
    ]
)
SAID = np.array([2, 1, 0])
SCORES = [np.array([0.1, 0.2, 0.7]), np.array([0.25, 0.75]), np.array([0.5, 0.5])]


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_what_is_written():
    rows = answer_rows(ROWS, SAID, scores=SCORES, letters=True)
    assert rows[0] == {"index": 0, "id": "a#0", "prediction": "C", "choice": "z", "scores": [0.1, 0.2, 0.7]}
    assert answer_rows(ROWS, SAID, scores=None, letters=False)[1] == {
        "index": 1,
        "id": "a#1",
        "prediction": 1,
        "choice": "y",
    }
    assert "".join(answer_lines(lambda: rows)) == "index\tid\tprediction\n0\ta#0\tC\n1\ta#1\tB\n2\tb#0\tA\n"
    assert leaderboard_column(SAID) == "2\n1\n0\n"


@pytest.mark.parametrize("letters", [True, False])
def test_what_was_written_is_read_back_in_any_order(letters, tmp_path):
    rows = answer_rows(ROWS, SAID, scores=SCORES, letters=letters)
    said, scores = read_answers(written(tmp_path / "a.jsonl", reversed(rows)), ROWS)
    assert said.tolist() == SAID.tolist()
    assert [row.tolist() for row in scores] == [row.tolist() for row in SCORES]
    (tmp_path / "a.tsv").write_text("".join(answer_lines(lambda: rows)))
    assert read_answers(tmp_path / "a.tsv", ROWS)[0].tolist() == SAID.tolist()
    by_id = [{"id": row["id"], "prediction": row["choice"]} for row in rows]
    said, scores = read_answers(written(tmp_path / "b.jsonl", by_id), ROWS)
    assert said.tolist() == SAID.tolist()
    assert scores is None
    (tmp_path / "a.csv").write_text(leaderboard_column(SAID))
    assert read_answers(tmp_path / "a.csv", ROWS)[0].tolist() == SAID.tolist()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"index": 0, "prediction": 3}], r"2 of 3 questions have no prediction, such as '1'"),
        ([{"index": n, "prediction": 2} for n in range(3)], r"label '2' is none of the 2 choices .*a\.jsonl:2"),
        ([{"index": 0, "prediction": 0}] * 2, r"question '0' is answered twice .*a\.jsonl:2"),
        ([{"index": n, "prediction": 0} for n in range(4)], "4 predictions for 3 questions"),
        ([{"index": n, "prediction": None} for n in range(3)], r"no prediction .*a\.jsonl:1"),
        ([{"index": 0, "answer": 0}], "no columns index and prediction"),
    ],
)
def test_files_that_are_no_answers_to_these_questions(rows, message, tmp_path):
    with pytest.raises(DataError, match=message) as caught:
        read_answers(written(tmp_path / "a.jsonl", rows), ROWS)
    assert caught.value.hint


def test_columns_of_another_length_and_files_that_are_not_there(tmp_path):
    (tmp_path / "a.txt").write_text("1\n0\n")
    with pytest.raises(DataError, match="2 predictions for 3 questions"):
        read_answers(tmp_path / "a.txt", ROWS)
    with pytest.raises(DataError, match="no file"):
        read_answers(tmp_path / "b.txt", ROWS)
