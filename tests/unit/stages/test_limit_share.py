"""How much of the machine a run uses, by the products of its layers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from albert_cli.models.config import AlbertConfig
from albert_cli.stages import limit_share as module
from albert_cli.stages.bench.workloads import make_batch, operations, workload
from albert_cli.stages.limit_share import layer_operations, limit_share

BASE = AlbertConfig.named("base", vocab_size=1000)


def _accelerator(device: str = "cpu", processes: int = 1) -> Any:
    return SimpleNamespace(device=torch.device(device), num_processes=processes)


def test_the_layers_are_most_of_what_a_bench_counts() -> None:
    work = workload("pretrain-128")
    batch = make_batch(work, vocab_size=1000, seed=1)
    counted = layer_operations(BASE) * batch.num_tokens
    # The bench adds attention, and leaves out what the last layer does not compute: 15 % of the tokens are looked at.
    assert 0.9 < counted / operations(work, BASE, batch) < 1.1


@pytest.mark.parametrize(("precision", "processes", "share"), [("fp32", 1, 0.5), ("fp32", 2, 0.25), ("bf16", 1, 0.25)])
def test_the_share_is_that_of_the_precision_and_of_all_processes(
    monkeypatch: pytest.MonkeyPatch, precision: str, processes: int, share: float
) -> None:
    rate = layer_operations(BASE) * 1000 / 1e9
    monkeypatch.setattr(module, "product_limit", lambda shapes, device: {"fp32": 2 * rate, "bf16": 4 * rate})
    of = limit_share(BASE, _accelerator(processes=processes), precision)
    assert of is not None
    assert of(1000.0) == pytest.approx(share)


def test_measuring_draws_nothing_from_the_generator_of_the_run() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    of = limit_share(AlbertConfig.named("tiny", vocab_size=100), _accelerator(), "fp32")
    assert torch.equal(torch.get_rng_state(), before)
    assert of is not None
    assert of(1000.0) > 0


def test_a_device_that_nobody_measures_has_no_limit() -> None:
    assert limit_share(BASE, _accelerator("mps"), "fp32") is None
