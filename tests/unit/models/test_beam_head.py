"""The original's head of SQuAD v2.0: shapes, both layouts, training against its loss, files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import albert_cli
from albert_cli.errors import ModelError
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForQuestionAnsweringBeam
from albert_cli.models.layout import PackedLayout
from albert_cli.models.outputs import QuestionAnsweringBeamOutput
from albert_cli.models.pretrained import load_pretrained

LENGTHS = (9, 6, 12)
KEYS = {
    "start_logits.dense.weight": (1, 16),
    "start_logits.dense.bias": (1,),
    "end_logits.dense_0.weight": (16, 32),
    "end_logits.dense_0.bias": (16,),
    "end_logits.LayerNorm.weight": (16,),
    "end_logits.LayerNorm.bias": (16,),
    "end_logits.dense_1.weight": (1, 16),
    "end_logits.dense_1.bias": (1,),
    "answer_class.dense_0.weight": (16, 32),
    "answer_class.dense_0.bias": (16,),
    "answer_class.dense_1.weight": (1, 16),
}


def make(**fields: Any) -> AlbertForQuestionAnsweringBeam:
    torch.manual_seed(3)
    config = AlbertConfig.from_dict(
        {
            "vocab_size": 40,
            "embedding_size": 8,
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "initializer_range": 0.5,
            "classifier_dropout_prob": 0.0,
            **fields,
        }
    )
    return AlbertForQuestionAnsweringBeam(config).eval()


def batch() -> dict[str, Tensor]:
    """Three windows, right-padded; nothing may be answered from the question (the first four tokens but one)."""
    draw = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 40, (3, 12), generator=draw)
    places = torch.arange(12)
    mask = places[None] < torch.tensor(LENGTHS)[:, None]
    question = (places > 0) & (places < 4)
    return {
        "input_ids": ids * mask,
        "attention_mask": mask.long(),
        "token_type_ids": ((places >= 4) & mask).long(),
        "p_mask": (question | ~mask).long(),
    }


def packed(padded: dict[str, Tensor]) -> dict[str, Any]:
    real = padded["attention_mask"].bool()
    chosen = {name: values[real] for name, values in padded.items() if name != "attention_mask"}
    return {**chosen, "layout": PackedLayout.from_lengths(LENGTHS)}


LABELS = {
    "start_positions": torch.tensor([5, 0, 7]),
    "end_positions": torch.tensor([6, 0, 7]),
    "is_impossible": torch.tensor([0, 1, 0]),
}


def test_the_names_in_the_file_are_those_of_the_contract() -> None:
    head = {name: tuple(part.shape) for name, part in make().state_dict().items() if not name.startswith("albert.")}
    assert head == KEYS
    assert albert_cli.AlbertForQuestionAnsweringBeam is AlbertForQuestionAnsweringBeam


def test_the_ends_of_each_start_lie_together() -> None:
    output = make(start_n_top=3, end_n_top=2)(**batch())
    assert output.keys() == [
        "start_top_log_probs",
        "start_top_index",
        "end_top_log_probs",
        "end_top_index",
        "cls_logits",
    ]
    assert output.start_top_index.shape == (3, 3)
    assert output.end_top_index.shape == (3, 6)
    assert output.cls_logits.shape == (3,)
    given = {"start_positions": output.start_top_index[:, 1], "end_positions": torch.zeros(3, dtype=torch.int64)}
    of_second = make()(**batch(), **given).end_log_probs.topk(2)
    torch.testing.assert_close(output.end_top_log_probs[:, 2:4], of_second.values)
    assert torch.equal(output.end_top_index[:, 2:4], of_second.indices)


def test_nothing_begins_or_ends_where_it_is_forbidden() -> None:
    padded = batch()
    output = make(start_n_top=5, end_n_top=3)(**padded, **LABELS)
    assert bool((output.start_log_probs[padded["p_mask"] == 1] < -1e29).all())
    assert bool((output.end_log_probs[padded["p_mask"] == 1] < -1e29).all())
    assert torch.allclose(output.start_log_probs.exp().sum(-1), torch.ones(3))
    without = make()(**{name: values for name, values in padded.items() if name != "p_mask"}, **LABELS)
    assert bool((without.start_log_probs[padded["attention_mask"] == 0] < -1e29).all())
    assert bool((without.start_log_probs[padded["attention_mask"] == 1] > -1e3).all())


def test_a_packed_batch_gives_what_a_padded_one_gives() -> None:
    model = make(start_n_top=2, end_n_top=2)
    padded = batch()
    expected, found = model(**padded, **LABELS), model(**packed(padded), **LABELS)
    for name in ("loss", "cls_logits", "start_top_log_probs", "end_top_log_probs", "start_log_probs"):
        torch.testing.assert_close(found[name], expected[name], atol=2e-5, rtol=1e-5)
    assert torch.equal(found.start_top_index, expected.start_top_index)
    assert torch.equal(found.end_top_index, expected.end_top_index)


def test_gradients_of_both_layouts_agree() -> None:
    gradients = []
    for inputs in (batch(), packed(batch())):
        model = make().train()
        output = model(**inputs, **LABELS)
        assert output.start_top_index is None  # what no loss needs is not computed
        output.loss.backward()
        assert all(part.grad is not None for part in model.parameters())
        gradients.append([part.grad for part in model.parameters()])
    for left, right in zip(*gradients, strict=True):
        torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-4)


def test_the_loss_is_half_spans_and_half_answerability() -> None:
    output = make()(**batch(), **LABELS)
    start = -output.start_log_probs[torch.arange(3), LABELS["start_positions"]].mean()
    end = -output.end_log_probs[torch.arange(3), LABELS["end_positions"]].mean()
    share = torch.sigmoid(output.cls_logits)  # of "not answered"
    wanted = LABELS["is_impossible"].float()
    answerable = -(wanted * share.log() + (1 - wanted) * (1 - share).log()).mean()
    torch.testing.assert_close(output.loss, (start + end) / 2 + answerable / 2)


def test_dropout_is_before_answerability_alone() -> None:
    torch.manual_seed(0)
    model = make(classifier_dropout_prob=0.5).train()
    first, second = (model(**batch(), **LABELS) for _ in range(2))
    assert torch.equal(first.start_log_probs, second.start_log_probs)
    assert torch.equal(first.end_log_probs, second.end_log_probs)
    assert not torch.equal(first.cls_logits, second.cls_logits)


def test_positions_beyond_the_window_are_left_out() -> None:
    inputs = batch()
    both = {"start_positions": torch.tensor([5, 99, 99]), "end_positions": torch.tensor([6, 99, 99])}
    loss = make()(**inputs, **both).loss
    one = {name: values[:1] for name, values in inputs.items()}
    torch.testing.assert_close(loss, make()(**one, **{name: part[:1] for name, part in both.items()}).loss)


def test_sequences_shorter_than_the_beam_are_answered() -> None:
    output = make()(input_ids=torch.tensor([[2, 7, 3]]))
    assert output.start_top_index.shape == (1, 3)
    assert output.end_top_index.shape == (1, 9)


def test_half_of_the_labels_is_refused() -> None:
    with pytest.raises(ModelError, match="start_positions and end_positions"):
        make()(**batch(), start_positions=LABELS["start_positions"])
    with pytest.raises(ModelError, match="is_impossible needs"):
        make()(**batch(), is_impossible=LABELS["is_impossible"])


def test_saved_and_loaded_it_answers_the_same(tmp_path: Path) -> None:
    model = make(start_n_top=3, end_n_top=2)
    model.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved["architectures"] == ["AlbertForQuestionAnsweringBeam"]
    assert (saved["start_n_top"], saved["end_n_top"]) == (3, 2)
    again, report = load_pretrained(AlbertForQuestionAnsweringBeam, tmp_path)
    assert not report.missing
    assert not report.unexpected
    expected, found = model(**batch()), again(**batch())
    for name in expected.keys():  # noqa: SIM118 - no mapping
        assert torch.equal(expected[name], found[name])


def test_a_tuple_holds_the_fields_in_order() -> None:
    output = make()(**batch(), return_dict=False)
    assert isinstance(output, tuple)
    assert len(output) == 5
    assert QuestionAnsweringBeamOutput(cls_logits=output[4]).to_tuple() == (output[4],)
