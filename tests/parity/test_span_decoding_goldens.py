"""Do answers, scores and thresholds equal those of the original ``squad_utils.py`` on the same logits and windows?

Reference outputs: ``G_squad``. Its windows are taken as they are; whether ours are the same is asked elsewhere.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from albert_cli.data.span_decoding import RowAnswers, decode_beam, decode_plain
from albert_cli.metrics import squad

pytestmark = pytest.mark.shared


class GoldenWindows:
    """The original's features as windows."""

    def __init__(self, features: list[dict[str, Any]]) -> None:
        self.features = features
        self.window_questions = np.array([feature["example_index"] for feature in features])
        self.firsts = [feature["tokens"].index("[SEP]") + 1 for feature in features]

    def in_context(self, windows: Any, tokens: Any) -> Any:
        feature, first = self.features[int(windows)], self.firsts[int(windows)]
        return (tokens >= first) & (tokens - first < len(feature["tok_start_to_orig_index"]))

    def is_max_context(self, windows: Any, tokens: Any) -> Any:
        flags = self.features[int(windows)]["token_is_max_context"]
        return np.vectorize(lambda token: flags.get(str(token), False), otypes=[bool])(tokens)

    def character_spans(self, windows: Any, starts: Any, ends: Any) -> tuple[Any, Any]:
        feature, first = self.features[int(windows)], self.firsts[int(windows)]
        begin, end = (np.array(feature[f"tok_{name}_to_orig_index"], dtype=np.int64) for name in ("start", "end"))
        return begin[starts - first], end[ends - first] + 1


def questions(folder: Path, version: int) -> list[tuple[str, str, list[str]]]:
    """Id, text and right answers of each question."""
    data = json.loads((folder / f"dataset_v{version}.json").read_text())["data"]
    return [
        (question["id"], paragraph["context"], [answer["text"] for answer in question["answers"]])
        for article in data
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]


def limits(run: str) -> dict[str, int]:
    """``n_best_3_max_answer_30``."""
    words = run.split("_")
    return {"n_best": int(words[2]), "max_length": int(words[5])}


def assert_nbest(answers: list[RowAnswers], rows: list[Any], expected: dict[str, Any]) -> None:
    for (name, _, _), found in zip(rows, answers, strict=True):
        entries = expected[name]
        assert [entry.text for entry, _ in found.ranked()] == [entry["text"] for entry in entries], name
        for (entry, share), wanted in zip(found.ranked(), entries, strict=True):
            assert share == pytest.approx(wanted["probability"], rel=1e-6)
            assert entry.start_score == pytest.approx(wanted["start_log_prob"], rel=1e-6)
            assert entry.end_score == pytest.approx(wanted["end_log_prob"], rel=1e-6)


def test_v1_answers_and_scores(shared_dir: Path) -> None:
    folder = shared_dir / "goldens" / "G_squad"
    rows = questions(folder, 1)
    windows = GoldenWindows(json.loads((folder / "features_v1_eval.json").read_text())["features"])
    logits = np.load(folder / "raw_results_v1.npz")
    runs = json.loads((folder / "postprocessing_v1.json").read_text())["runs"]
    assert len(runs) >= 3
    for run, expected in runs.items():
        answers = decode_plain(
            windows,
            logits["start_log_prob"],
            logits["end_log_prob"],
            [text for _, text, _ in rows],
            **limits(run),
            may_be_unanswered=False,
        )
        assert_nbest(answers, rows, expected["nbest"])
        said = [answer.text(0.0) for answer in answers]
        assert dict(zip((name for name, _, _ in rows), said, strict=True)) == expected["predictions"]
        found = squad.scores_v1(squad.question_scores(said, [golds for _, _, golds in rows], version_2=False))
        assert {name: 100 * value for name, value in found.items()} == pytest.approx(expected["scores"])


def test_v2_answers_odds_and_threshold(shared_dir: Path) -> None:
    folder = shared_dir / "goldens" / "G_squad"
    rows = questions(folder, 2)
    names, golds = [name for name, _, _ in rows], [right for _, _, right in rows]
    windows = GoldenWindows(json.loads((folder / "features_v2_eval.json").read_text())["features"])
    logits = dict(np.load(folder / "raw_results_v2.npz"))
    runs = json.loads((folder / "postprocessing_v2.json").read_text())["runs"]
    assert len(runs) >= 2
    for run, expected in runs.items():
        answers = decode_beam(windows, logits, [text for _, text, _ in rows], **limits(run))
        odds = np.array([answer.odds for answer in answers])
        for threshold in (None, -0.5, 0.0, 1.0):
            wanted = expected[f"threshold_{threshold}"]
            if wanted["nbest"] is not None:
                assert_nbest(answers, rows, wanted["nbest"])
            said = [answer.best if threshold is None else answer.text(threshold) for answer in answers]
            assert dict(zip(names, said, strict=True)) == wanted["predictions"]
            assert dict(zip(names, odds.tolist(), strict=True)) == pytest.approx(wanted["null_odds"])
        raw = [answer.best for answer in answers]
        found = squad.question_scores(raw, golds, version_2=True)
        best = squad.best_scores(found, raw, odds)
        assert best["best_f1_thresh"] == pytest.approx(expected["evaluate_v2"]["null_score_diff_threshold"])
        # The original's second pass leaves out the question at the threshold itself and declines above 1.
        limit = best["best_f1_thresh"]
        second = ["" if odd >= limit else text for odd, text in zip(odds, raw, strict=True)]
        scores = squad.official_percent(
            [
                {"id": name, "prediction_text": text, "no_answer_probability": odd}
                for name, text, odd in zip(names, second, odds, strict=True)
            ],
            [{"id": name, "answers": {"text": right}} for name, _, right in rows],
            version_2=True,
        )
        assert dict(zip(names, second, strict=True)) == expected["evaluate_v2_predictions"]
        assert scores["exact"] == pytest.approx(expected["evaluate_v2"]["exact"])
        assert scores["f1"] == pytest.approx(expected["evaluate_v2"]["f1"])
        assert scores["total"] == expected["evaluate_v2"]["total"]
