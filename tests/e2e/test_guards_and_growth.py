"""Runs that go wrong and come back, or end with the cause; models that grow out of others."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command_line import albert, done, events, losses, separately, settings

from albert_cli.data.pretraining import PretrainingSource
from albert_cli.models.heads import AlbertForPreTraining
from albert_cli.training.objectives import PretrainingObjective

POISONED = 13


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data of one source step make every loss a nan."""
    take, compute = PretrainingSource.__getitem__, PretrainingObjective.sums

    def poisoned_take(source, step):
        batches = take(source, step)
        if step != POISONED:
            return batches
        return [replace(batch, targets={**batch.targets, "poison": torch.ones(1)}) for batch in batches]

    def poisoned_sums(objective, model, batch):
        sums = compute(objective, model, batch)
        if "poison" not in batch.targets:
            return sums
        return replace(sums, losses={name: loss * float("nan") for name, loss in sums.losses.items()})

    monkeypatch.setattr(PretrainingSource, "__getitem__", poisoned_take)
    monkeypatch.setattr(PretrainingObjective, "sums", poisoned_sums)


def test_a_run_with_poisoned_data_goes_back_and_leaves_them_out(poison: None, home: Path, tmp_path: Path) -> None:
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    recipe = (home / "pretrain.yaml", *settings(train__keep=9, train__max_steps=24))
    outcome = done("pretrain", *recipe, "--out", whole, "--json")
    assert outcome.result["rollbacks"] == 1
    assert outcome.result["skipped_steps"] == [[8, POISONED]]
    assert outcome.result["steps"] == 24
    assert "warning: the loss is not finite at step 14" in outcome.err
    assert "back to the checkpoint of step 8, leaving out the data of steps 8 to 13" in outcome.err
    steps = [line["step"] for line in events(whole, "train")]
    assert steps == sorted(set(steps)) == list(range(2, 25, 2))
    assert json.loads((whole / "status.json").read_text())["state"] == "done"
    # killed after step 16, which comes after the return
    shutil.copytree(whole, resumed, symlinks=True)
    shutil.rmtree(resumed / "checkpoints" / "step-00000024")
    done("pretrain", *recipe, "--out", resumed, "--resume")
    assert losses(resumed) == losses(whole)
    assert (resumed / "model/model.safetensors").read_bytes() == (whole / "model/model.safetensors").read_bytes()


