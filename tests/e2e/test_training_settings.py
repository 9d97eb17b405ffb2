"""Settings of training that a user reaches for, through the whole command: what they change and what they leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import albert, done, events, losses, settings, status
from safetensors.torch import load_file

from albert_cli.files import limits
from albert_cli.stages.attempts import seed_of_attempt
from albert_cli.training.checkpoint import list_checkpoints
from albert_cli.training.objectives import ClassificationObjective, PretrainingObjective

FEW = settings(train__max_steps=6, train__eval_every=3, train__log_every=1, train__warmup_steps=0)
COLLAPSING = settings(
    train__max_steps=8, train__learning_rate=0.5, train__warmup_steps=0, train__eval_every=1, train__log_every=1
)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model" / "model.safetensors")


def test_frozen_parts_keep_their_weights(home: Path, pretrained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    start = settings(model=pretrained, tokenizer="null", train__freeze="[embeddings, encoder]")
    outcome = done("finetune", home / "finetune.yaml", *FEW, *start, "--out", run)
    assert "frozen: embeddings, encoder (" in outcome.err
    before, after = weights(pretrained), weights(run)
    kept = {name for name in after if name in before and torch.equal(after[name], before[name])}
    assert kept == {name for name in after if name.startswith(("albert.embeddings", "albert.encoder"))}


def test_another_task_gives_its_encoder_and_not_its_head(home: Path, finetuned: Path, tmp_path: Path) -> None:
    """As RTE starts from MNLI; the architecture and tokenizer come along, so that `model` need not be there."""
    run = tmp_path / "run"
    still = settings(train__learning_rate=1e-12, model="albert-base-v2", tokenizer="null", init__from=finetuned)
    outcome = done("finetune", home / "finetune.yaml", *FEW, *still, "--out", run)
    assert f"drawn anew, not taken from {finetuned}: classifier.bias, classifier.weight" in outcome.err
    before, after = weights(finetuned), weights(run)
    assert before.keys() == after.keys()
    for name, weight in after.items():
        same = torch.allclose(weight, before[name], atol=1e-8)
        assert same == (name != "classifier.weight") or name == "classifier.bias", name


def test_time_that_is_up_writes_the_model_and_can_be_resumed(home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("finetune", home / "finetune.yaml", *FEW, "--max-hours", "1e-9", "--out", run)
    assert status(run)["state"] == "done"
    assert status(run)["reason"] == "stopped: train.max_hours, after step 1"
    assert [line["step"] for line in events(run, "dev")] == [1]
    assert (run / "model" / "model.safetensors").exists()
    done("finetune", home / "finetune.yaml", *FEW, "--resume", "--out", run)
    assert status(run) | {"updated": 0} == {"state": "done", "reason": None, "step": None, "updated": 0}
    assert [line["step"] for line in events(run, "train")] == [1, 2, 3, 4, 5, 6]


def test_a_collapsed_run_begins_anew_from_another_seed(home: Path, tmp_path: Path) -> None:
    run, alone = tmp_path / "run", tmp_path / "alone"
    outcome = done(
        "finetune", home / "finetune.yaml", *COLLAPSING, *settings(train__restarts=1), "--out", run, "--json"
    )
    seed = seed_of_attempt(42, 1)
    assert f"beginning anew with seed {seed}" in outcome.err
    assert "collapsed in all 2 attempts: every row is answered" in outcome.err
    assert outcome.result["seed"] == seed
    assert outcome.result["collapse"].startswith("every row is answered")
    given_up = json.loads((run / "attempts.json").read_text())["given_up"]
    assert [attempt["seed"] for attempt in given_up] == [42]
    first = [json.loads(line) for line in (run / "metrics-attempt-1.jsonl").read_text().splitlines()]
    assert max(line["step"] for line in first) == 4  # given up half-way
    done("finetune", home / "finetune.yaml", *COLLAPSING, "--seed", str(seed), "--out", alone)
    assert losses(run) == losses(alone)


def test_a_collapsed_run_fails_where_that_was_asked_for(home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ("finetune", home / "finetune.yaml", *COLLAPSING, *settings(train__collapse="fail"), "--out", run)
    albert(*words).refused(4, "the model collapsed: every row is answered")
    assert status(run)["state"] == "failed"
    assert not (run / "model").exists()
    albert(*words, "--resume").refused(4, "the model collapsed")  # the verdict stays


def test_a_run_killed_between_two_attempts_goes_on_with_the_second(home: Path, tmp_path: Path) -> None:
    """The file says so already, the first attempt's checkpoints are still there."""
    run = tmp_path / "run"
    words = ("finetune", home / "finetune.yaml", *COLLAPSING, *settings(train__restarts=1), "--out", run)
    done(*words)
    wanted = losses(run)
    done("finetune", home / "finetune.yaml", *COLLAPSING, "--out", tmp_path / "first")
    for path in (tmp_path / "first" / "checkpoints").iterdir():
        target = run / "checkpoints" / path.name
        if path.is_symlink():
            continue
        if not target.exists():
            path.rename(target)
        else:
            (target / "state.json").write_text((path / "state.json").read_text())
    outcome = done(*words, "--resume")
    assert "starting from the first step" in outcome.err
    assert losses(run) == wanted


