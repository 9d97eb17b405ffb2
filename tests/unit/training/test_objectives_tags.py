"""The loss of tagged words against torch's own mean."""

from __future__ import annotations

import types

import torch
import torch.nn.functional as F
from torch import nn

from albert_cli.data.batching import PackedBatch
from albert_cli.training.objectives_tags import TaggingObjective

TOKENS, TAGS = 9, 4


class Says(nn.Module):
    """Answers with the logits it was given."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, **_):
        return types.SimpleNamespace(logits=self.logits)


def batch(*, with_labels=True):
    targets = {"word_positions": torch.tensor([1, 3, 6, 7]), "word_counts": torch.tensor([2, 2])}
    if with_labels:
        targets["labels"] = torch.tensor([0, 3, 1, 1])
    return PackedBatch(
        input_ids=torch.arange(TOKENS),
        token_type_ids=torch.zeros(TOKENS, dtype=torch.int64),
        lengths=(5, 4),
        indices=torch.arange(2),
        targets=targets,
    )


def test_the_loss_is_a_sum_over_words_and_the_words_are_its_denominator():
    logits = torch.randn(TOKENS, TAGS, generator=torch.Generator().manual_seed(1), requires_grad=True)
    objective, mine = TaggingObjective(), batch()
    sums = objective.sums(Says(logits), mine)
    padded = torch.full((TOKENS,), -100)
    padded[mine.targets["word_positions"]] = mine.targets["labels"]
    mean = F.cross_entropy(logits, padded, ignore_index=-100)
    torch.testing.assert_close(sums.losses["tags"] / objective.counts(mine)["tags"], mean)
    right = (logits.argmax(-1) == padded).sum()
    assert sums.metrics["correct"] == right
    sums.losses["tags"].backward()
    assert logits.grad[[0, 2, 4, 5, 8]].abs().sum() == 0


def test_each_window_keeps_the_logits_of_its_words():
    logits = torch.randn(TOKENS, TAGS)
    said = TaggingObjective().predictions(Says(logits), batch(with_labels=False))
    assert said.sums is None
    rows = said.rows["logits"]
    assert [row.shape for row in rows] == [(2, TAGS), (2, TAGS)]
    torch.testing.assert_close(torch.cat(rows), logits[[1, 3, 6, 7]])
