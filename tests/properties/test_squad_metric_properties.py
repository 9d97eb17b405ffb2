"""Metrics of SQuAD against a second writing of the published rules, on drawn texts."""

from __future__ import annotations

import re
import string
from typing import Any

import evaluate
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from albert_cli.metrics import squad
from albert_cli.metrics.adapters import evaluate_metric

words = st.sampled_from(
    ["The", "a", "an", "cat", "Cat's", "1,000", "men", "é", "the-cat", "", "  ", "...", "(a)", "\t"]
)
texts = st.lists(words, max_size=5).map(" ".join) | st.text(alphabet="aAn the.,-é\u00a0", max_size=8)
odds = st.floats(-3, 3) | st.sampled_from([-1.0, 0.0, 1.0])  # with ties
questions = st.lists(st.tuples(texts, st.lists(texts, max_size=3), odds), min_size=1, max_size=12)


def clean(text: str) -> str:
    """Lower case, punctuation out, articles to spaces, spaces joined: one rule after another, as published."""
    lowered = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", lowered).split())


def overlap(said: str, right: str, *, version_2: bool) -> float:
    mine, theirs = clean(said).split(), clean(right).split()
    if version_2 and (len(mine) == 0 or len(theirs) == 0):
        return 1.0 if mine == theirs else 0.0
    left, common = list(theirs), 0
    for word in mine:
        if word in left:
            left.remove(word)
            common += 1
    if common == 0:
        return 0.0
    return 2 * (common / len(mine)) * (common / len(theirs)) / (common / len(mine) + common / len(theirs))


def second_v2(rows: list[tuple[str, list[str], float]], limit: float) -> dict[str, float]:
    """The v2.0 script: raw scores, the limit applied, means, and the walk over all limits."""
    raw: dict[str, dict[int, float]] = {"exact": {}, "f1": {}}
    for number, (said, golds, _) in enumerate(rows):
        right = [gold for gold in golds if clean(gold)] or [""]
        raw["exact"][number] = max(float(clean(said) == clean(gold)) for gold in right)
        raw["f1"][number] = max(overlap(said, gold, version_2=True) for gold in right)
    found: dict[str, float] = {}
    groups = {
        "": list(range(len(rows))),
        "HasAns_": [number for number, row in enumerate(rows) if row[1]],
        "NoAns_": [number for number, row in enumerate(rows) if not row[1]],
    }
    for name, scores in raw.items():
        kept = {n: float(not rows[n][1]) if rows[n][2] > limit else score for n, score in scores.items()}
        for prefix, members in groups.items():
            if members:
                found[f"{prefix}{name}"] = 100 * sum(kept[n] for n in members) / len(members)
                found[f"{prefix}total"] = len(members)
        current = best = float(len(groups["NoAns_"]))
        threshold = 0.0
        for number in sorted(range(len(rows)), key=lambda n: rows[n][2]):
            if rows[number][1]:
                current += scores[number]
            elif rows[number][0]:
                current -= 1
            if current > best:
                best, threshold = current, rows[number][2]
        found |= {f"best_{name}": 100 * best / len(rows), f"best_{name}_thresh": threshold}
    return found


@settings(max_examples=400, deadline=None)
@given(rows=questions)
def test_v1_scores_are_those_of_the_rules(rows: list[tuple[str, list[str], float]]) -> None:
    scored = [(said, golds or ["one"]) for said, golds, _ in rows]
    found = squad.question_scores([said for said, _ in scored], [golds for _, golds in scored], version_2=False)
    for number, (said, golds) in enumerate(scored):
        assert found.exact[number] == max(clean(said) == clean(gold) for gold in golds)
        assert found.f1[number] == pytest.approx(max(overlap(said, gold, version_2=False) for gold in golds))
    assert squad.scores_v1(found)["f1"] == pytest.approx(found.f1.mean())


@settings(max_examples=150, deadline=None)
@given(rows=questions, limit=st.sampled_from([1.0, 0.0, -1.0]))
def test_v2_scores_and_thresholds_are_those_of_the_rules(
    rows: list[tuple[str, list[str], float]], limit: float
) -> None:
    metric = evaluate_metric("squad_v2")
    assert isinstance(metric, evaluate.Metric)
    predictions = [
        {"id": str(number), "prediction_text": said, "no_answer_probability": score}
        for number, (said, _, score) in enumerate(rows)
    ]
    references: list[dict[str, Any]] = [
        {"id": str(number), "answers": {"text": golds, "answer_start": [0] * len(golds)}}
        for number, (_, golds, _) in enumerate(rows)
    ]
    found = metric.compute(predictions=predictions, references=references, no_answer_threshold=limit)
    assert found == pytest.approx(second_v2(rows, limit), abs=1e-9)


@settings(max_examples=300, deadline=None)
@given(rows=questions)
def test_the_usable_threshold_gives_the_score_that_it_promises(rows: list[tuple[str, list[str], float]]) -> None:
    said, golds = [row[0] for row in rows], [row[1] for row in rows]
    odds_ = np.array([row[2] for row in rows])
    raw = squad.question_scores(said, golds, version_2=True)
    answered = np.array([bool(text) for text in said])
    best = squad.usable_threshold(raw.f1, answered, odds_, raw.has_answer)

    def applied(limit: float) -> float:
        """Score if every question is answered whose odds are not above the limit, as the official walk counts it."""
        given = odds_ <= limit
        declined = np.where(raw.has_answer, 0.0, 1.0)
        answered_worth = np.where(raw.has_answer, raw.f1, np.where(answered, 0.0, 1.0))
        return float(np.where(given, answered_worth, declined).mean())

    assert applied(best.threshold) == pytest.approx(best.value)
    assert best.value >= max(applied(limit) for limit in [*odds_, -10.0]) - 1e-9
    official = squad.best_threshold(raw.f1, answered, odds_, raw.has_answer)
    assert official.value >= best.value - 1e-9
    if len(set(odds_)) == len(odds_):
        assert official.value == pytest.approx(best.value)


def test_a_second_prediction_file_must_hold_every_question() -> None:
    metric = evaluate_metric("squad")
    with pytest.raises(ValueError, match="no prediction for 1 questions"):
        metric.compute(
            predictions=[{"id": "x", "prediction_text": "a"}],
            references=[{"id": "y", "answers": {"text": ["a"], "answer_start": [0]}}],
        )
