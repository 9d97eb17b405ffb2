"""Which answers say that a model no longer looks at its input."""

from __future__ import annotations

import math
from typing import Any

import pytest

from albert_cli.stages.collapse import sign_of_collapse

HALF = math.log(2)


def said(*predictions: Any) -> list[dict[str, Any]]:
    return [{"index": number, "prediction": prediction} for number, prediction in enumerate(predictions)]


def test_one_class_at_the_loss_of_a_guess_is_a_collapse() -> None:
    found = sign_of_collapse(said("1", "1", "1", "1"), {"0": 2, "1": 2}, 0.70)
    assert found == "every row is answered '1', and the loss 0.7 is that of a guess (0.6931)"


@pytest.mark.parametrize(
    ("records", "labels", "loss"),
    [
        (said("1", "1", "0", "1"), {"0": 2, "1": 2}, HALF),  # answers differ
        (said("1", "1", "1", "1"), {"0": 2, "1": 2}, 0.9 * HALF),  # the loss has begun to fall
        (said("1", "1", "1", "1"), {"0": 0, "1": 4}, 0.1),  # all labels are alike
        (said("1"), {"1": 1}, 0.7),
        (said(2.5, 1.0, 4.0), {"min": 0.0, "mean": 2.5, "max": 5.0, "std": 1.5}, 2.25),
        (said(["B", "O"], ["O"]), {"B": 1, "O": 9}, 0.7),
        (said("in 1999", "Paris"), {}, 5.0),
    ],
)
def test_a_model_that_is_alive_is_left_alone(
    records: list[dict[str, Any]], labels: dict[str, Any], loss: float
) -> None:
    assert sign_of_collapse(records, labels, loss) is None


@pytest.mark.parametrize(
    ("records", "labels", "loss", "words"),
    [
        (said(2.5, 2.501, 2.499), {"min": 0.0, "mean": 2.5, "max": 5.0, "std": 1.5}, 2.3, "answered 2.5"),
        (said(math.nan, math.nan), {"min": 0.0, "mean": 2.5, "max": 5.0, "std": 1.5}, 9.0, "answered nan"),
        (said(["O", "O"], ["O"], ["O", "O", "O"]), {"B": 1, "O": 9}, 0.7, "answered 'O'"),
        (said("", "", ""), {"answerable": 2, "unanswerable": 1}, 5.0, "answered ''"),
        (said([], [], []), {"a": 1, "b": 2}, 0.7, "answered []"),
    ],
)
def test_kinds_of_answers_that_are_all_one(
    records: list[dict[str, Any]], labels: dict[str, Any], loss: float, words: str
) -> None:
    found = sign_of_collapse(records, labels, loss)
    assert found is not None
    assert words in found
    assert ("guess" in found) == ("std" in labels)


def test_choices_that_all_score_alike_are_a_collapse_whichever_is_named() -> None:
    even, one = [0.251, 0.249, 0.25, 0.25], [0.3, 0.2, 0.25, 0.25]
    labels = {"A": 1, "B": 1, "C": 1, "D": 1}
    rows = [{"prediction": name, "choice": "x", "scores": even} for name in "ABDC"]
    found = sign_of_collapse(rows, labels, 1.386)
    assert found == "all choices of a question have the same score, and the loss 1.386 is that of a guess (1.386)"
    assert sign_of_collapse([*rows[:3], {**rows[3], "scores": one}], labels, 1.386) is None


def test_answers_without_known_labels_are_judged_by_themselves() -> None:
    assert sign_of_collapse(said("", "", ""), {}, 5.0) == "every row is answered ''"