def test_memory_that_runs_out_changes_no_loss(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, cut = tmp_path / "plain", tmp_path / "cut"
    still = settings(train__dropout=0.0, train__classifier_dropout=0.0)
    done("finetune", home / "finetune.yaml", *FEW, *still, "--out", plain)
    sums = ClassificationObjective.sums

    def hungry(self: Any, model: Any, batch: Any) -> Any:
        if len(batch.lengths) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return sums(self, model, batch)

    monkeypatch.setattr(ClassificationObjective, "sums", hungry)
    auto = settings(train__batch_size="auto", train__effective_batch=8)
    outcome = done("finetune", home / "finetune.yaml", *FEW, *still, *auto, "--out", cut)
    assert "batch: 8 = 8 x 1 micro-batches x 1 processes" in outcome.err
    assert outcome.err.count("out of memory at step 1") == 2
    assert "micro-batches of 2, 4 for each step; the effective batch stays" in outcome.err
    assert losses(cut) == pytest.approx(losses(plain), abs=1e-5)


def test_pretraining_survives_a_lack_of_memory_in_the_middle(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, cut = tmp_path / "plain", tmp_path / "cut"
    few = settings(train__max_steps=6, train__log_every=1, train__dropout=0.0)
    done("pretrain", home / "pretrain.yaml", *few, "--out", plain)
    sums, calls = PretrainingObjective.sums, []

    def hungry(self: Any, model: Any, batch: Any) -> Any:
        calls.append(len(batch.lengths))
        if model.training and len(calls) > 3 and len(batch.lengths) > 4:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return sums(self, model, batch)

    monkeypatch.setattr(PretrainingObjective, "sums", hungry)
    outcome = done("pretrain", home / "pretrain.yaml", *few, "--out", cut)
    assert "out of memory at step 4: from here on micro-batches of 4, 2 for each step" in outcome.err
    assert losses(cut) == pytest.approx(losses(plain), abs=1e-5)


def test_a_disk_that_fills_up_loses_no_checkpoint(
    home: Path, finetuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room before the first step and for the first checkpoint, none for the second; later none for the model."""
    run = tmp_path / "run"
    words = ("finetune", home / "finetune.yaml", "--out", run)
    free, asked = limits.free_bytes, []

    def filling_up(path: Path) -> int:
        asked.append(path)
        return 0 if len(asked) > room else free(path)

    monkeypatch.setattr(limits, "free_bytes", filling_up)
    room = 2
    albert(*words).refused(3, "no room for a checkpoint")
    assert status(run)["state"] == "failed"
    assert [path.name for path in list_checkpoints(run / "checkpoints")] == ["step-00000008"]
    asked.clear()
    room = 3
    albert(*words, "--resume").refused(3, "no room for the model")
    asked.clear()
    room = 99
    done(*words, "--resume")
    assert events(run) == events(finetuned)
    assert (run / "model" / "model.safetensors").read_bytes() == (
        finetuned / "model" / "model.safetensors"
    ).read_bytes()


def test_a_processor_without_memory_is_exit_4(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hungry(*_: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr(ClassificationObjective, "sums", hungry)
    outcome = albert("finetune", home / "finetune.yaml", *FEW, "--out", tmp_path / "run")
    outcome.refused(4, "out of memory in the forward and backward pass of 8 examples")
    assert status(tmp_path / "run")["state"] == "failed"


def test_rates_weights_and_order_are_taken_from_the_recipe(home: Path, tmp_path: Path) -> None:
    plain, changed = tmp_path / "plain", tmp_path / "changed"
    done("finetune", home / "finetune.yaml", *FEW, "--out", plain)
    said = settings(
        train__head_learning_rate=1e-2,
        train__layer_decay=0.5,
        train__class_weights="balanced",
        train__attention_dropout=0.2,
        data__order="grouped",
        train__early_stop=1,
    )
    outcome = done("finetune", home / "finetune.yaml", *FEW, *said, "--out", changed)
    assert "class weights: 0 " in outcome.err
    assert "best checkpoint: the highest accuracy on dev, measured every 3 steps; of equals the first" in outcome.err
    assert "training stops after 1 evaluations without a better one" in outcome.err
    assert losses(changed) != losses(plain)
    assert [line["learning_rate"] for line in events(changed, "train")] == [
        line["learning_rate"] for line in events(plain, "train")
    ]
    config = json.loads((changed / "model" / "config.json").read_text())
    assert (config["attention_probs_dropout_prob"], config["hidden_dropout_prob"]) == (0.2, 0.1)


def test_classes_that_get_a_weight_must_be_those_of_the_task(home: Path, tmp_path: Path) -> None:
    wrong = settings(train__class_weights="{0: 1.0, 2: 3.0}")
    outcome = albert("finetune", home / "finetune.yaml", *FEW, *wrong, "--out", tmp_path / "run")
    outcome.refused(2, "no class '2'; none for '1'")


def test_a_search_leaves_runs_and_names_the_best(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "search"
    words = ("finetune", home / "finetune.yaml", *FEW, "--search", "learning_rate=1e-9,5e-3", "--out", out, "--json")
    result = done(*words).result
    scores = {trial["values"]["train.learning_rate"]: trial["score"] for trial in result["trials"]}
    assert result["best"]["score"] == max(scores.values())
    assert losses(out / result["trials"][0]["run"]) != losses(out / result["trials"][1]["run"])
    scores = done("eval", out / "best", "--json").result["scores"]
    assert scores["dev"]["accuracy"]["value"] == pytest.approx(result["best"]["score"])
