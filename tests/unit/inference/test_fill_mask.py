"""Masks in texts of any length, filled one by one and together; words that are no whole pieces."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from subcases import each

from albert_cli.errors import DataError
from albert_cli.inference.device import Compute
from albert_cli.inference.fill_mask import MOST_MASKS, FillMask, target_ids
from albert_cli.inference.loading import load_for_task
from albert_cli.inference.pipeline import pipeline
from albert_cli.inference.queries import Query

CPU = Compute(torch.device("cpu"))
BEFORE, BEHIND = "the river runs through paris " * 40, " snow covers roofs and gardens" * 40


@pytest.fixture
def make(tiny_model: Callable[..., Path]) -> Callable[..., FillMask]:
    def make(compute: Compute = CPU, **options: Any) -> FillMask:
        loaded = load_for_task("fill-mask", tiny_model("AlbertForMaskedLM"), device=compute.device)
        return FillMask(loaded.model, loaded.tokenizer, compute=compute, max_length=loaded.max_length, **options)

    return make


def ask(task: FillMask, *texts: str) -> list[dict[str, Any]]:
    return task.answer([Query(text) for text in texts])


def test_a_long_text_is_read_around_its_mask(make: Callable[..., FillMask]) -> None:
    task = make(top_k=3)
    tokenizer = task._tokenizer
    (answer,) = ask(task, f"{BEFORE}the [MASK] sings{BEHIND}")
    assert answer["truncated"] is True
    ids = tokenizer.encode_batch([f"{BEFORE}the [MASK] sings{BEHIND}"], split_special_tokens=False)[0]
    place = ids.index(tokenizer.mask_token_id)
    window = tokenizer.decode(ids[place - 31 : place + 31])
    (same,) = ask(task, window)
    assert "truncated" not in same
    for one, other in zip(answer["results"], same["results"], strict=True):
        assert (one["token"], one["sequence"]) == (other["token"], other["sequence"])
        assert one["score"] == pytest.approx(other["score"], rel=1e-4)


@each("text", [f"[MASK] runs{BEHIND}", f"{BEFORE}and the [MASK]"])
def test_a_window_at_the_border_is_as_long_as_any(text: str, make: Callable[..., FillMask]) -> None:
    (answer,) = ask(make(top_k=1), text)
    assert answer["truncated"] is True
    said = answer["results"][0]["sequence"]
    assert ("runs" in said) if text.startswith("[MASK]") else ("and the" in said)
    assert len(make()._tokenizer.encode_batch([said])[0]) >= 58


def test_masks_far_apart_each_have_their_surroundings(make: Callable[..., FillMask]) -> None:
    task = make(top_k=2)
    (answer,) = ask(task, f"the [MASK] runs and [MASK]{BEHIND} the [MASK] barks")
    assert [len(words) for words in answer["results"]] == [2, 2, 2]
    first, second, third = (words[0]["sequence"] for words in answer["results"])
    assert [("runs" in said, "barks" in said) for said in (first, second, third)] == [
        (True, False),
        (True, False),
        (False, True),
    ]
    assert first.count("[MASK]") == 1, "its neighbour stays open"


def test_a_text_cut_where_asked_keeps_only_its_first_masks(make: Callable[..., FillMask]) -> None:
    (answer, none) = ask(make(truncates=True), f"a [MASK]{BEHIND} [MASK]", f"{BEFORE} [MASK]")
    assert isinstance(answer["results"][0], dict)
    assert answer["truncated"] is True
    assert "no [MASK] in the first 64 tokens" in none["error"]


def test_too_many_masks_are_refused_and_a_thousand_are_filled(make: Callable[..., FillMask]) -> None:
    task = make(Compute(torch.device("cpu"), batch_tokens=256), top_k=1)
    refused, filled = ask(task, "[MASK] " * (MOST_MASKS + 1), "[MASK] " * MOST_MASKS)
    assert "1,001 masks" in refused["error"]
    assert len(filled["results"]) == MOST_MASKS


def brute_force(task: FillMask, text: str, words: list[int]) -> dict[tuple[int, ...], float]:
    """The product, mask by mask from left to right, for every filling: one row at a time, padded layout."""
    tokenizer, model = task._tokenizer, task._model
    ids = [
        tokenizer.cls_token_id,
        *tokenizer.encode_batch([text], split_special_tokens=False)[0],
        tokenizer.sep_token_id,
    ]
    places = [place for place, token in enumerate(ids) if token == tokenizer.mask_token_id]
    found = {}
    for filling in itertools.product(words, repeat=len(places)):
        row, score = list(ids), 1.0
        for place, token in zip(places, filling, strict=True):
            with torch.no_grad():
                shares = model(torch.tensor([row])).logits[0, place].double().softmax(-1)
            score *= float(shares[token])
            row[place] = token
        found[filling] = score
    return found


def test_joint_fillings_are_the_best_of_all(make: Callable[..., FillMask]) -> None:
    """With a beam as wide as there are beginnings the search is exact; the reference tries every filling."""
    text, words = "the [MASK] runs [MASK] and [MASK].", [20, 30, 38, 60]
    task = make(joint=True, targets=words, top_k=64)
    (answer,) = ask(task, text)
    expected = brute_force(task, text, words)
    order = sorted(expected, key=lambda filling: -expected[filling])
    assert [tuple(one["token"]) for one in answer["results"]] == order
    assert [one["score"] for one in answer["results"]] == pytest.approx([expected[one] for one in order], rel=1e-4)
    best = answer["results"][0]
    assert best["token_str"] == [task._tokenizer.decode([token]) for token in best["token"]]
    assert "[MASK]" not in best["sequence"]
    narrow = ask(make(joint=True, targets=words, top_k=1), text)[0]["results"]
    assert narrow[0]["token"] == list(order[0])


def test_joint_scores_of_all_fillings_sum_to_one(make: Callable[..., FillMask]) -> None:
    vocabulary = make()._model.config.vocab_size
    (answer,) = ask(make(joint=True, top_k=vocabulary**2), "snow [MASK] and [MASK]")
    assert len(answer["results"]) == vocabulary**2
    assert sum(one["score"] for one in answer["results"]) == pytest.approx(1.0, abs=1e-6)


def test_joint_filling_of_one_mask_is_its_filling(make: Callable[..., FillMask]) -> None:
    texts = ("the [MASK] runs", "no mask", "[MASK] and [MASK]")
    single, none, _ = ask(make(top_k=7), *texts)
    joint, nothing, pair = ask(make(top_k=7, joint=True), *texts)
    assert none == nothing
    assert [(one["token"], one["sequence"]) for one in joint["results"]] == [
        ([one["token"]], one["sequence"]) for one in single["results"]
    ]
    scores = [one["score"] for one in single["results"]]
    assert [one["score"] for one in joint["results"]] == pytest.approx(scores, rel=1e-4)
    assert [len(one["token"]) for one in pair["results"]] == [2] * 7


def test_joint_masks_must_lie_in_one_window(make: Callable[..., FillMask]) -> None:
    near, far = ask(make(joint=True), f"{BEFORE}a [MASK] and [MASK]{BEHIND}", f"[MASK]{BEHIND} [MASK]")
    assert near["truncated"] is True
    assert len(near["results"][0]["token"]) == 2
    assert "farther apart than the 62 tokens" in far["error"]


def test_damaged_weights_have_no_joint_answer(make: Callable[..., FillMask]) -> None:
    task = make(joint=True)
    with torch.no_grad():
        task._model.get_input_embeddings().weight[5:] = float("nan")
    assert "not finite" in ask(task, "a [MASK] and [MASK]")[0]["error"]


def test_targets_that_are_not_what_they_seem_are_told(make: Callable[..., FillMask]) -> None:
    tokenizer = make()._tokenizer
    pieces = tokenizer.get_vocab()
    both = next(piece for piece in sorted(pieces) if f"▁{piece}" in pieces and piece.isalpha())
    only = next(
        piece[1:] for piece in sorted(pieces) if piece.startswith("▁") and len(piece) > 3 and piece[1:] not in pieces
    )
    said: list[str] = []
    assert target_ids([f"▁{both}", only, f"▁{only}"], tokenizer, said.append) == [
        pieces[f"▁{both}"],
        pieces[f"▁{only}"],
    ]
    assert said == [], "a piece as written, and a word that is one whole piece"
    assert target_ids([both], tokenizer, said.append) == [pieces[both]]
    assert f"'▁{both}', a piece too, begins one" in said.pop()
    first = tokenizer.encode_batch(["zzzz"])[0][0]
    assert target_ids(["zzzz"], tokenizer, said.append) == [first]
    assert f"'zzzz' is not a piece of the vocabulary but {tokenizer.id_to_piece(first)}" in said.pop()


def test_a_pipeline_fills_jointly_and_in_windows(tiny_model: Callable[..., Path]) -> None:
    fill = pipeline("fill-mask", tiny_model("AlbertForMaskedLM"), device=-1, top_k=2)
    joint = fill("a [MASK] and [MASK]", joint=True)
    assert [len(one["token"]) for one in joint] == [2, 2]
    again = fill(["a [MASK] and [MASK]", "[MASK]"], joint=True)[0]
    assert [one["token"] for one in again] == [one["token"] for one in joint]
    assert [one["score"] for one in again] == pytest.approx([one["score"] for one in joint], rel=1e-4)
    assert len(fill(f"{BEFORE}a [MASK]{BEHIND}")) == 2
    with pytest.raises(DataError, match="farther apart"):
        fill(f"[MASK]{BEHIND} [MASK]", joint=True)
