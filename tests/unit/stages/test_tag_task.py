"""Tagging as the stages see it: scores, baseline, files, saved predictions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from albert_cli.data.conll_files import read_conll
from albert_cli.data.tag_features import encode_tags
from albert_cli.errors import DataError, ModelError
from albert_cli.models.config import AlbertConfig
from albert_cli.recipe.load import load_recipe
from albert_cli.stages.tasks import tags
from albert_cli.stages.tasks.open import open_records
from albert_cli.stages.tasks.tags import TagAnswers, TagTask
from albert_cli.training.evaluation import Evaluation

TRAIN = "Paris\tB-LOC\nis\tO\n\nParis\tB-PER\nHilton\tI-PER\n\nParis\tB-LOC\n\n"
DEV = "Paris\tB-LOC\nis\tO\nnew\tO\n\nHilton\tB-PER\n\n"
SAID = ["B-LOC", "O", "B-LOC", "I-PER"]


class Letters:
    cls_token_id, sep_token_id, unk_token_id = 2, 3, 1

    def encode_batch(self, texts):
        return [[10 + ord(letter) % 50 for letter in text] for text in texts]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.conll").write_text(TRAIN)
    (tmp_path / "dev.conll").write_text(DEV)
    (tmp_path / "test.conll").write_text("Rome\nis\n")
    return tmp_path


def recipe(path: Path, *more: str):
    words = [f"data.path={path}", "model=tiny", "tokenizer=somewhere", *more]
    return load_recipe("ner", overrides=words, shortcuts={}, stage="finetune").recipe


@pytest.fixture
def task(folder) -> TagTask:
    return tags.read(recipe(folder), None)


def answered(task: TagTask, said=SAID) -> TagAnswers:
    numbers = np.array([task.table.numbers[tag] for tag in said])
    logits = np.eye(len(task.table.names), dtype=np.float32)[numbers] * 5
    rows = [logits[:3], logits[3:]]
    examples = encode_tags(task.splits["dev"], Letters(), max_length=32)
    return task.answers("dev", examples, Evaluation(0.5, {}, {}, {}, np.arange(2), {"logits": rows}))


def test_logits_of_windows_become_a_tag_for_each_word(task):
    said = answered(task)
    assert [task.table.names[tag] for tag in said.predictions] == SAID
    assert said.loss == 0.5
    same = np.zeros((2, 2, 5), np.float32)  # windows of as many words come as one array
    stacked = task.answers("dev", None, Evaluation(0.0, {}, {}, {}, np.arange(2), {"logits": same}))
    assert stacked.predictions.shape == (4,)


def test_scores_of_spans_and_of_each_type(task):
    said = answered(task)  # of three said spans two are right; both true ones are found
    values = task.scores("dev", said)
    assert values == {"f1": 0.8, "precision": pytest.approx(2 / 3), "recall": 1.0, "accuracy": 0.5}
    found = {one.name: one for one in task.scores_with_intervals("dev", said)}
    assert list(found)[:4] == ["f1", "precision", "recall", "accuracy"]
    assert found["f1_PER"].value == 1.0
    assert found["precision_LOC"].value == 0.5
    assert found["f1"].low <= 0.8 <= found["f1"].high
    assert (found["f1"].num_examples, found["accuracy"].num_examples) == (2, 4)


def test_the_baseline_knows_words_alone(task):
    """Paris is a place twice and a person once; Hilton is inside a name; new is unknown: B-LOC is most frequent."""
    trivial = task.baseline("dev")
    assert (trivial.metric, trivial.value) == ("f1", pytest.approx(0.8))
    assert "always B-LOC: " in trivial.name
    assert "[" in trivial.name  # its interval


def test_the_head_and_who_may_answer(task, folder):
    fields = task.head_fields()
    assert fields["num_labels"] == 5
    assert fields["id2label"][1] == "B-LOC"
    config = AlbertConfig.named("tiny", num_labels=3)
    with pytest.raises(ModelError, match="answers 3 tags, the data has 5"):
        task.check_head(config, folder)
    trained = AlbertConfig.named("tiny", **fields)
    again = tags.read(recipe(folder), trained)
    assert again.table.names == task.table.names
    other = AlbertConfig.named("tiny", id2label={0: "O", 1: "B-X", 2: "I-X"}, label2id={"O": 0, "B-X": 1, "I-X": 2})
    with pytest.raises(DataError, match=r"unknown tag 'B-LOC' .*train.conll:1"):
        tags.read(recipe(folder), other)


def test_files_of_predictions_are_what_conlleval_reads(task, tmp_path):
    said = answered(task)
    task.write(tmp_path / "predictions", "dev", said)
    text = (tmp_path / "predictions" / "dev.conll").read_text()
    assert text == "Paris B-LOC B-LOC\nis O O\nnew O B-LOC\n\nHilton B-PER I-PER\n\n"
    rows = [json.loads(line) for line in (tmp_path / "predictions" / "dev.jsonl").read_text().splitlines()]
    assert rows[0]["prediction"] == ["B-LOC", "O", "B-LOC"]
    assert rows[0]["entities"][1] == {"type": "LOC", "first": 2, "last": 2, "text": "new"}
    assert task.official(".jsonl") is None
    out = tmp_path / "out.conll"
    out.write_text("".join(task.official(".conll")(lambda: rows)))
    assert read_conll(out).tags == [["B-LOC", "O", "B-LOC"], ["I-PER"]]
    for path in (out, tmp_path / "predictions" / "dev.jsonl", tmp_path / "predictions" / "dev.conll"):
        assert task.saved_answers("dev", path).predictions.tolist() == said.predictions.tolist()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.conll", "Paris O\n", "predictions of 1 sentences for 2"),
        ("a.conll", "Paris O\n\nHilton O\n", r"1 tags for 3 words .*a.conll:1"),
        ("a.conll", "Paris O\nis O\nnew B-X\n\nHilton O\n", r"unknown tag 'B-X' .*a.conll:1"),
        ("a.jsonl", '{"index": 7, "prediction": []}\n', r"none of the split's.*a.jsonl:1"),
        ("a.jsonl", '{"index": 0, "prediction": "O O O"}\n', r"no list of tags .*a.jsonl:1"),
        ("a.jsonl", '{"other": 0}\n', "no columns index and prediction"),
    ],
)
def test_saved_predictions_of_other_rows_are_refused(task, tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        task.saved_answers("dev", path)


def test_mistakes_and_facts(task):
    said = answered(task)
    worst = task.worst("dev", said, 5)
    assert [one.row for one in worst] == [0, 1]
    assert worst[0].said == "Paris/B-LOC new/B-LOC"
    assert worst[0].truth == "Paris/B-LOC"
    facts = task.facts("dev", said)
    assert facts.lengths.tolist() == [3, 1]
    assert facts.values.tolist() == [pytest.approx(2 / 3), 0.0]
    assert facts.right.tolist() == [True, True, False, False]
    assert task.label_counts("dev", encode_tags(task.splits["dev"], Letters(), max_length=32))["O"] == 2


def test_scores_through_evaluate_are_the_same(task):
    from albert_cli.stages.official import through_evaluate

    said = answered(task)
    scores = task.scores_with_intervals("dev", said)
    assert through_evaluate(task, "dev", said, scores) == scores


def test_parts_of_speech_are_scored_by_accuracy(tmp_path):
    for name in ("train", "dev"):
        (tmp_path / f"{name}.txt").write_text("He PRON\nis VERB\n\nParis NOUN\n")
    task = tags.read(recipe(tmp_path), None)
    assert task.best_metric == "accuracy"
    said = TagAnswers(0.0, np.array([task.table.numbers[tag] for tag in ("PRON", "NOUN", "NOUN")]))
    values = task.scores("dev", said)
    assert values["accuracy"] == pytest.approx(2 / 3)
    assert values["macro_f1"] == pytest.approx((1.0 + 0.0 + 2 / 3) / 3)
    names = [one.name for one in task.scores_with_intervals("dev", said)]
    assert names[:2] == ["accuracy", "macro_f1"]
    assert "f1" not in names
    assert "entities" not in task.records("dev", said)[0]
    assert task.baseline("dev").metric == "accuracy"


def test_lines_of_stdin(task, folder):
    config = AlbertConfig.named("tiny", **task.head_fields())
    found = open_records(recipe(folder), [{"tokens": ["Rome", "is"]}], config=config)
    assert found.splits["test"][:]["tokens"] == [["Rome", "is"]]
    given = tags.read_input(recipe(folder), folder / "test.conll", config)
    assert given.splits["test"][:]["tags"] == [None]
