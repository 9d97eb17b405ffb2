"""Does the bench of training measure the same work on both sides, and say what it did?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from albert_cli.errors import UsageError
from albert_cli.models.config import AlbertConfig
from albert_cli.recipe.requests import BenchTrainOptions
from albert_cli.stages.bench import train
from albert_cli.stages.bench.workloads import WORKLOADS, make_batch, operations, workload

SMALL: dict[str, Any] = {"size": "tiny", "batch_size": 4, "rounds": 1, "threads": 1, "quiet": True, "json": True}


def result_of(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    assert train.run(BenchTrainOptions(**{**SMALL, **options})) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("name", ["pretrain-128", "finetune-mnli", "finetune-race"])
def test_both_sides_begin_with_the_same_loss_and_outputs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = result_of(capsys, workload=name, versus="transformers", pad_to_max=name == "finetune-mnli")
    losses = [side["first_loss"] for side in found["sides"].values()]
    assert max(losses) - min(losses) < 1e-5
    assert found["largest_difference"] < 1e-5
    assert found["times_as_fast"]["ours / transformers"]["median"] > 0
    assert found["workload"] == name
    assert found["threads"] == 1
    assert len(losses) == (3 if name == "finetune-mnli" else 2)


def test_recomputed_layers_are_a_side_of_their_own_and_learn_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    found = result_of(capsys, workload="finetune-sst2", recompute=True)
    assert found["sides"]["ours"]["first_loss"] == found["sides"]["ours, recomputed"]["first_loss"]
    assert found["limit"]["fp32"] > 0


def test_memory_is_measured_in_processes_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    found = result_of(capsys, workload="pretrain-128", memory=True)
    assert found["memory"]["ours"]["peak_bytes"] > 1e6


def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    train.run(BenchTrainOptions(**{**SMALL, "json": False, "workload": "finetune-sst2"}))
    said = capsys.readouterr().out
    assert "tokens/s" in said
    assert "GFLOP/s" in said


def test_batches_are_a_function_of_the_seed_and_pad_as_much_as_the_data_do() -> None:
    one, two = (make_batch(WORKLOADS["finetune-sst2"], vocab_size=30000, seed=seed) for seed in (1, 1))
    assert one.lengths == two.lengths
    assert bool((one.input_ids == two.input_ids).all())
    lengths = [make_batch(WORKLOADS["finetune-sst2"], vocab_size=30000, seed=seed).lengths for seed in range(200)]
    slots = [len(each) * max(each) / sum(each) for each in lengths]
    assert 2.1 < sum(slots) / len(slots) < 2.6  # 2.31 in SST-2


def test_operations_count_what_the_head_looks_at() -> None:
    config = AlbertConfig.named("base")
    work = WORKLOADS["pretrain-512"]
    batch = make_batch(work, vocab_size=30000, seed=0)
    every_token = 0.57e9 * batch.num_tokens  # published count: operations a token, forward and backward
    assert 0.90 < operations(work, config, batch) / every_token < 0.97
    deeper = operations(work, config.changed(num_hidden_layers=13), batch) - operations(work, config, batch)
    layer = 6 * (batch.num_tokens * (4 * 768**2 + 2 * 768 * 3072) + 2 * 2 * 512**2 * 768)
    assert deeper == pytest.approx(layer)


def test_unknown_workloads_and_broken_questions_are_refused() -> None:
    with pytest.raises(UsageError, match="no workload 'glue'"):
        workload("glue")
    with pytest.raises(UsageError, match="no whole questions"):
        workload("finetune-race", sequences=6)
