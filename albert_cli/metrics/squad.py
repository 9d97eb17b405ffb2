"""How good are answers that are pieces of a text, by the rules of SQuAD v1.1 and v2.0?

Both compare texts without case, ASCII punctuation, articles and extra spaces, and take the best of the right answers.
They differ where nothing is left to compare: v1.1 gives F1 0, v2.0 counts two empty texts as equal, for there an empty
answer means "the text does not say". Fractions run from 0 to 1; the published tables show percent.

Shapes: N questions.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from albert_cli.metrics.stats import Interval, bootstrap_interval

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class QuestionScores:
    """What each answer is worth.

    Attributes:
        exact: (N,) float64, 1 where the answer equals a right one.
        f1: (N,) float64, best overlap of words with a right one.
        has_answer: (N,) bool, whether the question has right answers.
    """

    exact: Floats
    f1: Floats
    has_answer: Booleans


@dataclass(frozen=True)
class BestThreshold:
    """What the best limit of "not answered" scores would give.

    Attributes:
        value: the score it would give, a fraction of 1.
        threshold: answer where the score of "not answered" is not above it.
    """

    value: float
    threshold: float


def normalise(text: str) -> str:
    """Lower case; without ASCII punctuation, the words a, an, the, and extra spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def exact_match(prediction: str, gold: str) -> bool:
    """Whether two texts are the same once normalised."""
    return normalise(prediction) == normalise(gold)


def word_f1(prediction: str, gold: str, *, version_2: bool) -> float:
    """Overlap of two bags of words.

    Args:
        prediction: answer given.
        gold: right answer.
        version_2: whether two empty texts are equal (v2.0), or have nothing in common (v1.1).
    """
    said, right = normalise(prediction).split(), normalise(gold).split()
    if version_2 and not (said and right):
        return float(said == right)
    common = sum((Counter(said) & Counter(right)).values())
    if common == 0:
        return 0.0
    # Written as the official scripts compute it, so that sums over a data set agree to the last digit.
    precision, recall = 1.0 * common / len(said), 1.0 * common / len(right)
    return (2 * precision * recall) / (precision + recall)


def question_scores(predictions: Sequence[str], golds: Sequence[Sequence[str]], *, version_2: bool) -> QuestionScores:
    """Score each answer against the best of its right ones.

    Args:
        predictions: N answers; in v2.0 an empty one means "not answered".
        golds: right answers of each question; in v2.0 none for a question that the text does not answer.
        version_2: whose rules.

    Raises:
        ValueError: numbers that differ, or (v1.1) a question without right answers.
    """
    if len(predictions) != len(golds):
        raise ValueError(f"{len(predictions)} predictions for {len(golds)} questions")
    exact, f1 = np.zeros(len(golds)), np.zeros(len(golds))
    for number, (said, texts) in enumerate(zip(predictions, golds, strict=True)):
        right = [text for text in texts if normalise(text)] or [""] if version_2 else list(texts)
        if not right:
            raise ValueError(f"question {number} has no right answer; the rules of v1.1 cannot score it")
        exact[number] = max(exact_match(said, text) for text in right)
        f1[number] = max(word_f1(said, text, version_2=version_2) for text in right)
    return QuestionScores(exact, f1, np.array([len(texts) > 0 for texts in golds], dtype=bool))


def best_threshold(scores: Floats, answered: Booleans, odds: Floats, has_answer: Booleans) -> BestThreshold:
    """Search the limit of "not answered" scores as the official v2.0 script does.

    Questions are answered one after another in the order of their scores. Of equal ones some may then be answered and
    others not, which no limit can do; `usable_threshold` never parts them.

    Args:
        scores: (N,) what the answer of each question is worth if it is given.
        answered: (N,) bool, whether there is an answer to give at all.
        odds: (N,) score of "not answered", larger means less answerable.
        has_answer: (N,) bool, whether the question has right answers.

    Returns:
        The best score, and the largest score of "not answered" among the answered; 0 where answering nothing is best.
    """
    order = np.argsort(odds, kind="stable")
    totals = _totals(scores, answered, has_answer, order)
    best = int(np.argmax(totals))  # the first of equals
    return BestThreshold(float(totals[best] / len(scores)), float(odds[order[best - 1]]) if best else 0.0)


def usable_threshold(scores: Floats, answered: Booleans, odds: Floats, has_answer: Booleans) -> BestThreshold:
    """Search the limit to use on other questions: its score is what it gives here, equal scores included.

    Arguments as `best_threshold`.

    Returns:
        The best score and its limit; a limit below every score where answering nothing is best.
    """
    order = np.argsort(odds, kind="stable")
    totals = _totals(scores, answered, has_answer, order)
    ordered = odds[order]
    ends_run = np.concatenate([[True], np.append(ordered[1:] != ordered[:-1], True)])  # may stop after so many
    best = int(np.argmax(np.where(ends_run, totals, -np.inf)))
    limit = ordered[best - 1] if best else np.nextafter(ordered[0], -np.inf)
    return BestThreshold(float(totals[best] / len(scores)), float(limit))


