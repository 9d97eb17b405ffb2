"""From scores of tokens to answers: against a search through all pairs, and the files that are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from albert_cli.data.span_decoding import Candidate, RowAnswers, decode_beam, decode_plain, trimmed
from albert_cli.data.span_predictions import answer_record, nbest, official_files, read_saved
from albert_cli.errors import DataError

FIRST = 2  # tokens before the text, [CLS] and one of the question; behind it one [SEP]


class Letters:
    """Texts whose tokens are their letters, in windows of ``size`` that begin every ``step``.

    A letter has its maximal context in the last window that holds it.
    """

    def __init__(self, texts: list[str], *, size: int, step: int) -> None:
        self.parts = [
            (row, first, min(size, len(text) - first))
            for row, text in enumerate(texts)
            for first in range(0, max(1, len(text) - size + step), step)
        ]
        self.window_questions = np.array([row for row, _, _ in self.parts])

    def in_context(self, windows: Any, tokens: Any) -> Any:
        return (tokens >= FIRST) & (tokens < FIRST + self.parts[int(windows)][2])

    def is_max_context(self, windows: Any, tokens: Any) -> Any:
        number = int(windows)
        row, first, _ = self.parts[number]
        later = [other for other in self.parts[number + 1 :] if other[0] == row]
        end = later[0][1] if later else 10**6
        return self.in_context(windows, tokens) & (tokens - FIRST + first < end)

    def character_spans(self, windows: Any, starts: Any, ends: Any) -> tuple[Any, Any]:
        first = self.parts[int(windows)][1]
        return starts - FIRST + first, ends - FIRST + first + 1

    def lengths(self) -> list[int]:
        return [FIRST + size + 1 for _, _, size in self.parts]


texts = st.lists(st.text("ab c", min_size=1, max_size=12), min_size=1, max_size=3)


@settings(max_examples=150, deadline=None)
@given(texts=texts, seed=st.integers(0, 999), max_length=st.integers(1, 5), unanswered=st.booleans())
def test_answers_are_the_best_of_all_pairs(texts: list[str], seed: int, max_length: int, unanswered: bool) -> None:
    windows = Letters(texts, size=6, step=3)
    draw = np.random.default_rng(seed)
    logits = [[draw.normal(size=length) for length in windows.lengths()] for _ in range(2)]
    found = decode_plain(windows, *logits, texts, n_best=99, max_length=max_length, may_be_unanswered=unanswered)
    for row, text in enumerate(texts):
        scores: dict[str, float] = {}
        nulls = []
        for number, (owner, first, size) in enumerate(windows.parts):
            if owner != row:
                continue
            starts, ends = logits[0][number], logits[1][number]
            nulls.append(starts[0] + ends[0])
            for i in range(size):
                for j in range(i, min(size, i + max_length)):
                    if windows.is_max_context(number, np.array(FIRST + i)):
                        piece = text[first + i : first + j + 1].strip()
                        score = starts[FIRST + i] + ends[FIRST + j]
                        scores[piece] = max(scores.get(piece, -np.inf), score)
        if unanswered:
            scores.pop("", None)
            real = max(scores.values(), default=None)
            assert found[row].odds == pytest.approx(min(nulls) - (-2e6 if real is None else real))
        wanted = sorted(scores, key=lambda piece: -scores[piece])
        assert [one.text for one in found[row].candidates] == (wanted or ([] if unanswered else ["empty"]))
        for one in found[row].candidates:
            assert text[one.start : one.end] == one.text or one.text == "empty"
            assert one.score == pytest.approx(scores.get(one.text, 0.0))


def test_only_the_likeliest_ends_meet() -> None:
    windows = Letters(["abcd"], size=9, step=9)
    starts, ends = np.array([0, 0, 3.0, 2.0, 1.0, 0, 0]), np.array([0, 0, 0, 1.0, 2.0, 3.0, 0])
    two = decode_plain(windows, [starts], [ends], ["abcd"], n_best=2, max_length=9, may_be_unanswered=False)
    assert [one.text for one in two[0].candidates] == ["abcd", "abc"]  # d beats c as end, b as start was third


def test_a_token_of_two_windows_begins_an_answer_where_it_has_more_context() -> None:
    windows = Letters(["abcdef"], size=4, step=2)
    flat = [np.zeros(length) for length in windows.lengths()]
    loud = [array.copy() for array in flat]
    loud[0][FIRST + 2] = 9.0  # the c of the first window, which belongs to the second
    loud[1][FIRST + 3] = 5.0  # the f of the second
    answers = decode_plain(windows, loud, flat, ["abcdef"], n_best=9, max_length=1, may_be_unanswered=False)
    assert answers[0].best == "f"


def beam(start: list[int], end: list[int], scores: list[float], odds: float) -> dict[str, list[Any]]:
    """One window with starts of equal score and their ends."""
    return {
        "start_top_log_probs": [np.full(len(start), -1.0)],
        "start_top_index": [np.array(start)],
        "end_top_log_probs": [np.array(scores)],
        "end_top_index": [np.array(end)],
        "cls_logits": [np.array(odds)],
    }


def test_ends_of_a_beam_belong_to_their_start() -> None:
    windows = Letters(["abcdef"], size=9, step=9)
    # Start a with ends b and (before it, never) [CLS]; start d with ends c (before it) and f.
    rows = beam([FIRST, FIRST + 3], [FIRST + 1, 0, FIRST + 2, FIRST + 5], [-2.0, -0.1, -0.2, -1.5], odds=0.25)
    answer = decode_beam(windows, rows, ["abcdef"], n_best=5, max_length=9)[0]
    assert [(one.text, one.end_score) for one in answer.candidates] == [("def", -1.5), ("ab", -2.0)]
    assert (answer.text(0.25), answer.text(0.2)) == ("def", "")


def test_a_beam_without_candidates_declines() -> None:
    windows = Letters(["ab"], size=9, step=9)
    answer = decode_beam(windows, beam([0], [0], [-0.1], odds=-3.0), ["ab"], n_best=5, max_length=9)[0]
    assert answer.candidates == ()
    assert answer.best == ""
    assert nbest(answer) == [{"text": "", "probability": 1.0, "start_log_prob": -1e6, "end_log_prob": -1e6}]


def test_a_slice_loses_the_spaces_at_its_ends() -> None:
    assert trimmed("a  bc d", 1, 6) == (3, 5)
    assert trimmed("a   b", 1, 3) == (3, 3)


ROW = RowAnswers((Candidate("Paris", 3, 8, 2.0, 1.0), Candidate("it", 0, 2, 0.5, 0.5)), odds=-1.5)


def test_official_files_hold_answers_rivals_and_odds(tmp_path: Path) -> None:
    files = official_files(["é1", "x"], ["Paris", ""], [ROW, ROW])
    assert json.loads(files["predictions.json"]) == {"é1": "Paris", "x": ""}
    assert "é1" in files["predictions.json"]
    assert json.loads(files["null_odds.json"]) == {"é1": -1.5, "x": -1.5}
    entries = json.loads(files["nbest_predictions.json"])["x"]
    assert [entry["text"] for entry in entries] == ["Paris", "it"]
    assert sum(entry["probability"] for entry in entries) == pytest.approx(1.0)
    assert entries[0]["probability"] == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert set(official_files(["x"], ["Paris"], [RowAnswers(ROW.candidates)])) == {
        "predictions.json",
        "nbest_predictions.json",
    }


def test_no_answer_is_ranked_among_the_rivals_of_a_plain_head() -> None:
    row = RowAnswers(ROW.candidates, null=Candidate("", 0, 0, 1.0, 1.0), odds=-1.0)
    assert [entry["text"] for entry in nbest(row)] == ["Paris", "", "it"]


def test_records_say_where_an_answer_stands() -> None:
    assert answer_record(ROW, "Paris") == {
        "prediction": "Paris",
        "start": 3,
        "end": 8,
        "score": pytest.approx(1 / (1 + np.exp(-2.0))),
        "null_odds": -1.5,
    }
    assert answer_record(ROW, "") == {"prediction": "", "null_odds": -1.5}


def test_saved_answers_come_back_in_the_order_of_the_questions(tmp_path: Path) -> None:
    for name, text in official_files(["a", "b"], ["Paris", ""], [ROW, ROW]).items():
        (tmp_path / name).write_text(text)
    saved = read_saved(tmp_path / "predictions.json", ["b", "a"])
    assert (saved.texts, saved.odds) == (("", "Paris"), (-1.5, -1.5))
    (tmp_path / "mine.json").write_text('{"a": "x", "b": "y", "other": "z"}')
    assert read_saved(tmp_path / "mine.json", ["a", "b"]).odds is None
    (tmp_path / "mine_null_odds.json").write_text('{"a": 1, "b": 2.5}')
    assert read_saved(tmp_path / "mine.json", ["b", "a"]).odds == (2.5, 1.0)
    (tmp_path / "dev.jsonl").write_text('{"id": "a", "prediction": "x"}\n{"id": "b", "prediction": ""}\n')
    assert read_saved(tmp_path / "dev.jsonl", ["b"]).texts == ("",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": "x"}', "1 of 2 questions are not in it, such as 'b'"),
        ('["a"]', "not an object of answers"),
        ('{"a": "x", "b": 3}', "the answer to 'b' is no text"),
        ("{", "not JSON"),
    ],
)
def test_files_that_hold_no_answers_are_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "said.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_saved(tmp_path / "said.json", ["a", "b"])
