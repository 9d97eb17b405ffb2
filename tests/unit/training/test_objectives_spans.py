"""Losses of questions about texts: sums against the models' own means, and against their definitions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from albert_cli.data.batching import PackedBatch
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForQuestionAnswering, AlbertForQuestionAnsweringBeam
from albert_cli.models.layout import PackedLayout
from albert_cli.training.objectives_spans import BeamObjective, SpanObjective

LENGTHS = (7, 9, 4)
# The first half of each window is the question.
FIRST = (3, 4, 2)


def window_batch(*, with_labels: bool = True) -> PackedBatch:
    draw = torch.Generator().manual_seed(5)
    types = torch.cat([(torch.arange(length) >= first).long() for length, first in zip(LENGTHS, FIRST, strict=True)])
    allowed = torch.cat(
        [
            ((place := torch.arange(length)) == 0) | ((place >= first) & (place < length - 1))
            for length, first in zip(LENGTHS, FIRST, strict=True)
        ]
    )
    labels = {
        "start_positions": torch.tensor([4, 0, 2]),
        "end_positions": torch.tensor([5, 0, 2]),
        "is_impossible": torch.tensor([0, 1, 0]),
    }
    return PackedBatch(
        input_ids=torch.randint(5, 30, (sum(LENGTHS),), generator=draw),
        token_type_ids=types,
        lengths=LENGTHS,
        indices=torch.arange(3),
        targets={"p_mask": ~allowed, **(labels if with_labels else {})},
    )


def make(cls: Any) -> Any:
    torch.manual_seed(2)
    return cls(
        AlbertConfig(
            vocab_size=30,
            embedding_size=8,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            initializer_range=0.4,
            classifier_dropout_prob=0.0,
        )
    ).eval()


def own_loss(model: Any, batch: PackedBatch, **inputs: Tensor) -> float:
    """What the model itself says: a mean over windows."""
    output = model(
        batch.input_ids,
        token_type_ids=batch.token_type_ids,
        layout=PackedLayout.from_lengths(batch.lengths),
        **inputs,
    )
    return float(output.loss.item())


def test_first_and_last_token_share_the_loss() -> None:
    model, batch, objective = make(AlbertForQuestionAnswering), window_batch(), SpanObjective()
    sums = objective.sums(model, batch)
    assert objective.counts(batch) == {"span": 3.0}
    labels = {name: batch.targets[name] for name in ("start_positions", "end_positions")}
    assert sums.losses["span"].item() / 3 == pytest.approx(own_loss(model, batch, **labels), rel=1e-6)


def test_the_beam_adds_half_of_answerability() -> None:
    model, batch, objective = make(AlbertForQuestionAnsweringBeam), window_batch(), BeamObjective()
    sums = objective.sums(model.train(), batch)
    counts = objective.counts(batch)
    assert sums.losses.keys() == counts.keys() == {"span", "answerability"}
    total = sum(sums.losses[name].item() / counts[name] for name in counts)
    assert total == pytest.approx(own_loss(model, batch, **batch.targets), rel=1e-6)


@pytest.mark.parametrize(
    ("cls", "objective"),
    [(AlbertForQuestionAnswering, SpanObjective()), (AlbertForQuestionAnsweringBeam, BeamObjective())],
)
def test_hits_are_windows_with_both_ends_right(cls: Any, objective: Any) -> None:
    model, batch = make(cls), window_batch()
    sums = objective.sums(model, batch)
    assert 0 <= int(sums.metrics["correct"]) <= 3
    if cls is AlbertForQuestionAnswering:
        rows = objective.predictions(model, batch).rows
        starts = torch.stack([row.argmax() for row in rows["start_logits"]])
        ends = torch.stack([row.argmax() for row in rows["end_logits"]])
        targets = {"start_positions": starts, "end_positions": ends}
        assert int(objective.sums(model, replace(batch, targets={**batch.targets, **targets})).metrics["correct"]) == 3


def test_what_a_window_says_does_not_depend_on_its_neighbours() -> None:
    model, batch = make(AlbertForQuestionAnswering), window_batch(with_labels=False)
    predictions = SpanObjective().predictions(model, batch)
    assert predictions.sums is None
    assert [len(row) for row in predictions.rows["start_logits"]] == list(LENGTHS)
    begin = LENGTHS[0]
    alone = PackedBatch(
        batch.input_ids[begin : begin + 9], batch.token_type_ids[begin : begin + 9], (9,), torch.tensor([1])
    )
    for name in ("start_logits", "end_logits"):
        torch.testing.assert_close(
            SpanObjective().predictions(model, alone).rows[name][0], predictions.rows[name][1], atol=1e-5, rtol=1e-5
        )


def test_the_beam_of_unlabelled_windows_stays_inside_the_text() -> None:
    model, batch = make(AlbertForQuestionAnsweringBeam), window_batch(with_labels=False)
    predictions = BeamObjective(start_n_top=2, end_n_top=2).predictions(model, batch)
    assert predictions.sums is None
    assert predictions.rows["end_top_index"].shape == (3, 4)
    for window, (length, first) in enumerate(zip(LENGTHS, FIRST, strict=True)):
        allowed = {0, *range(first, length - 1)}
        assert set(predictions.rows["start_top_index"][window].tolist()) <= allowed
        scores = predictions.rows["start_top_log_probs"][window]
        assert bool((scores > -1e3).all())
    labelled = BeamObjective().predictions(model, window_batch())
    assert labelled.sums is not None
    assert labelled.rows["end_top_index"].shape[1] > 4
