"""Our metrics as objects of the ``evaluate`` library, without network."""

from __future__ import annotations

import subprocess
import sys

import evaluate
import numpy as np
import pytest

from albert_cli.metrics.adapters import evaluate_metric
from albert_cli.metrics.glue import METRICS


@pytest.mark.parametrize("name", list(METRICS))
def test_same_score_through_evaluate(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(1)
    shape = (12, 3) if name in ("exact_match", "multilabel_micro_f1", "multilabel_macro_f1") else (12,)
    predicted, true = draw.integers(0, 2, shape), draw.integers(0, 2, shape)
    metric = evaluate_metric(name)
    assert isinstance(metric, evaluate.Metric)
    assert metric.compute(predictions=predicted.tolist(), references=true.tolist()) == {
        name: float(METRICS[name](predicted, true))
    }
    assert list(tmp_path.iterdir()) == []


def test_combined_and_in_batches():
    combined = evaluate.combine([evaluate_metric("accuracy"), evaluate_metric("f1")])
    assert combined.compute(predictions=[0, 1, 1], references=[0, 1, 0]) == pytest.approx(
        {"accuracy": 2 / 3, "f1": 2 / 3}
    )
    metric = evaluate_metric("accuracy")
    metric.add_batch(predictions=[0, 1], references=[0, 1])
    metric.add_batch(predictions=[0], references=[1])
    assert metric.compute()["accuracy"] == pytest.approx(2 / 3)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="known: accuracy"):
        evaluate_metric("bleu")


def test_metrics_load_neither_evaluate_nor_torch():
    code = (
        "import sys, albert_cli.metrics.adapters, albert_cli.metrics.stats\n"
        "print({'evaluate', 'datasets', 'torch', 'scipy', 'sklearn'} & set(sys.modules))"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "set()"
