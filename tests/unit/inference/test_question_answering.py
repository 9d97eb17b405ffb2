"""Questions to answers over windows: search, scores that can be compared, lines and options."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from albert_cli.errors import DataError, ModelError, UsageError
from albert_cli.inference import span_search
from albert_cli.inference.device import choose_compute
from albert_cli.inference.loading import load_for_task
from albert_cli.inference.pipeline import pipeline
from albert_cli.inference.queries import Query
from albert_cli.inference.question_answering import AnswerSettings, QuestionAnswering
from albert_cli.inference.run import run
from albert_cli.inference.span_search import SearchRules, TextWindow
from albert_cli.recipe.requests import RunRequest

CONTEXT = "the capital of france is paris and a river runs through it while people walk along old stone bridges"
LONG = " ".join([CONTEXT] * 4) + "."
RULES = SearchRules(top_k=3, max_answer_length=4, aligns=False, shares_windows=True)


def letters(text: str, first: int, size: int, best: tuple[int, int]) -> TextWindow:
    """A window whose tokens are letters, behind [CLS], one token of question, and [SEP]."""
    places = np.arange(first, first + size)
    return TextWindow([2, 9, 3, *[5] * size, 3], 3, places, places + 1, best)


def scores(size: int, **loud: float) -> Any:
    """(L,) logits, 0 but for places of the part: ``at2=5.0``, and ``cls``."""
    values = np.zeros(3 + size + 1)
    for name, value in loud.items():
        values[0 if name == "cls" else 3 + int(name.removeprefix("at"))] = value
    return values


def test_one_window_has_the_product_of_its_shares() -> None:
    window = letters("abcd", 0, 4, (0, 4))
    starts, ends = scores(4, at1=3.0), scores(4, at2=4.0, cls=1.0)
    found, null = span_search.search_plain([window], [(starts, ends)], "abcd", RULES)
    start_sum, end_sum = np.exp(3.0) + 4, np.exp(4.0) + np.exp(1.0) + 3  # question and [SEP] take no share
    assert (found[0].text, found[0].start, found[0].end) == ("bc", 1, 3)
    assert found[0].score == pytest.approx(np.exp(3.0) / start_sum * np.exp(4.0) / end_sum)
    assert null == pytest.approx(1 / start_sum * np.exp(1.0) / end_sum)
    assert sum(one.score for one in found) <= 1


def test_a_window_without_the_answer_cannot_outbid_the_one_that_has_it() -> None:
    text = "abcdefgh"
    windows = [letters(text, 0, 5, (0, 4)), letters(text, 3, 5, (1, 5))]
    # The second window knows it (9), the first has nothing but noise, a little more on one letter.
    logits = [(scores(5, at0=2.0), scores(5, at0=2.0)), (scores(5, at3=9.0), scores(5, at4=9.0))]
    shared, _ = span_search.search_plain(windows, logits, text, RULES)
    assert shared[0].text == "gh"
    assert shared[0].score > 0.9
    noise = next(one for one in span_search.search_plain(windows, logits, text, RULES)[0] if one.text != "gh")
    assert noise.score < 0.01
    alone = SearchRules(top_k=9, max_answer_length=4, aligns=False, shares_windows=False)
    apart, _ = span_search.search_plain(windows, logits, text, alone)
    assert next(one.score for one in apart if one.text == "a") > 0.1  # as in transformers: a share of its own window


def test_an_answer_begins_only_where_its_window_shows_most_around_it() -> None:
    windows = [letters("abcdef", 0, 4, (0, 3)), letters("abcdef", 2, 4, (1, 4))]
    logits = [(scores(4, at3=9.0), scores(4, at3=9.0)), (scores(4), scores(4))]
    found, _ = span_search.search_plain(windows, logits, "abcdef", RULES)
    assert found[0].text != "d"


def test_answers_grow_to_whole_words_and_add_up() -> None:
    text = "Bob met bob."
    rules = SearchRules(top_k=2, max_answer_length=2, aligns=True, shares_windows=True)
    window = letters(text, 0, len(text), (0, len(text)))
    starts, ends = scores(len(text), at0=5.0, at1=5.0), scores(len(text), at1=5.0, at2=5.0)
    found, _ = span_search.search_plain([window], [(starts, ends)], text, rules)
    assert (found[0].text, found[0].start, found[0].end) == ("Bob", 0, 3)
    assert found[0].score > 0.5  # o, b and the pairs, of which none has a third
    assert span_search.whole_words("a (b) c", 3, 4, limits=(0, 7)) == (2, 5)


def test_a_beam_counts_as_much_as_its_window_answers() -> None:
    windows = [letters("abcdef", 0, 4, (0, 3)), letters("abcdef", 2, 4, (1, 4))]
    beams: list[dict[str, Any]] = [
        {
            "start_top_index": np.array([3 + place, 0]),
            "start_top_log_probs": np.array([-0.1, -3.0]),
            "end_top_index": np.array([3 + place, 1, 0, 3 + place]),
            "end_top_log_probs": np.array([-0.2, -9.0, -0.1, -0.3]),
            "cls_logits": np.array(odds),
        }
        for place, odds in ((1, 3.0), (2, -3.0))
    ]
    found, null = span_search.search_beam(windows, beams, "abcdef", RULES)
    assert [one.text for one in found] == ["e", "b"]
    assert found[0].score == pytest.approx(np.exp(-0.3) / (1 + np.exp(-3.0)))
    assert null == pytest.approx(1 / (1 + np.exp(3.0)))


@pytest.fixture(params=["AlbertForQuestionAnswering", "AlbertForQuestionAnsweringBeam"])
def model(request: pytest.FixtureRequest, tiny_model: Callable[..., Path]) -> Path:
    return tiny_model(request.param)


def test_answers_are_slices_of_the_context_whatever_the_neighbours(model: Path) -> None:
    loaded = load_for_task("question-answering", model, device=choose_compute("cpu", "fp32", print).device)
    compute = choose_compute("cpu", "fp32", print)
    settings = AnswerSettings(top_k=3, handle_impossible_answer=False)
    task = QuestionAnswering(
        loaded.model, loaded.tokenizer, compute=compute, max_length=loaded.max_length, settings=settings
    )
    queries = [Query("what is the capital", LONG), Query("who?", "Paris."), Query("", "x"), Query("who?", " ")]
    together = task.answer(queries)
    assert "no question" in together[2]["error"]
    assert "no context" in together[3]["error"]
    for query, answer in zip(queries[:2], together, strict=False):
        assert sum(one["score"] for one in answer["results"]) <= 1.0 + 1e-9
        for one in answer["results"]:
            assert (query.pair or "")[one["start"] : one["end"]] == one["answer"]
            assert one["answer"].strip() == one["answer"] != ""
        alone = task.answer([query])[0]["results"]
        assert [(one["answer"], one["start"]) for one in alone] == [
            (one["answer"], one["start"]) for one in answer["results"]
        ]
        assert [one["score"] for one in alone] == pytest.approx([one["score"] for one in answer["results"]], rel=1e-4)


@pytest.mark.parametrize("kind", ["AlbertForQuestionAnswering", "AlbertForQuestionAnsweringBeam"])
@pytest.mark.parametrize("threshold", [-1e6, 1e6])
def test_a_model_that_learnt_a_threshold_declines_by_it(
    kind: str, threshold: float, tiny_model: Callable[..., Path]
) -> None:
    directory = tiny_model(kind, extra={"null_score_diff_threshold": threshold})
    lines: list[str] = []
    loaded = load_for_task("question-answering", directory, device=choose_compute("cpu", "fp32", lines.append).device)
    task = QuestionAnswering(
        loaded.model, loaded.tokenizer, compute=choose_compute("cpu", "fp32", lines.append), max_length=64
    )
    answer = task.answer([Query("what is the capital", CONTEXT)])[0]["results"][0]["answer"]
    assert (answer == "") == (threshold < 0)
    asked = pipeline("question-answering", directory, device=-1)(question="what", context=CONTEXT)
    assert asked["answer"]  # theirs declines only where that is asked for


def ask(tmp_path: Path, model: Path, **options: Any) -> list[dict[str, Any]]:
    out = tmp_path / "out.jsonl"
    request = RunRequest(task="question-answering", model=str(model), output=out, overwrite=True, **options)
    out.touch()
    run(request, warn=print)
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_every_way_to_ask_gives_the_same_answer(model: Path, tmp_path: Path) -> None:
    question = "what is the capital of france"
    expected = ask(tmp_path, model, texts=(f"{question}\t{CONTEXT}",))
    assert set(expected[0]["results"][0]) == {"score", "start", "end", "answer"}
    record = json.dumps({"question": question, "context": CONTEXT})
    assert ask(tmp_path, model, texts=(record,)) == expected
    assert ask(tmp_path, model, question=question, context=CONTEXT) == expected
    assert ask(tmp_path, model, texts=(question,), context=CONTEXT) == expected
    assert ask(tmp_path, model, texts=(CONTEXT,), question=question) == expected
    renamed = tmp_path / "rows.csv"
    renamed.write_text(f'q,passage\n{question},"{CONTEXT}"\n')
    assert ask(tmp_path, model, input=renamed, column="question=q,context=passage") == expected
    document = tmp_path / "rows.json"
    document.write_text(f"[{record}]")
    assert ask(tmp_path, model, input=document) == expected
    assert len(ask(tmp_path, model, question=question, context=CONTEXT, top_k=3)[0]["results"]) == 3


def test_a_context_may_hold_tabs(model: Path, tmp_path: Path) -> None:
    answer = ask(tmp_path, model, texts=("who\tone\ttwo",))[0]["results"][0]
    assert "one\ttwo"[answer["start"] : answer["end"]] == answer["answer"]


def test_lines_without_a_context_are_refused_and_the_others_answered(model: Path, tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text('who?\nwho?\tAnna.\n{"question": "who?"}\n')
    with pytest.raises(DataError, match="2 of 3 inputs have no answer"):
        ask(tmp_path, model, input=lines)
    answers = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert "no context" in answers[0]["error"]
    assert "results" in answers[1]
    assert answers[2]["error"] == 'no "context" in the object'


def test_options_that_cannot_be_are_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="takes question and context"):
        ask(tmp_path, model, texts=("a",), format="text")
    with pytest.raises(UsageError, match="max_seq_len is 500"):
        pipeline("question-answering", model, device=-1)(question="a", context="b", max_seq_len=500)
    with pytest.raises(UsageError, match="takes both question= and context="):
        pipeline("question-answering", model, device=-1)(question="a")
    with pytest.raises(UsageError, match="2 questions for 1 contexts"):
        pipeline("question-answering", model, device=-1)(question=["a", "b"], context=["c"])


def test_a_model_without_a_head_for_questions_is_refused(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no trained weights for question-answering") as refused:
        ask(tmp_path, tiny_model("AlbertForMaskedLM"), texts=("a\tb",))
    assert "albert finetune squad" in (refused.value.hint or "")
