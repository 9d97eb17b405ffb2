"""What cannot work is refused with one clear message and the right exit code, and nothing is written over."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import albert, done, files, refuse_without_a_trace, settings, status
from safetensors.torch import load_file, save_file

from albert_cli.files.lock import lock_directory

FIVE_MISTAKES = """\
stage: pretrain
model: tinny
tokenizer: tok
data:
  path: text.txt
  max_lenght: 64
train:
  batch_size: "8"
  max_steps: 10
  warmup_steps: 20
  learning_rate: 7
"""


@pytest.fixture
def reviews(home: Path, tmp_path: Path) -> Path:
    """Rows of our own to spoil."""
    return Path(shutil.copytree(home / "SST-2", tmp_path / "SST-2"))


def test_five_mistakes_are_five_located_lines(tmp_path: Path) -> None:
    recipe, out = tmp_path / "five.yaml", tmp_path / "out"
    recipe.write_text(FIVE_MISTAKES)
    outcome = albert("pretrain", recipe, "--out", out)
    assert outcome.code == 2
    errors = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    places = [(2, "model"), (6, "data.max_lenght"), (8, "train.batch_size"), (10, "train.warmup_steps")]
    for number, key in [*places, (11, "train.learning_rate")]:
        assert any(line.startswith(f"error: {recipe}:{number} {key} ") for line in errors), (number, outcome.err)
    assert len(errors) == 5
    assert "did you mean 'max_length'?" in outcome.err
    assert not out.exists()


def test_text_that_is_not_there_or_says_nothing(home: Path, tmp_path: Path) -> None:
    recipe, out, empty = home / "pretrain.yaml", tmp_path / "out", tmp_path / "empty.txt"
    empty.write_text("\n \n")
    for path, words in ((tmp_path / "none.txt", "none.txt"), (empty, "empty.txt")):
        outcome = albert("pretrain", recipe, *settings(data__path=path, data__cache=tmp_path / "cache"), "--out", out)
        refuse_without_a_trace(outcome, 3, out, words)
    outcome = albert("train-tokenizer", "--input", empty, "--out", out)
    outcome.refused(3)


def test_text_too_short_for_one_example(home: Path, tmp_path: Path) -> None:
    text, out = tmp_path / "short.txt", tmp_path / "out"
    text.write_text("one.\n")
    outcome = albert(
        "pretrain", home / "pretrain.yaml", *settings(data__path=text, data__cache=tmp_path / "cache"), "--out", out
    )
    refuse_without_a_trace(outcome, 3, out)


@pytest.mark.parametrize("command", ["pretrain", "finetune"])
def test_a_tokenizer_of_another_model(command: str, home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcome = albert(command, home / f"{command}.yaml", "--set", "model.vocab_size=76", "--out", out)
    refuse_without_a_trace(outcome, 3, out, "the tokenizer has 75 pieces, the model's vocab_size is 76")


def test_sequences_longer_than_the_model_knows(home: Path, pretrained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    long = settings(model=pretrained, tokenizer="null", data__max_length=128)
    outcome = albert("finetune", home / "finetune.yaml", *long, "--out", out)
    refuse_without_a_trace(outcome, 3, out, "data.max_length is 128, the model has positions for 64")


@pytest.mark.parametrize(
    ("line", "words"),
    [("fine words\t2", "2"), ("fine words\tmaybe", "maybe"), ("fine words", "train.tsv"), ("fine\t1\t1", "train.tsv")],
)
def test_labels_that_the_task_does_not_have(line: str, words: str, home: Path, reviews: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train = reviews / "train.tsv"
    train.write_text(train.read_text() + line + "\n")
    outcome = albert("finetune", home / "finetune.yaml", *settings(data__path=reviews), "--out", out)
    refuse_without_a_trace(outcome, 3, out, words)


def test_rows_without_labels_teach_nothing(home: Path, reviews: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for split in ("train", "dev"):
        labelled = (reviews / f"{split}.tsv").read_text()
        (reviews / f"{split}.tsv").write_text((reviews / "test.tsv").read_text())
        outcome = albert("finetune", home / "finetune.yaml", *settings(data__path=reviews), "--out", out)
        refuse_without_a_trace(outcome, 3, out, split)
        (reviews / f"{split}.tsv").write_text(labelled)


def test_a_loss_that_is_not_finite(home: Path, finetuned: Path, tmp_path: Path) -> None:
    """The run keeps what it had, says failed, and its last word is no defect."""
    model, run = tmp_path / "model", tmp_path / "run"
    shutil.copytree(finetuned / "model", model)
    weights = load_file(model / "model.safetensors")
    weights["classifier.bias"][0] = float("inf")
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    outcome = albert("finetune", home / "finetune.yaml", *settings(model=model, tokenizer="null"), "--out", run)
    outcome.refused(4, "the loss is not finite at step 1")
    assert status(run)["state"] == "failed"
    assert "not finite" in status(run)["reason"]
    assert not (run / "model").exists()
    assert not list(run.glob("checkpoints/*"))


def test_a_run_directory_is_never_overwritten(home: Path, finetuned: Path, tmp_path: Path) -> None:
    before = files(finetuned)
    albert("finetune", home / "finetune.yaml", "--out", finetuned).refused(2, "already holds a run")
    albert("pretrain", home / "pretrain.yaml", "--out", finetuned).refused(2, "already holds a run")
    albert("train-tokenizer", "--input", home / "text.txt", "--out", finetuned).refused(2, "already holds")
    assert files(finetuned) == before
    occupied = tmp_path / "file"
    occupied.write_text("mine")
    albert("finetune", home / "finetune.yaml", "--out", occupied).refused(2, "is a file")
    assert occupied.read_text() == "mine"


def test_nothing_to_resume(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "none"
    refuse_without_a_trace(albert("finetune", home / "finetune.yaml", "--resume", "--out", out), 3, out, "nothing")


def test_one_process_at_a_time_in_a_run(home: Path, finetuned: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finetuned, run, symlinks=True)
    before = files(run)
    with lock_directory(run):
        locked = albert("finetune", home / "finetune.yaml", "--resume", "--out", run)
    locked.refused(3, "another run is writing into")
    before.pop("run.lock", None)
    assert {name: content for name, content in files(run).items() if name != "run.lock"} == before


def test_a_place_that_cannot_be_written(home: Path, tmp_path: Path) -> None:
    """A file in the path stops everybody, root included."""
    (tmp_path / "file").write_text("")
    outcome = albert("finetune", home / "finetune.yaml", "--out", tmp_path / "file" / "run")
    outcome.refused(2, "cannot make the run directory")


@pytest.mark.parametrize("model", ["nowhere", "./nowhere"])
def test_a_model_that_is_not_there(
    model: str, home: Path, finetuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    out = tmp_path / "out"
    change = settings(model=model, tokenizer="null")
    refuse_without_a_trace(albert("finetune", home / "finetune.yaml", *change, "--out", out), 3, out, "nowhere")
    albert("eval", finetuned, "--model", model).refused(3, "nowhere")


def test_a_head_that_was_never_trained_gives_no_scores(home: Path, pretrained: Path) -> None:
    outcome = albert("eval", home / "finetune.yaml", "--model", pretrained)
    outcome.refused(3, "has no trained head", "classifier.weight")
    albert("predict", home / "finetune.yaml", home / "SST-2" / "test.tsv", "--model", pretrained).refused(
        3, "classifier"
    )


def test_a_threshold(finetuned: Path) -> None:
    done("eval", finetuned, "--fail-under", "accuracy=0.01")
    albert("eval", finetuned, "--fail-under", "accuracy=0.999").refused(5, "dev accuracy is", "below 0.999")
    albert("eval", finetuned, "--fail-under", "acuracy=0.1").refused(2, "names no score: acuracy")


def test_commands_that_do_not_say_enough(finetuned: Path, home: Path) -> None:
    albert("eval", home / "finetune.yaml").refused(2, "no model to use")
    albert("eval", finetuned / "model").refused(2, "does not say which data")
    albert("predict", finetuned, home / "none.tsv").refused(3, "none.tsv")
    albert("predict", finetuned, home / "SST-2" / "test.tsv", "--json").refused(2, "--json")


def test_a_broken_recipe_in_a_run_is_no_defect(finetuned: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finetuned, run, symlinks=True)
    (run / "recipe.yaml").write_text(json.dumps({"stage": "finetune"}))
    outcome = albert("eval", run)
    assert outcome.code == 2, outcome.err
    (run / "model" / "model.safetensors").write_bytes(b"\0" * 64)
    shutil.copy(finetuned / "recipe.yaml", run / "recipe.yaml")
    albert("eval", run).refused(3, "model.safetensors")
