"""Answers as people see them: every text whole and literal, colours only where there is a terminal."""

from __future__ import annotations

import io
import json
import re
from types import SimpleNamespace
from typing import Any

import pytest

from albert_cli.report.answers import Pretty, _bar

HOSTILE = "[bold]x[/bold] :smile: \x1b[31mred\x1b]0;title\x07 \u202e [link=http://x]y"


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")


def shown(task: str, answer: dict[str, Any], text: str = "a text", pair: str | None = None, *, out: Any = None) -> str:
    out = io.BytesIO() if out is None else out
    Pretty(out, task=task).take(3, SimpleNamespace(text=text, pair=pair), answer)
    return out.getvalue().decode()


ANSWERS = {
    "fill-mask": {"results": [{"score": 0.75, "token": 3, "token_str": HOSTILE, "sequence": "s"}]},
    "text-classification": {"results": [{"label": HOSTILE, "score": 0.9}, {"label": "no", "score": 0.1}]},
    "token-classification": {"results": [{"entity_group": HOSTILE, "score": 0.9, "word": "a", "start": 0, "end": 1}]},
    "question-answering": {"results": [{"answer": HOSTILE, "score": 0.5, "start": 0, "end": len(HOSTILE)}]},
    "multiple-choice": {"results": [{"choice": HOSTILE, "label": 0, "score": 1.0}]},
    "sentence-order": {"results": [{"label": "in_order", "score": 0.6}]},
    "zero-shot-classification": {"sequence": "s", "labels": [HOSTILE, "b"], "scores": [0.8, 0.2]},
    "feature-extraction": {"vectors": [[0.5, -0.5], [1.0, 0.0]]},
}


@pytest.mark.parametrize("task", list(ANSWERS))
def test_users_texts_are_literal_and_without_a_terminal_there_is_no_colour(task):
    text = shown(task, ANSWERS[task], text=HOSTILE, pair=HOSTILE)
    assert "\x1b" not in text
    assert "\u202e" not in text
    joined = re.sub(r"\s+", " ", text)
    if task != "token-classification":  # there the text is no longer in one piece
        assert "[bold]x[/bold] :smile: \\x1b[31mred\\x1b]0;title\\x07 \\u202e [link=http://x]y" in joined


def test_a_terminal_gets_colours_unless_they_are_declined(monkeypatch):
    answer = ANSWERS["text-classification"]
    assert "\x1b[" in shown("text-classification", answer, out=Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    plain = shown("text-classification", answer, out=Terminal())
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", plain)


def test_names_stand_in_their_text():
    found = [
        {"entity_group": "PER", "score": 0.99, "word": "Anna", "start": 0, "end": 4},
        {"entity_group": "LOC", "score": 0.5, "word": "Bonn", "start": 14, "end": 18},
    ]
    text = shown("token-classification", {"results": found}, "Anna lives in Bonn.")
    assert text.split("\n")[1].strip() == "Anna PER 0.99 lives in Bonn LOC 0.50 ."
    assert shown("token-classification", {"results": []}, "nobody").split("\n")[1].strip() == "nobody"


def test_an_answer_is_shown_where_it_stands():
    context = f"{'before ' * 60}the river Seine{' after' * 60}"
    start = context.index("the river")
    answer = {"results": [{"answer": "the river Seine", "score": 0.8, "start": start, "end": start + 15}]}
    out = Terminal()
    text = shown("question-answering", answer, "which river?", context, out=out)
    assert "which river?" in text
    assert re.search(r"\x1b\[1;7mthe river Seine\x1b\[0m", text)
    assert text.count("before") < 60, "a long text is shown around the answer"
    nothing = {"results": [{"answer": "", "score": 0.8, "start": 0, "end": 0}]}
    assert "(no answer)" in shown("question-answering", nothing, "which?", context)


def test_several_masks_and_numbers_that_are_no_shares():
    masks = {"results": [[{"score": 0.5, "token_str": "a"}], [{"score": 0.25, "token_str": "b"}]]}
    text = shown("fill-mask", masks)
    assert [line.strip()[:6] for line in text.splitlines()[1:]] == ["mask 1", "0.5000", "mask 2", "0.2500"]
    joint = {"results": [{"score": 0.5, "token": [1, 2], "token_str": ["a", "b"], "sequence": "a b"}]}
    assert "a + b" in shown("fill-mask", joint)
    assert "█" not in shown("text-classification", {"results": [{"label": "LABEL_0", "score": 3.25}]})
    assert "3.2500" in shown("text-classification", {"results": [{"label": "LABEL_0", "score": 3.25}]})


def test_errors_and_cut_texts_are_told():
    assert "error: no [MASK] in the text" in shown("fill-mask", {"error": "no [MASK] in the text"})
    refused = io.BytesIO()
    Pretty(refused, task="fill-mask").take(0, SimpleNamespace(reason="x"), {"error": "not JSON"})
    assert refused.getvalue().decode().split() == ["[0]", "error:", "not", "JSON"]
    assert "not the whole text was read" in shown(
        "text-classification", {**ANSWERS["text-classification"], "truncated": True}
    )


@pytest.mark.parametrize(("share", "length"), [(0.0, 0), (0.001, 0), (0.5, 12), (0.52, 13), (1.0, 24)])
def test_bars_are_as_long_as_their_share(share, length):
    assert len(_bar(share)) == length


def test_albert_run_shows_answers_to_people(tiny_model, capsys):
    from albert_cli.cli.app import main

    model = str(tiny_model("AlbertForMaskedLM"))
    assert main(["run", "--task", "fill-mask", "--model", model, "--pretty", "--top-k", "3", "the [MASK]", "none"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "[0] the [MASK]"
    assert len(lines) == 6
    assert "error: no [MASK]" in lines[5]
    with pytest.raises(json.JSONDecodeError):
        json.loads(lines[0])