def test_a_run_goes_on_exactly_with_another_number_of_workers(home: Path, pretrained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(pretrained, run, symlinks=True)
    shutil.rmtree(run / "checkpoints" / "step-00000024")
    done("pretrain", run, "--resume", "--out", run, "--set", "runtime.workers=2")
    assert losses(run) == losses(pretrained)
    assert (run / "model/model.safetensors").read_bytes() == (pretrained / "model/model.safetensors").read_bytes()


def test_poisoned_data_before_the_first_checkpoint_end_the_run(poison: None, home: Path, tmp_path: Path) -> None:
    late = settings(train__save_every=20, train__eval_every=20)
    outcome = albert("pretrain", home / "pretrain.yaml", *late, "--out", tmp_path / "run")
    outcome.refused(4, "not finite at step 14", "before the first checkpoint")
    never = settings(train__rollbacks=0)
    outcome = albert("pretrain", home / "pretrain.yaml", *never, "--out", tmp_path / "never")
    outcome.refused(4, "not finite at step 14")


@pytest.mark.parametrize("optimizer", ["lamb", "adamw"])
def test_a_learning_rate_a_hundred_times_too_high_ends_with_the_cause(
    optimizer: str, home: Path, tmp_path: Path
) -> None:
    rate = settings(
        train__optimizer=optimizer,
        train__learning_rate=0.2,
        train__max_steps=800,
        train__batch_size=32,
        train__warmup_steps=20,
        train__log_every=50,
        train__eval_every=100,
        train__save_every=50,
        train__dropout=0.0,
    )
    outcome = albert("pretrain", home / "pretrain.yaml", *rate, "--out", tmp_path / "run")
    outcome.refused(4, "most likely", "learning rate")
    assert outcome.err.splitlines()[-1].startswith("try: lower train.learning_rate")
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "failed"


def test_a_collapsed_run_that_was_stopped_ends_where_it_would_have(home: Path, tmp_path: Path) -> None:
    """Two bad blocks of steps make a collapse; the run goes on from a checkpoint between them."""
    run = tmp_path / "run"
    thrown = settings(
        train__optimizer="adamw",
        train__learning_rate=0.2,
        train__schedule="constant",
        train__max_steps=800,
        train__batch_size=32,
        train__warmup_steps=0,
        train__log_every=20,
        train__save_every=20,
        train__eval_every=400,
        train__dropout=0.0,
        train__spike=1000.0,
        train__keep=9,
    )
    outcome = albert("pretrain", home / "pretrain.yaml", *thrown, "--out", run)
    outcome.refused(4, "the model has collapsed by step")
    between = json.loads((run / "checkpoints" / "last" / "state.json").read_text())
    assert len(between["extra"]["watch"]["collapse"]["blocks"]) == 1
    again = albert("pretrain", home / "pretrain.yaml", *thrown, "--out", run, "--resume")
    assert again.err.splitlines()[-2:] == outcome.err.splitlines()[-2:]


def test_rates_before_the_warm_up(home: Path, tmp_path: Path) -> None:
    """0, or negative as in the original, before ``start_warmup_step``."""
    late = settings(train__start_warmup_step=4, train__max_steps=8, train__log_every=1, train__clip=1.0)
    rates = {}
    for kind in ("clamp", "keep"):
        run = tmp_path / kind
        done("pretrain", home / "pretrain.yaml", *late, "--set", f"train.negative_rates={kind}", "--out", run)
        rates[kind] = [line["learning_rate"] for line in events(run, "train")]
    assert rates["keep"][:4] == pytest.approx([-2e-3, -1.5e-3, -1e-3, -5e-4])
    assert rates["clamp"][:4] == [0, 0, 0, 0]
    assert rates["keep"][4:] == rates["clamp"][4:]


def test_a_deeper_model_with_other_pieces_grows_out_of_a_run(home: Path, pretrained: Path, tmp_path: Path) -> None:
    tokenizer, run = tmp_path / "tokenizer", tmp_path / "run"
    done("train-tokenizer", "--input", home / "text.txt", "--set", "tokenizer.vocab_size=60", "--out", tokenizer)
    grow = settings(
        init__from=pretrained,
        model__num_hidden_layers=3,
        model__parameter_sharing="attention",
        model__max_position_embeddings=80,
        data__max_length=72,
        init__positions="interpolate",
        tokenizer=tokenizer,
        train__max_steps=4,
    )
    recipe = home / "pretrain.yaml"
    albert("pretrain", recipe, *grow, "--out", run).refused(
        3, "the tokenizer is not that of", "ids mean the same piece"
    )
    outcome = done("pretrain", recipe, *grow, "--set", "init.vocabulary=resize", "--out", run)
    for said in (
        "layers: 2 -> 3",
        "groups of layers: 1 -> 3, copied",
        "positions: 64 -> 80 (interpolate)",
        "pieces keep",
    ):
        assert said in outcome.err
    assert events(run, "held_out")[0]["step"] == 0
    model = AlbertForPreTraining.from_pretrained(run / "model")
    assert model.config.parameter_sharing == "attention"
    layers = [group.albert_layers[0] for group in model.albert.encoder.albert_layer_groups]
    assert layers[0].attention is layers[2].attention
    assert not torch.equal(layers[0].ffn.weight, layers[2].ffn.weight)


def test_a_start_needs_no_model_and_no_tokenizer_of_its_own(home: Path, pretrained: Path, tmp_path: Path) -> None:
    recipe = json.loads((home / "pretrain.yaml").read_text())
    del recipe["model"], recipe["tokenizer"]
    (tmp_path / "on.yaml").write_text(json.dumps(recipe))
    refused = albert("pretrain", tmp_path / "on.yaml", "--out", tmp_path / "run")
    assert refused.code == 2
    assert "model is required without init.from" in refused.err
    on = settings(init__from=pretrained, train__max_steps=1, train__warmup_steps=0)
    done("pretrain", tmp_path / "on.yaml", *on, "--out", tmp_path / "run")
    before, best = events(tmp_path / "run", "held_out")[0], min(line["loss"] for line in events(pretrained, "held_out"))
    assert before["step"] == 0
    assert before["loss"] == pytest.approx(best, abs=1e-5)


def test_two_processes_with_the_original_adam_learn_what_one_learns(home: Path, tmp_path: Path) -> None:
    steps = settings(
        train__max_steps=50, train__warmup_steps=10, train__dropout=0.0, train__log_every=1, train__eval_every=50,
        train__optimizer="adamw", train__learning_rate=1e-4,
    )  # fmt: skip
    runs = [tmp_path / name for name in ("one", "two", "cut")]
    done("pretrain", home / "pretrain.yaml", *steps, "--out", runs[0])
    half = settings(train__batch_size=4)
    two = separately("pretrain", home / "pretrain.yaml", *steps, *half, "--nproc", "2", "--out", runs[1])
    assert two.code == 0, two.err
    done("pretrain", home / "pretrain.yaml", *steps, *half, "--set", "train.accumulate=2", "--out", runs[2])
    assert losses(runs[1]) == pytest.approx(losses(runs[0]), abs=1e-5)
    assert losses(runs[2]) == pytest.approx(losses(runs[0]), abs=1e-5)


def test_two_processes_go_back_together(home: Path, tmp_path: Path) -> None:
    rate = settings(
        train__learning_rate=0.2, train__max_steps=800, train__batch_size=16, train__warmup_steps=20,
        train__log_every=50, train__eval_every=100, train__save_every=50, train__dropout=0.0,
    )  # fmt: skip
    outcome = separately("pretrain", home / "pretrain.yaml", *rate, "--nproc", "2", "--out", tmp_path / "run")
    outcome.refused(4, "3 returns to an earlier checkpoint", "learning rate is too high")
    assert outcome.err.count("back to the checkpoint of step") == 3
