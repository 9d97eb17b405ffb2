"""What the model is asked is marked in the examples that `albert data inspect` shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from albert_cli.data.batching import PackedBatch
from albert_cli.report.marks import bracketed
from albert_cli.stages.marked_examples import masked_examples, task_examples

PIECES = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d", "e"]


class _Tokenizer:
    cls_token_id, sep_token_id = 2, 3

    def id_to_piece(self, number: int) -> str:
        return PIECES[number]


def _batch(rows: list[list[int]], targets: dict[str, Any]) -> PackedBatch:
    ids = torch.tensor([piece for row in rows for piece in row])
    found: dict[str, Tensor] = {name: torch.as_tensor(value) for name, value in targets.items()}
    return PackedBatch(ids, torch.zeros_like(ids), tuple(map(len, rows)), torch.arange(1), found)


class _One:
    """One example, given as a batch."""

    def __init__(self, rows: list[list[int]], **targets: Any) -> None:
        self.batch, self.is_labelled = _batch(rows, targets), "labels" in targets or "start_positions" in targets

    def __len__(self) -> int:
        return 1

    def pack(self, chosen: np.ndarray, *, with_labels: bool) -> PackedBatch:
        assert with_labels == self.is_labelled
        return self.batch


def _shown(names: dict[int, str], rows: list[list[int]], **targets: Any) -> str:
    examples: Any = _One(rows, **targets)
    (parts,) = task_examples(examples, _Tokenizer(), names=names, count=3)  # type: ignore[arg-type]
    return bracketed(parts)


def test_hidden_words_stand_together_with_what_was_there() -> None:
    batch = _batch(
        [[2, 4, 4, 7, 3, 9, 3], [2, 5, 3, 6, 3]],
        {"masked_positions": [1, 2, 5, 10], "masked_labels": [5, 6, 8, 6], "sentence_order_label": [0, 1]},
    )
    first, second = masked_examples(batch, _Tokenizer())  # type: ignore[arg-type]
    assert bracketed(first) == "[CLS] {[MASK] [MASK] = a b} c [SEP] {e = d} [SEP] [in order]"
    assert bracketed(second) == "[CLS] a [SEP] {b = b} [SEP] [swapped]"


def test_without_a_sentence_task_there_is_no_order() -> None:
    batch = _batch([[2, 4, 3]], {"masked_positions": [1], "masked_labels": [5]})
    (parts,) = masked_examples(batch, _Tokenizer())  # type: ignore[arg-type]
    assert bracketed(parts) == "[CLS] {[MASK] = a} [SEP]"


@pytest.mark.parametrize(
    ("names", "labels", "said"),
    [
        ({0: "bad", 1: "good"}, [1], "good"),
        ({}, [2.5], "2.5"),
        ({0: "x", 1: "y", 2: "z"}, [[1.0, 0.0, 1.0]], "x, z"),
        ({0: "x", 1: "y"}, [[0.0, 0.0]], "none"),
    ],
)
def test_texts_have_their_label_at_the_end(names: dict[int, str], labels: list[Any], said: str) -> None:
    assert _shown(names, [[2, 5, 3]], labels=labels) == f"[CLS] a [SEP] [{said}]"


def test_texts_without_a_label_say_so() -> None:
    assert _shown({0: "bad"}, [[2, 5, 3]]) == "[CLS] a [SEP] [no label]"


def test_the_answer_is_marked_in_its_text() -> None:
    row, p_mask = [2, 5, 3, 6, 7, 8, 3], [False, True, True, False, False, False, True]
    found = _shown({}, [row], p_mask=p_mask, start_positions=[3], end_positions=[4], is_impossible=[0])
    assert found == "[CLS] a [SEP] {b c} d [SEP]"
    none = _shown({}, [row], p_mask=p_mask, start_positions=[0], end_positions=[0], is_impossible=[1])
    assert none.endswith("[SEP] [no answer here]")


def test_tagged_words_are_marked_entity_by_entity() -> None:
    names = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC"}
    row = [2, 5, 6, 7, 8, 9, 3]
    found = _shown(names, [row], word_positions=[1, 3, 4, 5], word_counts=[4], labels=[1, 2, 3, 0])
    assert found == "[CLS] {a b c = PER} {d = LOC} e [SEP]"
    # Two people side by side are two.
    apart = _shown(names, [row], word_positions=[1, 3, 4, 5], word_counts=[4], labels=[1, 1, 0, 3])
    assert apart == "[CLS] {a b = PER} {c = PER} d {e = LOC} [SEP]"


def test_the_right_choice_is_named() -> None:
    found = _shown({}, [[2, 5, 3], [2, 6, 3]], choices=[[0, 1]], labels=[1])
    assert found == "[0] [CLS] a [SEP] [1, right] [CLS] b [SEP]"
