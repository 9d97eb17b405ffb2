"""Evaluation on one process: sums, order, modes, stopping."""

from __future__ import annotations

import math
import signal

import numpy as np
import pytest
import torch
from training_toys import FitLine, Line, cpu, line_batch

from albert_cli.training.evaluation import EvaluationStopped, evaluate
from albert_cli.training.interrupt import StopFlag
from albert_cli.training.objectives import Predictions


def test_uneven_batches_give_the_numbers_of_the_whole():
    batches = [line_batch([7, 8]), line_batch([1]), line_batch([2, 3, 4, 5, 6])]
    outcome = evaluate(Line(), FitLine(), batches=batches, accelerator=cpu())
    whole = line_batch(range(1, 9))
    x, y, weight = (whole.targets[name] for name in ("x", "y", "weight"))
    expected = (((0.5 * x - y) ** 2 * weight).sum() / weight.sum()).item()
    assert outcome.loss == pytest.approx(expected, rel=1e-6)
    assert outcome.losses == {"fit": outcome.loss}
    assert outcome.counts == {"fit": 6.0}
    assert outcome.indices.tolist() == list(range(1, 9))
    np.testing.assert_allclose(outcome.rows["y"], 0.5 * x, rtol=1e-6)


def test_dropout_is_off_and_the_model_is_left_as_it_was():
    model = Line(dropout=0.9)
    outcome = evaluate(model, FitLine(), batches=[line_batch(range(20))], accelerator=cpu(), workers=1)
    assert np.count_nonzero(outcome.rows["y"]) == 20
    assert model.training
    evaluate(model.eval(), FitLine(), batches=[line_batch([1])], accelerator=cpu())
    assert not model.training


def test_rows_of_different_lengths_stay_a_list_in_the_order_of_examples():
    class Ragged(FitLine):
        def predictions(self, model, batch):
            rows = [torch.full((index % 3 + 1,), float(index)) for index in batch.indices.tolist()]
            return Predictions(None, {"start": rows})

    outcome = evaluate(Line(), Ragged(), batches=[line_batch([4, 0]), line_batch([2])], accelerator=cpu())
    assert [row.tolist() for row in outcome.rows["start"]] == [[0.0], [2.0, 2.0, 2.0], [4.0, 4.0]]
    assert math.isnan(outcome.loss)
    assert outcome.counts == {}


def test_a_request_to_stop_ends_it():
    stop = StopFlag()
    stop.request(signal.SIGINT)
    with pytest.raises(EvaluationStopped) as raised:
        evaluate(Line(), FitLine(), batches=[line_batch([1])], accelerator=cpu(), stop=stop)
    assert raised.value.signal_number == signal.SIGINT


def test_nothing_to_evaluate_gives_nothing():
    outcome = evaluate(Line(), FitLine(), batches=[], accelerator=cpu())
    assert outcome.indices.shape == (0,)
    assert outcome.rows == {}
