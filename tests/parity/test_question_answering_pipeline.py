"""The question-answering pipeline answers as that of transformers 4.57 does, and our metrics score as its do.

transformers 5 has neither any more. Answers recorded from 4.57 are compared everywhere; where its environment is
there, it is asked anew.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

GOLDENS = Path(__file__).resolve().parents[1] / "goldens"
sys.path.insert(0, str(GOLDENS))

from make_question_answering_goldens import CALLS, FILE, PEER, ask_peer, make_model  # noqa: E402

from albert_cli.errors import UsageError  # noqa: E402
from albert_cli.inference.pipeline import pipeline  # noqa: E402
from albert_cli.metrics.squad import official_percent  # noqa: E402

TOLERANCE = 1e-4


def assert_same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
        return
    assert set(ours) == set(theirs) == {"score", "start", "end", "answer"}
    assert ours["score"] == pytest.approx(theirs["score"], rel=TOLERANCE)
    assert {**ours, "score": 0} == {**theirs, "score": 0}


def possible(theirs: Any) -> Any:
    """Answers without those of probability 0: places that cannot be, with which theirs fills up a short list."""
    if not isinstance(theirs, list):
        return theirs
    kept = [possible(one) for one in theirs if isinstance(one, list) or one["score"] > 0.0]
    return kept[0] if len(kept) == 1 else kept


def test_answers_are_those_recorded_from_transformers_4_57(tmp_path: Path) -> None:
    recorded = json.loads(FILE.read_text())
    ask = pipeline("question-answering", make_model(tmp_path), device=-1)
    assert len(recorded) == len(CALLS)
    for call, theirs in zip(CALLS, recorded, strict=True):
        assert_same(ask(**call), possible(theirs))
    assert any(possible(theirs) != theirs for theirs in recorded)


def test_a_long_question_is_cut_where_asked(tmp_path: Path) -> None:
    """Theirs leaves it whole whatever max_question_len says."""
    ask = pipeline("question-answering", make_model(tmp_path), device=-1)
    question, context = "Who was the captain of the ship?", CALLS[0]["context"]
    start = "Who was"
    pieces = len(ask.tokenizer.encode_batch([start])[0])
    assert ask(question=question, context=context, max_question_len=pieces) == ask(question=start, context=context)
    assert ask(question=question, context=context) != ask(question=start, context=context)
    assert ask(question, context) == ask(question=question, context=context)


def test_values_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    ask = pipeline("question-answering", make_model(tmp_path), device=-1)
    for wrong in ({"top_k": 0}, {"max_answer_len": 0}, {"doc_stride": -1}, {"max_seq_len": 20, "doc_stride": 30}):
        with pytest.raises(UsageError):
            ask("Who?", CALLS[0]["context"], **wrong)


def test_shared_windows_share_one_probability(tmp_path: Path) -> None:
    """What `albert run` takes: the answers of all windows together have at most the probability 1."""
    ask = pipeline("question-answering", make_model(tmp_path), device=-1, max_seq_len=48, doc_stride=16, top_k=1000)
    context = next(call["context"] for call in CALLS if call.get("max_seq_len"))
    apart = ask("Where?", context, align_to_words=False)
    together = ask("Where?", context, align_to_words=False, shares_windows=True)
    assert sum(one["score"] for one in together) <= 1.0 < sum(one["score"] for one in apart)


def test_inputs_may_be_dicts_and_lists_of_them(tmp_path: Path) -> None:
    ask = pipeline("question-answering", make_model(tmp_path), device=-1)
    first = {"question": "Who?", "context": CALLS[0]["context"]}
    assert ask(first) == ask(**first) == ask([first])
    assert ask([first, first]) == [ask(first), ask(first)]
    assert ask(first, top_k=2) == ask(**first, top_k=2)


@pytest.mark.peer457
def test_the_record_is_what_transformers_4_57_answers_today(tmp_path: Path) -> None:
    if not PEER.is_file():
        pytest.skip("no environment of transformers 4.57: make peers")
    assert_same(ask_peer(make_model(tmp_path)), json.loads(FILE.read_text()))


@pytest.mark.peer457
def test_scores_of_v2_are_those_of_transformers_4_57() -> None:
    if not PEER.is_file():
        pytest.skip("no environment of transformers 4.57: make peers")
    draw = np.random.default_rng(4)
    words = ["the", "cat", "The Cat's", "a", "1,000", "men", "é", "(x)", ""]
    rows = []
    for number in range(300):
        golds = [" ".join(draw.choice(words, size=draw.integers(1, 4))) for _ in range(draw.integers(0, 3))]
        said = golds[0] if golds and draw.random() < 0.4 else " ".join(draw.choice(words, size=draw.integers(0, 3)))
        rows.append([f"q{number}", golds, said, round(float(draw.normal()), 1)])
    request = json.dumps({"examples": rows})
    done = subprocess.run(
        [PEER, GOLDENS / "peer_question_answering.py"],
        input=request,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    ours = official_percent(
        [{"id": row[0], "prediction_text": row[2], "no_answer_probability": row[3]} for row in rows],
        [{"id": row[0], "answers": {"text": row[1]}} for row in rows],
        version_2=True,
    )
    assert ours == pytest.approx(json.loads(done.stdout))
