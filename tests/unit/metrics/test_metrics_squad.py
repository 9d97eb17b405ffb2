"""Metrics of SQuAD: the published rules, case by case, and the reference outputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from albert_cli.metrics import squad
from albert_cli.metrics.adapters import evaluate_metric


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Cat!", "cat"),
        ("an  apple a day", "apple day"),
        ("1,000 men", "1000 men"),
        ("Theatre", "theatre"),  # no article within a word
        ("the-end", "theend"),  # punctuation goes first
        ("“the best”", "“ best”"),  # typographic quotes are no ASCII punctuation
        ("a", ""),
        ("CAFÉ", "café"),
    ],
)
def test_texts_are_compared_without_what_does_not_count(text: str, expected: str) -> None:
    assert squad.normalise(text) == expected


def test_two_texts_without_words_differ_in_v1_and_agree_in_v2() -> None:
    assert squad.word_f1("the", "", version_2=False) == 0.0
    assert squad.word_f1("the", "", version_2=True) == 1.0
    assert squad.word_f1("the cat", "", version_2=True) == 0.0


def test_words_count_as_often_as_they_occur() -> None:
    # 2 of 3 words right, 2 of 2 found
    assert squad.word_f1("x x y", "x x", version_2=False) == pytest.approx(2 * (2 / 3) * 1 / (2 / 3 + 1))


def test_the_best_right_answer_counts() -> None:
    found = squad.question_scores(["in May 1990"], [["1990", "May 1990", "in 1990"]], version_2=False)
    assert squad.scores_v1(found) == {"exact_match": 0.0, "f1": pytest.approx(0.8)}


def test_v2_scores_split_by_answerability() -> None:
    golds = [["x"], [], [], ["y"]]
    found = squad.question_scores(["x", "", "z", ""], golds, version_2=True)
    assert squad.scores_v2(found) == {
        "exact": 0.5,
        "f1": 0.5,
        "HasAns_exact": 0.5,
        "HasAns_f1": 0.5,
        "NoAns_exact": 0.5,
        "NoAns_f1": 0.5,
    }
    assert "NoAns_exact" not in squad.scores_v2(squad.question_scores(["x"], [["x"]], version_2=True))


def test_a_question_with_right_answers_of_no_words_counts_as_answerable() -> None:
    found = squad.question_scores([""], [["the"]], version_2=True)
    assert found.has_answer.tolist() == [True]
    assert found.exact.tolist() == [1.0]


def test_v1_refuses_a_question_without_answers() -> None:
    with pytest.raises(ValueError, match="question 1 has no right answer"):
        squad.question_scores(["x", "y"], [["x"], []], version_2=False)
    with pytest.raises(ValueError, match="1 predictions for 2 questions"):
        squad.question_scores(["x"], [["x"], ["y"]], version_2=False)


def test_the_threshold_where_answering_nothing_is_best_declines_everything() -> None:
    scores, odds = np.array([0.0, 0.0]), np.array([0.5, 0.7])
    answered, has_answer = np.array([True, True]), np.array([False, False])
    assert squad.best_threshold(scores, answered, odds, has_answer) == squad.BestThreshold(1.0, 0.0)  # the official 0
    usable = squad.usable_threshold(scores, answered, odds, has_answer)
    assert usable.value == 1.0
    assert usable.threshold < 0.5


def test_intervals_hold_the_mean_and_shrink_with_the_questions() -> None:
    draw = np.random.default_rng(0)
    few, many = draw.random(30), draw.random(3000)
    wide, narrow = squad.mean_interval(few), squad.mean_interval(many)
    assert wide.low < few.mean() < wide.high
    assert narrow.high - narrow.low < (wide.high - wide.low) / 5
    assert squad.mean_interval(few) == wide


def test_percent_through_evaluate() -> None:
    metric = evaluate_metric("squad")
    found = metric.compute(
        predictions=[{"id": "1", "prediction_text": "the cat"}, {"id": "2", "prediction_text": "x y"}],
        references=[
            {"id": "2", "answers": {"text": ["y"], "answer_start": [2]}},
            {"id": "1", "answers": {"text": ["cat", "dog"], "answer_start": [0, 4]}},
        ],
    )
    assert found == pytest.approx({"exact_match": 50.0, "f1": 100 * (1 + 2 / 3) / 2})


@pytest.mark.shared
def test_the_units_of_the_original_scripts(shared_dir: Path) -> None:
    cases = json.loads((shared_dir / "goldens" / "G_squad" / "metric_units.json").read_text())
    assert len(cases) >= 12
    for case in cases:
        gold, said = case["gold"], case["pred"]
        assert squad.normalise(gold) == case["normalized_gold"]
        assert squad.normalise(said) == case["normalized_pred"]
        assert squad.exact_match(said, gold) == bool(case["v1_exact"]) == bool(case["v2_exact"])
        assert squad.word_f1(said, gold, version_2=False) == case["v1_f1"]
        assert squad.word_f1(said, gold, version_2=True) == case["v2_f1"]
