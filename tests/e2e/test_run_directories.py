"""What a finished run leaves behind, and what the other commands make of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import albert, done, events, files, settings, status

PRETRAINING_VALUES = {
    "loss",
    "mlm_loss",
    "sop_loss",
    "mlm_accuracy",
    "sop_accuracy",
    "mlm_loss_masked",
    "mlm_accuracy_masked",
    "mlm_loss_unigram",
}


@pytest.mark.parametrize("name", ["pretrained", "finetuned"])
def test_the_files_of_a_run(name: str, request: pytest.FixtureRequest) -> None:
    run: Path = request.getfixturevalue(name)
    expected = {
        *("recipe.yaml", "environment.json", "status.json", "metrics.jsonl", "log.txt", "report.html", "README.md"),
        *("checkpoints", "model"),
    }
    assert expected <= {path.name for path in run.iterdir()}
    assert not list(run.rglob(".partial-*"))
    assert status(run)["state"] == "done"
    assert status(run)["reason"] is None
    facts = json.loads((run / "environment.json").read_text())
    assert {"torch", "albert"} & set(json.dumps(facts).replace('"', " ").split())
    checkpoints = run / "checkpoints"
    assert (checkpoints / "last").resolve().name == "step-00000024"
    assert (checkpoints / "best").resolve().parent == checkpoints.resolve()
    assert "model:" in (run / "log.txt").read_text()
    card = (run / "README.md").read_text()
    assert card.startswith("---\n")
    assert "24" in card
    assert "<svg" in (run / "report.html").read_text()


def test_metrics_of_pretraining(pretrained: Path) -> None:
    lines = [json.loads(line) for line in (pretrained / "metrics.jsonl").read_text().splitlines()]
    train = [line for line in lines if line["split"] == "train"]
    held_out = [line for line in lines if line["split"] == "held_out"]
    assert [line["step"] for line in train] == list(range(2, 25, 2))
    assert [line["step"] for line in held_out] == [8, 16, 24]
    for line in train:
        assert {"step", "split", "learning_rate", "tokens_per_second", *PRETRAINING_VALUES} <= line.keys()
        assert line["tokens_per_second"] > 0
        assert line["loss"] == pytest.approx(line["mlm_loss"] + line["sop_loss"])
    for line in held_out:
        assert line.keys() >= PRETRAINING_VALUES
        assert 0 <= line["mlm_accuracy"] <= 1
        # 75 pieces: word frequencies know more than nothing.
        assert 2 < line["mlm_loss_unigram"] < 4.32
    # 4 steps of warm-up to the rate, then down to zero.
    assert max(line["learning_rate"] for line in train) <= 2e-3
    assert train[-1]["learning_rate"] < 2e-4


def test_pretraining_without_a_second_task_has_no_sop_values(home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    few = settings(objective__sentence="none", train__max_steps=4, train__eval_every=4)
    result = done("pretrain", home / "pretrain.yaml", *few, "--out", run, "--json").result
    assert {"schema_version", "command", "run", "model", "steps", "best_step", "held_out", "data"} <= result.keys()
    assert (result["command"], result["steps"]) == ("pretrain", 4)
    for line in events(run):
        assert not {key for key in line if key.startswith("sop")}
        assert line["loss"] == line["mlm_loss"]


def test_metrics_of_fine_tuning(finetuned: Path) -> None:
    lines = [json.loads(line) for line in (finetuned / "metrics.jsonl").read_text().splitlines()]
    train = [line for line in lines if line["split"] == "train"]
    assert [line["step"] for line in train] == list(range(2, 25, 2))
    assert all({"loss", "learning_rate", "tokens_per_second", "accuracy"} <= line.keys() for line in train)
    assert [(line["step"], sorted(line)) for line in lines if line["split"] == "dev"] == [
        (step, ["accuracy", "loss", "split", "step"]) for step in (8, 16, 24)
    ]


def test_the_best_checkpoint_is_the_model(finetuned: Path) -> None:
    scores = {line["step"]: line["accuracy"] for line in events(finetuned, "dev")}
    best = (finetuned / "checkpoints" / "best").resolve()
    assert best.name == f"step-{max(scores, key=lambda step: (scores[step], -step)):08d}"
    scored = done("eval", finetuned, "--json").result["scores"]["dev"]["accuracy"]
    assert scored["value"] == max(scores.values())
    assert scored["low"] <= scored["value"] <= scored["high"]
    assert scored["n"] == 40


@pytest.mark.parametrize("name", ["pretrained", "finetuned"])
def test_transformers_reads_the_model(name: str, request: pytest.FixtureRequest) -> None:
    transformers = pytest.importorskip("transformers")
    kind = {"pretrained": "AlbertForPreTraining", "finetuned": "AlbertForSequenceClassification"}[name]
    folder = request.getfixturevalue(name) / "model"
    model, report = getattr(transformers, kind).from_pretrained(folder, output_loading_info=True)
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert len(tokenizer) == model.config.vocab_size == 75
    if name == "finetuned":
        assert model.config.id2label == {0: "0", 1: "1"}
        assert model.config.problem_type == "single_label_classification"


def test_predictions_of_a_run(finetuned: Path, home: Path, tmp_path: Path) -> None:
    written = {path.name for path in (finetuned / "predictions").iterdir()}
    assert written == {"dev.jsonl", "test.jsonl", "SST-2.tsv"}
    rows = [json.loads(line) for line in (finetuned / "predictions" / "dev.jsonl").read_text().splitlines()]
    assert [row["index"] for row in rows] == list(range(40))
    assert all(row["prediction"] == max(row["scores"], key=row["scores"].get) for row in rows)
    # Scoring the saved file needs no model and gives what the model got.
    shutil.copytree(finetuned, tmp_path / "run", ignore=shutil.ignore_patterns("model", "checkpoints"))
    saved = finetuned / "predictions" / "dev.jsonl"
    assert done("eval", tmp_path / "run", "--predictions", saved, "--json").out == done("eval", finetuned, "--json").out
    official = (finetuned / "predictions" / "SST-2.tsv").read_text()
    assert official.splitlines()[0] == "index\tprediction"
    assert done("predict", finetuned, home / "SST-2" / "test.tsv").out == official


def test_predicting_files_and_lines(finetuned: Path, home: Path, tmp_path: Path) -> None:
    test, out = home / "SST-2" / "test.tsv", tmp_path / "test.jsonl"
    result = done("predict", finetuned, test, "--out", out, "--json").result
    assert (result["command"], result["rows"]) == ("predict", 12)
    texts = [line.split("\t")[1] for line in test.read_text().splitlines()[1:]]
    written = [json.loads(line) for line in (finetuned / "predictions" / "test.jsonl").read_text().splitlines()]
    beside = [{"sentence": text} for text in texts]  # the input's own columns are kept
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert found == [{**row, **column} for row, column in zip(written, beside, strict=True)]
    lines = [texts[0], json.dumps({"text": texts[1]}), "", *texts[2:]]
    outcome = albert("predict", finetuned, "-", stdin="\n".join(lines) + "\n")
    assert outcome.code == 3
    answers = [json.loads(line) for line in outcome.out.splitlines()]
    assert [answer["index"] for answer in answers] == list(range(13))
    assert answers.pop(2) == {"index": 2, "error": "an empty line"}
    expected = [json.loads(line) for line in out.read_text().splitlines()]
    assert [answer["prediction"] for answer in answers] == [row["prediction"] for row in expected]
    for answer, row in zip(answers, expected, strict=True):
        assert answer["scores"] == pytest.approx(row["scores"], abs=2e-6)


def test_a_model_directory_with_a_recipe_is_scored_like_the_run(finetuned: Path, home: Path) -> None:
    scores = done("eval", finetuned / "model", "--recipe", home / "finetune.yaml", "--json")
    assert scores.out == done("eval", home / "finetune.yaml", "--model", finetuned, "--json").out
    assert scores.result["scores"] == done("eval", finetuned, "--json").result["scores"]


def test_asking_the_model_of_a_run(finetuned: Path, pretrained: Path) -> None:
    answer = json.loads(done("run", "--task", "text-classification", "--model", finetuned, "the film was dull").out)
    assert answer["results"][0]["label"] in ("0", "1")
    filled = json.loads(done("run", "--task", "fill-mask", "--model", pretrained, "the film was [MASK]").out)
    assert len(filled["results"]) == 5


def test_nothing_of_a_finished_run_changes_by_reading_it(finetuned: Path, home: Path) -> None:
    before = files(finetuned)
    done("eval", finetuned)
    done("predict", finetuned, home / "SST-2" / "test.tsv")
    assert files(finetuned) == before
