"""Multiple choice as the stages see it: scores of parts, files, settings that travel with the model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from albert_cli.data.choice_features import encode_choices
from albert_cli.data.questions import Question, question_dataset
from albert_cli.data.tasks.race import ChoiceData
from albert_cli.errors import ModelError
from albert_cli.models.config import AlbertConfig
from albert_cli.recipe.load import load_recipe
from albert_cli.stages.tasks import choices
from albert_cli.stages.tasks.choices import ChoiceAnswers, ChoiceSettings, ChoiceTask
from albert_cli.training.evaluation import Evaluation

ROWS = [
    Question("c", "q", ("w", "x", "y", "z"), 3, "high1.txt#0", "high"),
    Question("c", "r", ("w", "x", "y", "z"), 1, "high1.txt#1", "high"),
    Question("d", "s", ("u", "v"), 0, "middle1.txt#0", "middle"),
]


class Letters:
    cls_token_id, sep_token_id = 2, 3

    def encode_batch(self, texts):
        return [[10 + ord(letter) % 50 for letter in text] for text in texts]


def task(name="race", **splits):
    found = {split: question_dataset(rows) for split, rows in (splits or {"dev": ROWS}).items()}
    return ChoiceTask(name, ChoiceData(found), ChoiceSettings(32, 16, True))


def answered(of=None):
    of = of or task()
    examples = encode_choices(of.splits["dev"], Letters(), max_length=32)
    logits = np.array([[0.0, 1, 2, 5], [2.0, 1, 0, 0], [3.0, 1, -np.inf, -np.inf]], dtype=np.float32)
    return of.answers("dev", examples, Evaluation(0.5, {}, {}, {}, np.arange(3), {"logits": logits}))


def test_choices_beyond_those_of_a_question_are_never_answers():
    said = answered()
    assert said.predictions.tolist() == [3, 0, 0]
    assert [len(row) for row in said.logits] == [4, 4, 2]


def test_scores_of_all_and_of_each_part_with_their_numbers():
    of, said = task(), answered()
    assert of.scores("dev", said) == {"accuracy": pytest.approx(2 / 3), "accuracy_high": 0.5, "accuracy_middle": 1.0}
    found = {one.name: one for one in of.scores_with_intervals("dev", said)}
    assert {name: one.num_examples for name, one in found.items()} == {
        "accuracy": 3,
        "accuracy_high": 2,
        "accuracy_middle": 1,
    }
    assert found["accuracy_high"].low <= 0.5 <= found["accuracy_high"].high
    assert of.best_metric == "accuracy"
    assert of.baseline("dev").value == pytest.approx(1 / 3)
    assert "dev: 2 high, 1 middle" in of.notes


def test_a_test_split_with_answers_stands_for_dev_only_where_there_is_none():
    assert task(dev=ROWS, test=ROWS).dev_splits == ("dev",)
    assert task(dev=ROWS, test=ROWS).test_splits == ("test",)
    assert task(test=ROWS).dev_splits == ("test",)
    assert task(test=[Question("c", "q", ("a", "b"))]).dev_splits == ()
    assert task(test=[Question("c", "q", ("a", "b"))]).test_splits == ("test",)


def test_files(tmp_path: Path):
    of, said = task(), answered()
    of.write(tmp_path, "dev", said)
    lines = [json.loads(line) for line in (tmp_path / "dev.jsonl").read_text().splitlines()]
    assert [line["prediction"] for line in lines] == ["D", "A", "A"]
    assert [line["choice"] for line in lines] == ["z", "w", "u"]
    assert all(sum(line["scores"]) == pytest.approx(1, abs=1e-5) for line in lines)
    assert of.official(".jsonl") is of.official("") is None
    assert "".join(of.official(".tsv")(lambda: lines)).startswith("index\tid\tprediction\n0\thigh1.txt#0\tD\n")
    again = of.saved_answers("dev", tmp_path / "dev.jsonl")
    assert of.scores("dev", again) == of.scores("dev", said)
    assert [one.row for one in of.worst("dev", again, 5)] == [one.row for one in of.worst("dev", said, 5)] == [1]
    swag = task("swag", dev=ROWS, test=ROWS)
    swag.write(tmp_path, "test", said)
    column = "".join(swag.official(".csv")(lambda: swag.records("test", said)))
    assert (tmp_path / "test.csv").read_text() == column == "3\n0\n0\n"


def test_a_mistake_is_told_with_both_answers():
    (mistake,) = task().worst("dev", answered(), 5)
    assert (mistake.row, mistake.said, mistake.truth) == (1, "A: w", "B: x")
    assert mistake.loss == pytest.approx(float(np.log(np.exp([2, 1, 0, 0]).sum()) - 1))
    assert mistake.text == "r || c"
    facts = task().facts("dev", answered())
    assert facts.right.tolist() == [True, False, True]
    assert facts.confidence[2] == pytest.approx(1 / (1 + np.exp(-2)))
    bare = ChoiceAnswers(float("nan"), np.array([3, 0, 0]))
    assert task().facts("dev", bare).confidence is None
    assert [one.loss for one in task().worst("dev", bare, 5)] == [1.0]


def test_only_a_model_that_chooses_is_taken(tmp_path: Path):
    task().check_head(AlbertConfig.named("tiny"), tmp_path)
    task().check_head(AlbertConfig.named("tiny", architectures=["AlbertForMultipleChoice"]), tmp_path)
    with pytest.raises(ModelError, match="does not choose among answers"):
        task().check_head(AlbertConfig.named("tiny", architectures=["AlbertForSequenceClassification"]), tmp_path)


@pytest.mark.parametrize(
    ("changes", "fills"),
    [
        ([], True),
        (["task=swag"], False),
        (["task=hellaswag"], False),
        (["task=multiple-choice"], True),
        (["multiple_choice.blanks=keep"], False),
        (["task=swag", "multiple_choice.blanks=fill"], True),
    ],
)
def test_how_blanks_are_read_follows_the_task_and_travels_with_the_model(changes, fills, tmp_path: Path):
    (tmp_path / "dev.jsonl").write_text('{"context": "c", "question": "q", "choices": ["a", "b"], "label": 1}\n')
    recipe = load_recipe("race", overrides=[f"data.path={tmp_path}", *changes]).recipe
    of = choices.read(recipe, None)
    assert of.settings == ChoiceSettings(512, 128, fills)
    assert of.settle("dev", answered()) == {"multiple_choice": {"max_qa_length": 128, "fills_blanks": fills}}
    short = AlbertConfig.named("tiny", max_position_embeddings=64)
    assert choices.read(recipe, short).settings.max_length == 64


def test_recipes_ship_with_the_numbers_of_their_sources():
    race = load_recipe("race").recipe
    train = race.train
    assert (train.batch_size, train.max_steps, train.warmup_steps, race.data.max_length) == (32, 12000, 1000, 512)
    assert (train.learning_rate, train.dropout, train.classifier_dropout) == (1e-5, 0.0, 0.1)
    assert race.multiple_choice.max_qa_length == 128
    assert (race.data.dataset, race.data.config) == ("ehovy/race", "all")
    assert load_recipe("swag").recipe.task == "swag"
