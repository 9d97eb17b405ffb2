"""Several seeds, dry runs, other starting points, other forms of the same rows."""

from __future__ import annotations

import csv
import json
import statistics
from pathlib import Path

import pytest
from command_line import done, events, losses, settings, status


def test_a_dry_run_checks_and_writes_nothing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("pretrain", "finetune"):
        outcome = done(command, home / f"{command}.yaml", "--dry-run", "--json", "--out", tmp_path / "out")
        assert outcome.result["dry_run"] is True
        assert outcome.result["max_steps"] == 24
        assert "batch: 8 = 8 x 1 micro-batches x 1 processes" in outcome.err
    assert done("train-tokenizer", "--input", home / "text.txt", "--dry-run", "--json").result["documents"] == 60
    assert list(tmp_path.iterdir()) == []


def test_several_seeds_are_summed_up(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "seeds"
    few = settings(train__max_steps=8, train__learning_rate=5e-3)
    words = ("finetune", home / "finetune.yaml", *few, "--seeds", "1,2", "--out", out, "--json")
    result = done(*words).result
    assert result["seeds"] == [1, 2]
    values = [run["scores"]["dev"]["accuracy"] for run in result["runs"]]
    summary = result["summary"]["dev"]["accuracy"]
    assert summary == {
        "mean": pytest.approx(statistics.fmean(values)),
        "sd": pytest.approx(statistics.stdev(values)),
        "median": pytest.approx(statistics.median(values)),
        "best": max(values),
        "low": min(values),  # with two runs a quarter of the resamples hold the worse one alone
        "high": max(values),
    }
    assert json.loads((out / "seeds.json").read_text())["summary"] == result["summary"]
    assert result["runs"][0]["intervals"]["dev"]["accuracy"][0] < values[0]
    assert losses(out / "seed-1") != losses(out / "seed-2")
    assert status(out / "seed-2")["state"] == "done"
    again = done(*words, "--resume").result
    assert again["summary"] == result["summary"]


def test_fine_tuning_starts_from_a_pretraining_run(home: Path, pretrained: Path, tmp_path: Path) -> None:
    """Named as the model, or as where a written-out model takes its weights from: the same."""
    runs = [tmp_path / "model", tmp_path / "init"]
    few = settings(train__max_steps=4, train__log_every=1)
    named = done(
        "finetune", home / "finetune.yaml", *few, *settings(model=pretrained, tokenizer="null"), "--out", runs[0]
    )
    assert "drawn anew" in named.err
    assert "classifier.bias, classifier.weight" in named.err
    taken = done("finetune", home / "finetune.yaml", *few, *settings(init__from=pretrained), "--out", runs[1])
    assert f"weights of {pretrained}" in taken.err
    assert losses(runs[0]) == losses(runs[1])


def test_pretraining_continues_from_another_run(home: Path, pretrained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    still = settings(init__from=pretrained, train__learning_rate=1e-12, train__max_steps=1, train__dropout=0.0)
    done("pretrain", home / "pretrain.yaml", *still, *settings(train__warmup_steps=0), "--out", run)
    best = min(line["loss"] for line in events(pretrained, "held_out"))
    assert losses(run, "held_out") == [pytest.approx(best, abs=1e-5)] * 2  # before the first step, and after it


def write_parquet(rows: dict[str, list[dict[str, object]]], folder: Path) -> None:
    datasets = pytest.importorskip("datasets")
    folder.mkdir()
    for split, table in rows.items():
        datasets.Dataset.from_list(table).to_parquet(str(folder / f"{split}-00000-of-00001.parquet"))


def write_saved(rows: dict[str, list[dict[str, object]]], folder: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.DatasetDict({split: datasets.Dataset.from_list(table) for split, table in rows.items()}).save_to_disk(
        folder
    )


@pytest.mark.parametrize("write", [write_parquet, write_saved])
def test_the_same_rows_in_another_form_teach_the_same(
    write: object, home: Path, finetuned: Path, tmp_path: Path
) -> None:
    rows: dict[str, list[dict[str, object]]] = {}
    for split in ("train", "dev"):
        with (home / "SST-2" / f"{split}.tsv").open() as file:
            table = list(csv.DictReader(file, delimiter="\t"))
        hub_name = {"dev": "validation"}.get(split, split)
        rows[hub_name] = [
            {"sentence": row["sentence"], "label": int(row["label"]), "idx": number} for number, row in enumerate(table)
        ]
    folder, run = tmp_path / "rows", tmp_path / "run"
    write(rows, folder)  # type: ignore[operator]
    few = settings(data__path=folder, train__max_steps=5, train__log_every=1, train__dropout=0.0)
    done("finetune", home / "finetune.yaml", *few, "--out", run)
    plain = tmp_path / "plain"
    few = settings(train__max_steps=5, train__log_every=1, train__dropout=0.0)
    done("finetune", home / "finetune.yaml", *few, "--out", plain)
    assert len(losses(run)) == 5
    assert events(run) == events(plain)
    fingerprints = [
        json.loads((each / "checkpoints" / "last" / "state.json").read_text())["data_fingerprint"]
        for each in (run, plain, finetuned)
    ]
    assert len(set(fingerprints)) == 1


def test_dropout_of_a_recipe_is_that_of_the_model(finetuned: Path) -> None:
    config = json.loads((finetuned / "model" / "config.json").read_text())
    assert config["hidden_dropout_prob"] == config["attention_probs_dropout_prob"] == 0.1


def test_a_limit_of_the_training_rows_does_not_cut_the_rows_to_predict(home: Path, tmp_path: Path) -> None:
    out, rows = tmp_path / "few", tmp_path / "rows.jsonl"
    few = settings(train__max_steps=4, data__limit=8)
    done("finetune", home / "finetune.yaml", *few, "--out", out)
    rows.write_text("".join(json.dumps({"sentence": f"row {number}"}) + "\n" for number in range(20)))
    done("predict", out, rows, "--out", tmp_path / "all.jsonl")
    assert len((tmp_path / "all.jsonl").read_text().splitlines()) == 20
    done("predict", out, rows, "--set", "data.limit=5", "--out", tmp_path / "five.jsonl")
    assert len((tmp_path / "five.jsonl").read_text().splitlines()) == 5
