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


def test_answers_are_those_recorded_from_transformers_4_57(tmp_path: Path) -> None:
    recorded = json.loads(FILE.read_text())
    ask = pipeline("question-answering", make_model(tmp_path), device=-1)
    assert len(recorded) == len(CALLS)
    for call, theirs in zip(CALLS, recorded, strict=True):
        assert_same(ask(**call), theirs)


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
