"""What each command hands to its stage, and what it refuses before that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from albert_cli import __version__
from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.requests import DEFAULT_MODEL, EvalOptions, RunOptions, RunRequest


def test_finetune_hands_over_recipe_and_options(albert: Any, stage: Any, recipes: Path) -> None:
    calls = stage("albert_cli.stages.finetune")
    outcome = albert(
        "finetune", recipes / "finetune.yaml", "--set", "train.keep=7", "--seed", "3", "--device", "-1",
        "--threads", "2", "--precision", "bf16", "--out", "there", "--resume", "--dry-run", "--json", "--quiet",
    )  # fmt: skip
    assert outcome.code == 0
    ((loaded, options), keywords) = calls[0]
    assert isinstance(loaded, LoadedRecipe)
    recipe: Any = loaded.recipe
    assert (recipe.train.keep, recipe.seed, recipe.out) == (7, 3, "there")
    assert (recipe.runtime.device, recipe.runtime.threads, recipe.runtime.precision) == ("cpu", 2, "bf16")
    assert options == RunOptions(resume=True, dry_run=True, json=True, quiet=True)
    assert keywords == {"seeds": None}


def test_seeds_are_a_list(albert: Any, stage: Any, recipes: Path) -> None:
    calls = stage("albert_cli.stages.finetune")
    albert("finetune", recipes / "finetune.yaml", "--seeds", "1, 2,3")
    assert calls[0][1] == {"seeds": [1, 2, 3]}


@pytest.mark.parametrize(
    "said", [["--seeds", "1,a"], ["--seeds", "1,1"], ["--seeds", ""], ["--seeds", "1", "--seed", "2"]]
)
def test_wrong_seeds_are_refused(albert: Any, stage: Any, recipes: Path, said: list[str]) -> None:
    calls = stage("albert_cli.stages.finetune")
    assert albert("finetune", recipes / "finetune.yaml", *said).code == 2
    assert calls == []


def test_resume_needs_the_run(albert: Any, stage: Any, recipes: Path) -> None:
    stage("albert_cli.stages.pretrain")
    outcome = albert("pretrain", recipes / "pretrain.yaml", "--resume")
    assert outcome.code == 2
    assert outcome.err == "error: --resume needs the run directory to continue\ntry: add --out DIR\n"


def test_a_recipe_of_another_stage_is_refused(albert: Any, stage: Any, recipes: Path) -> None:
    calls = stage("albert_cli.stages.pretrain")
    outcome = albert("pretrain", recipes / "finetune.yaml")
    assert outcome.code == 2
    assert "is a recipe for finetune, not for pretrain" in outcome.err
    assert calls == []


@pytest.mark.parametrize("said", [["--input", "a.txt", "b.txt"], ["--input", "a.txt", "--input", "b.txt"]])
def test_train_tokenizer_takes_files(albert: Any, stage: Any, said: list[str]) -> None:
    calls = stage("albert_cli.stages.train_tokenizer")
    assert albert("train-tokenizer", *said, "--set", "tokenizer.vocab_size=500", "--out", "tok").code == 0
    loaded = calls[0][0][0]
    assert set(loaded.recipe.data.path) == {"a.txt", "b.txt"}
    assert (loaded.recipe.tokenizer.vocab_size, loaded.recipe.out, loaded.path) == (500, "tok", None)


def test_train_tokenizer_takes_one_recipe(albert: Any, stage: Any) -> None:
    stage("albert_cli.stages.train_tokenizer")
    outcome = albert("train-tokenizer", "tokenizer/english", "tokenizer/english", "--set", "data.path=x")
    assert outcome.code == 2
    assert outcome.err.startswith("error: one recipe at a time\n")


def test_several_processes_are_launched_with_the_same_words(
    albert: Any, stage: Any, recipes: Path, monkeypatch: Any
) -> None:
    words = ["pretrain", str(recipes / "pretrain.yaml"), "--nproc", "2"]
    monkeypatch.setattr("sys.argv", ["albert", *words])
    calls = stage("albert_cli.training.launch", lambda: 4, function="relaunch")
    assert albert(*words).code == 4
    assert calls == [((2, words), {})]


def test_inside_a_launcher_the_work_is_done_here(albert: Any, stage: Any, recipes: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    calls = stage("albert_cli.stages.pretrain")
    assert albert("pretrain", recipes / "pretrain.yaml").code == 0
    assert albert("pretrain", recipes / "pretrain.yaml", "--nproc", "2").code == 0
    assert len(calls) == 2
    outcome = albert("pretrain", recipes / "pretrain.yaml", "--nproc", "3")
    assert outcome.code == 2
    assert "3 processes asked for (runtime.nproc), but the launcher started 2" in outcome.err


def test_a_dry_run_starts_no_processes(albert: Any, stage: Any, recipes: Path) -> None:
    calls = stage("albert_cli.stages.pretrain")
    assert albert("pretrain", recipes / "pretrain.yaml", "--nproc", "2", "--dry-run").code == 0
    assert calls[0][0][1].dry_run


def test_eval_hands_over_everything(albert: Any, stage: Any) -> None:
    calls = stage("albert_cli.stages.evaluate")
    outcome = albert(
        "eval",
        "T",
        "--model",
        "M",
        "--recipe",
        "R",
        "--fail-under",
        "f1=0.5",
        "--set",
        "a=1",
        "--device",
        "0",
        "--errors",
        "3",
        "--details",
    )
    assert outcome.code == 0
    assert calls == [
        (
            (["T"],),
            {
                "model": "M",
                "recipe": "R",
                "overrides": ["a=1"],
                "shortcuts": {"runtime.device": "0"},
                "predictions": None,
                "fail_under": {"f1": 0.5},
                "shown": EvalOptions(errors=3, details=True),
                "options": RunOptions(),
            },
        )
    ]


@pytest.mark.parametrize(
    "said",
    [
        ["--predictions", "p", "--model", "m"],
        ["--fail-under", "f1=high"],
        ["--fail-under", "f1=nan"],
        ["--fail-under", "=1"],
        ["--fail-under", "f1=1", "--fail-under", "f1=2"],
        ["--nproc", "0"],
    ],
)
def test_wrong_options_of_eval_are_refused(albert: Any, stage: Any, said: list[str]) -> None:
    calls = stage("albert_cli.stages.evaluate")
    assert albert("eval", "T", *said).code == 2
    assert calls == []


def test_predict_reads_stdin_in_one_process(albert: Any, stage: Any) -> None:
    calls = stage("albert_cli.stages.predict")
    assert albert("predict", "T", "-", "--out", "file.tsv").code == 0
    assert calls[0][0] == ("T", "-")
    assert calls[0][1]["out"] == Path("file.tsv")
    assert albert("predict", "T", "-", "--nproc", "2").code == 2


def test_run_hands_over_a_request(albert: Any, stage: Any) -> None:
    calls = stage("albert_cli.inference.run")
    outcome = albert(
        "run", "--task", "fill-mask", "--model", "m", "--top-k", "3", "--targets", "a, b", "--device", "-1", "x [MASK]"
    )
    assert outcome.code == 0
    request = calls[0][0][0]
    expected = RunRequest(task="fill-mask", model="m", texts=("x [MASK]",), top_k=3, targets=("a", "b"), device="cpu")
    assert request == expected


def test_run_says_which_model_it_took(albert: Any, stage: Any, monkeypatch: Any) -> None:
    calls = stage("albert_cli.inference.run")
    outcome = albert("run", "--task", "fill-mask", "x")
    assert calls[0][0][0].model == DEFAULT_MODEL
    assert DEFAULT_MODEL in outcome.err
    monkeypatch.setenv("ALBERT_MODEL", "mine")
    outcome = albert("run", "--task", "fill-mask", "x")
    assert calls[1][0][0].model == "mine"
    assert "mine ($ALBERT_MODEL)" in outcome.err
    assert albert("run", "--task", "fill-mask", "--quiet", "x").err == ""


@pytest.mark.parametrize(
    "said",
    [
        ["--task", "zero-shot-classification"],
        ["--task", "feature-extraction", "--top-k", "3"],
        ["--task", "text-classification", "--targets", "a"],
        ["--task", "fill-mask", "--pooling", "cls"],
        ["--task", "fill-mask", "--top-k", "0"],
        ["--task", "fill-mask", "--device", "gpu"],
        ["--task", "fill-mask", "--input", "f"],
        ["--task", "fill-mask", "--nproc", "2"],
    ],
)
def test_run_refuses_what_it_would_ignore(albert: Any, stage: Any, said: list[str]) -> None:
    calls = stage("albert_cli.inference.run")
    assert albert("run", "--model", "m", *said, "text").code == 2
    assert calls == []


def test_a_task_that_does_not_exist_lists_those_that_do(albert: Any) -> None:
    outcome = albert("run", "--task", "summarization")
    listed = "fill-mask, text-classification, token-classification"
    assert listed in outcome.err


@pytest.mark.parametrize("command", ["inspect", "prepare"])
def test_data_commands_hand_over_the_recipe(albert: Any, stage: Any, recipes: Path, command: str) -> None:
    calls = stage(f"albert_cli.stages.{command}")
    assert albert("data", command, recipes / "pretrain.yaml", "--json").code == 0
    loaded, options = calls[0][0]
    assert loaded.recipe.stage == "pretrain"
    assert options.json


def test_env_reports_without_private_paths(albert: Any) -> None:
    outcome = albert("env", "--json")
    assert outcome.code == 0
    facts = json.loads(outcome.out)
    assert facts["schema_version"] == 1
    assert facts["albert_cli"] == __version__
    assert facts["packages"]["torch"]
    assert str(Path.home()) not in outcome.out
    assert "torch" in albert("env").out
