"""Sums of losses against torch's own means."""

from __future__ import annotations

import types

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from albert_cli.data.batching import PackedBatch
from albert_cli.training.objectives import ClassificationObjective, PretrainingObjective


class Says(nn.Module):
    """Answers with what it was given, whatever it is asked."""

    def __init__(self, **answers):
        super().__init__()
        self.answers, self.asked = answers, {}

    def forward(self, **asked):
        self.asked = asked
        return types.SimpleNamespace(**self.answers)


def batch(**targets):
    return PackedBatch(
        input_ids=torch.arange(9),
        token_type_ids=torch.zeros(9, dtype=torch.int64),
        lengths=(2, 3, 4),
        indices=torch.arange(3),
        targets=targets,
    )


LOGITS = torch.tensor([[1.0, -2.0], [0.5, 0.25], [-1.0, 3.0]])


def test_one_class_is_cross_entropy_summed_over_examples():
    labels = torch.tensor([0, 1, 1])
    objective, asked = ClassificationObjective(), batch(labels=labels)
    model = Says(logits=LOGITS)
    sums = objective.sums(model, asked)
    assert (sums.losses["classification"] / 3).item() == pytest.approx(F.cross_entropy(LOGITS, labels).item())
    assert sums.metrics["correct"].item() == 2
    assert objective.counts(asked) == {"classification": 3.0}
    assert model.asked["layout"].lengths == (2, 3, 4)


def test_a_number_is_squared_error():
    labels, logits = torch.tensor([0.5, 2.0, -1.0]), LOGITS[:, :1]
    sums = ClassificationObjective("regression").sums(Says(logits=logits), batch(labels=labels))
    assert (sums.losses["classification"] / 3).item() == pytest.approx(F.mse_loss(logits[:, 0], labels).item())


def test_several_classes_are_binary_cross_entropy_meaned_over_classes():
    labels = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    sums = ClassificationObjective("multi_label_classification").sums(Says(logits=LOGITS), batch(labels=labels))
    expected = F.binary_cross_entropy_with_logits(LOGITS, labels)
    assert (sums.losses["classification"] / 3).item() == pytest.approx(expected.item())


def test_predictions_need_no_labels():
    predictions = ClassificationObjective().predictions(Says(logits=LOGITS.bfloat16()), batch())
    assert predictions.sums is None
    assert predictions.rows["logits"].dtype == torch.float32
    assert predictions.rows["logits"].shape == (3, 2)


def test_unknown_problem_types_are_refused():
    with pytest.raises(ValueError, match="unknown problem type 'ranking'"):
        ClassificationObjective("ranking")


def pretraining_batch(masked):
    return batch(
        masked_positions=torch.arange(masked),
        masked_labels=torch.arange(masked) % 5,
        shown_as_mask=torch.tensor([place % 2 == 0 for place in range(masked)], dtype=torch.bool),
        sentence_order_label=torch.tensor([0, 1, 0]),
    )


def test_masked_words_and_sentence_order_are_summed_apart():
    torch.manual_seed(0)
    words, order = torch.randn(4, 5), torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    words[0, 0] = 9.0  # right, shown as [MASK]
    asked = pretraining_batch(4)
    objective, model = PretrainingObjective(), Says(prediction_logits=words, sop_logits=order)
    sums, labels = objective.sums(model, asked), asked.targets["masked_labels"]
    each = F.cross_entropy(words, labels, reduction="none")
    assert sums.losses["mlm"].item() == pytest.approx(each.sum().item())
    assert (sums.losses["sop"] / 3).item() == pytest.approx(
        F.cross_entropy(order, asked.targets["sentence_order_label"]).item()
    )
    assert sums.metrics["sop_correct"].item() == 2
    hits = (words.argmax(-1) == labels).tolist()
    assert sums.metrics["mlm_correct"].item() == sum(hits)
    assert sums.metrics["mlm_masked"].item() == 2
    assert sums.metrics["mlm_masked_correct"].item() == hits[0] + hits[2]
    assert sums.metrics["mlm_masked_loss"].item() == pytest.approx((each[0] + each[2]).item())
    assert objective.counts(asked) == {"mlm": 4.0, "sop": 3.0}
    assert torch.equal(model.asked["masked_positions"], torch.arange(4))


def test_no_masked_word_is_a_zero_with_a_gradient():
    words = torch.zeros(0, 5, requires_grad=True)
    sums = PretrainingObjective().sums(Says(prediction_logits=words, sop_logits=LOGITS), pretraining_batch(0))
    assert sums.losses["mlm"].item() == 0.0
    sums.losses["mlm"].backward()
    assert words.grad.shape == (0, 5)


def test_masked_words_alone_need_no_sentence_head():
    objective = PretrainingObjective(sentence_order=False)
    sums = objective.sums(Says(logits=torch.zeros(2, 5)), pretraining_batch(2))
    assert set(sums.losses) == {"mlm"} == set(objective.counts(pretraining_batch(2)))