def _totals(scores: Floats, answered: Booleans, has_answer: Booleans, order: npt.NDArray[Any]) -> Floats:
    """(N + 1,) sum of all scores if the first 0, 1, ..., N questions of an order are answered, the others not."""
    gains = np.where(has_answer, scores, np.where(answered, -1.0, 0.0))[order]
    return np.asarray(np.cumsum(np.concatenate([[float(np.sum(~has_answer))], gains])))


def scores_v1(found: QuestionScores) -> dict[str, float]:
    """``exact_match`` and ``f1``."""
    return {"exact_match": _mean(found.exact), "f1": _mean(found.f1)}


def scores_v2(found: QuestionScores) -> dict[str, float]:
    """``exact``, ``f1``, and the same of the questions with (HasAns) and without (NoAns) right answers, if any."""
    scores = {"exact": _mean(found.exact), "f1": _mean(found.f1)}
    for name, chosen in (("HasAns", found.has_answer), ("NoAns", ~found.has_answer)):
        if chosen.any():
            scores[f"{name}_exact"] = _mean(found.exact[chosen])
            scores[f"{name}_f1"] = _mean(found.f1[chosen])
    return scores


def best_scores(found: QuestionScores, predictions: Sequence[str], odds: Floats) -> dict[str, float]:
    """``best_exact``, ``best_f1`` and their ``_thresh``, as the official v2.0 script gives them.

    Args:
        found: scores of ``predictions``.
        predictions: N answers, given whether or not the question is held to be answerable.
        odds: (N,) score of "not answered".
    """
    answered = np.array([bool(text) for text in predictions], dtype=bool)
    scores: dict[str, float] = {}
    for name, values in (("exact", found.exact), ("f1", found.f1)):
        best = best_threshold(values, answered, odds, found.has_answer)
        scores |= {f"best_{name}": best.value, f"best_{name}_thresh": best.threshold}
    return scores


def mean_interval(values: Floats, *, resamples: int = 1000, seed: int = 0) -> Interval:
    """95 % bootstrap interval of a mean over questions; (N,) float64, at least one."""
    return bootstrap_interval(lambda drawn, _: drawn.mean(axis=-1), values, values, resamples=resamples, seed=seed)


def _mean(values: Floats) -> float:
    # Python's sum and one division, as the official scripts: the order of the additions is theirs.
    total: float = sum(values.tolist())
    return total / len(values)


def official_percent(
    predictions: Sequence[Mapping[str, Any]],
    references: Sequence[Mapping[str, Any]],
    *,
    version_2: bool,
    limit: float = 1.0,
) -> dict[str, float]:
    """The official scripts in one call: scores in percent, for v2.0 also totals and the search of thresholds.

    Args:
        predictions: objects with ``id``, ``prediction_text`` and, for v2.0, ``no_answer_probability``.
        references: objects with ``id`` and ``answers``, which holds the list ``text``.
        version_2: whose rules.
        limit: v2.0 takes a question as not answered where ``no_answer_probability`` is above it.

    Raises:
        ValueError: a question without a prediction.
    """
    said = {one["id"]: one for one in predictions}
    lacking = [one["id"] for one in references if one["id"] not in said]
    if lacking:
        raise ValueError(f"no prediction for {len(lacking)} questions, the first is {lacking[0]!r}")
    golds = [list(one["answers"]["text"]) for one in references]
    texts = [said[one["id"]]["prediction_text"] for one in references]
    found = question_scores(texts, golds, version_2=version_2)
    if not version_2:
        return {name: 100.0 * value for name, value in scores_v1(found).items()}
    odds = np.array([said[one["id"]]["no_answer_probability"] for one in references], dtype=np.float64)
    declined = np.where(found.has_answer, 0.0, 1.0)  # what "not answered" is worth
    exact, f1 = (np.where(odds <= limit, values, declined) for values in (found.exact, found.f1))
    percent = {name: 100.0 * value for name, value in scores_v2(QuestionScores(exact, f1, found.has_answer)).items()}
    best = best_scores(found, texts, odds)
    percent |= {name: value if name.endswith("_thresh") else 100.0 * value for name, value in best.items()}
    with_answers = int(found.has_answer.sum())
    totals = {"total": len(golds), "HasAns_total": with_answers, "NoAns_total": len(golds) - with_answers}
    return {**percent, **{name: float(value) for name, value in totals.items() if value}}
