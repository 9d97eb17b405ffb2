"""How much each class counts, against scikit-learn and torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight

from albert_cli.data.batching import PackedBatch
from albert_cli.errors import UsageError
from albert_cli.models.outputs import SequenceClassifierOutput
from albert_cli.stages.class_weights import balanced_weights, named_weights
from albert_cli.training.objectives import ClassificationObjective

LABELS = np.array([0, 0, 0, 0, 0, 1, 2, 2])


def test_balanced_is_what_scikit_learn_calls_balanced() -> None:
    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    assert balanced_weights(LABELS, 3) == pytest.approx(expected.tolist())


def test_a_class_without_rows_changes_nothing_for_the_others() -> None:
    assert balanced_weights(LABELS, 4) == [*balanced_weights(LABELS, 3), 1.0]


def test_names_are_put_in_the_order_of_the_classes() -> None:
    assert named_weights({"yes": 3.0, "no": 1.0}, ["no", "yes"]) == [1.0, 3.0]


@pytest.mark.parametrize(
    ("asked", "words"), [({"no": 1.0}, "none for 'yes'"), ({"no": 1.0, "yes": 1.0, "oui": 1.0}, "no class 'oui'")]
)
def test_names_must_be_those_of_the_classes(asked: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        named_weights(asked, ["no", "yes"])
    assert "no, yes" in str(caught.value.hint)


class _Fixed(torch.nn.Module):
    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(logits)

    def forward(self, input_ids: torch.Tensor, **_: object) -> SequenceClassifierOutput:
        return SequenceClassifierOutput(logits=self.logits[input_ids])


def test_the_loss_is_the_weighted_mean_of_torch_however_the_batch_is_cut() -> None:
    logits = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    weights = balanced_weights(LABELS, 3)
    model, objective = _Fixed(logits), ClassificationObjective(class_weights=weights)
    total, count, right, examples = torch.zeros(()), 0.0, 0, 0
    for rows in (range(3), range(3, 8)):
        labels = torch.from_numpy(LABELS[list(rows)])
        ids = torch.tensor(list(rows))
        batch = PackedBatch(ids, torch.zeros_like(ids), (1,) * len(ids), ids, {"labels": labels})
        sums = objective.sums(model, batch)
        total = total + sums.losses["classification"]
        count += objective.counts(batch)["classification"]
        right += int(sums.metrics["correct"])
        examples += int(sums.metrics["examples"])
    expected = F.cross_entropy(logits, torch.from_numpy(LABELS), weight=torch.tensor(weights))
    assert (total / count).item() == pytest.approx(expected.item(), abs=1e-6)
    assert (right, examples) == (int((logits.argmax(-1).numpy() == LABELS).sum()), 8)


def test_class_weights_need_single_labels() -> None:
    with pytest.raises(ValueError, match="single labels"):
        ClassificationObjective("regression", class_weights=[1.0])
