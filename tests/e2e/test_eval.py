"""`albert eval` on a finished run: scores, worst rows, breakdowns, other metrics, and the benchmark of several runs."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from command_line import albert, done, settings

from albert_cli.data.tasks.glue_submission import TEST_ROWS, labels_of_file
from albert_cli.report.run_dir import RunDir

ROWS = 12


def test_scores_through_evaluate_are_the_same(finetuned: Path) -> None:
    plain, official = (done("eval", finetuned, "--json", *more).result for more in ([], ["--official"]))
    assert plain == official
    assert plain["scores"]["dev"].keys() == {"accuracy"}


def test_a_model_and_its_saved_predictions_say_the_same(finetuned: Path) -> None:
    saved = finetuned / "predictions" / "dev.jsonl"
    asked = done("eval", finetuned, "--json", "--details", "--errors", "5").result
    read = done("eval", finetuned, "--json", "--details", "--errors", "5", "--predictions", saved).result
    assert asked["scores"] == read["scores"]
    left, right = asked["details"]["dev"], read["details"]["dev"]
    assert left["confusion_matrix"] == right["confusion_matrix"]
    assert left["lengths"] == right["lengths"]
    assert left["calibration"]["error"] == pytest.approx(right["calibration"]["error"], abs=1e-5)
    assert [one["row"] for one in asked["errors"]["dev"]] == [one["row"] for one in read["errors"]["dev"]]


def test_breakdowns_add_up(finetuned: Path) -> None:
    said = done("eval", finetuned, "--json", "--details", "--errors", "100").result
    found = said["details"]["dev"]
    counts = found["confusion_matrix"]["counts"]
    assert sum(map(sum, counts)) == 40
    right = sum(counts[number][number] for number in range(2))
    assert said["scores"]["dev"]["accuracy"]["value"] == pytest.approx(right / 40)
    assert sum(one["count"] for one in found["calibration"]["bins"]) == 40
    assert sum(one["rows"] for one in found["lengths"]["buckets"]) == 40
    worst = said["errors"]["dev"]
    assert len(worst) == 40 - right
    assert all(one["said"] != one["truth"] for one in worst)
    assert [one["loss"] for one in worst] == sorted((one["loss"] for one in worst), reverse=True)


def test_tables_for_people(finetuned: Path) -> None:
    out = done("eval", finetuned, "--details", "--errors", "2").out
    for words in ("accuracy", "answers across", "expected calibration error", "by length", "worst"):
        assert words in out, words


def test_worst_rows_of_a_wrong_model_show_their_text(finetuned: Path, tmp_path: Path) -> None:
    saved = [json.loads(line) for line in (finetuned / "predictions" / "dev.jsonl").read_text().splitlines()]
    for row in saved:
        row["prediction"] = {"0": "1", "1": "0"}[row["prediction"]]
    del saved[0]["scores"]  # one row without: confidence is not known then
    file = tmp_path / "dev.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in saved))
    said = done("eval", finetuned, "--predictions", file, "--details", "--errors", "3", "--json").result
    assert len(said["errors"]["dev"]) == 3
    assert " was " in said["errors"]["dev"][0]["text"]
    assert "calibration" not in said["details"]["dev"]


def test_other_metrics_by_their_place(finetuned: Path, tmp_path: Path) -> None:
    folder = tmp_path / "share_of_ones"
    folder.mkdir()
    (folder / "share_of_ones.py").write_text(
        "import datasets, evaluate\n"
        "class ShareOfOnes(evaluate.Metric):\n"
        "    def _info(self):\n"
        "        value = datasets.Value('int64')\n"
        "        features = datasets.Features({'predictions': value, 'references': value})\n"
        "        return evaluate.MetricInfo(description='', citation='', features=features)\n"
        "    def _compute(self, predictions, references):\n"
        "        return {'ones': sum(predictions) / len(predictions), 'note': 'no number'}\n"
    )
    chosen = ["--set", f"metrics=[{folder}, macro_f1]"]
    outcome = done("eval", finetuned, "--json", *chosen)
    saved = [json.loads(line) for line in (finetuned / "predictions" / "dev.jsonl").read_text().splitlines()]
    scores = outcome.result["scores"]["dev"]
    assert scores["share_of_ones.ones"]["value"] == sum(row["prediction"] == "1" for row in saved) / 40
    assert scores.keys() == {"accuracy", "share_of_ones.ones", "macro_f1.macro_f1"}
    assert "code of its own" in outcome.err
    missed = albert("eval", finetuned, *chosen, "--fail-under", "macro_f1.macro_f1=0.99")
    assert missed.code == 5


def test_a_bare_name_never_runs_a_file_of_the_working_directory(
    finetuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = "from pathlib import Path\nPath('was-run').touch()\n"
    for name in ("rouge", "owner/rouge"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "rouge.py").write_text(bad)
    monkeypatch.chdir(tmp_path)
    albert("eval", finetuned, "--set", "metrics=[rouge]").refused(2, "no metric 'rouge'")
    albert("eval", finetuned, "--set", "metrics=[owner/rouge]").refused(2, "is a folder here")
    albert("eval", finetuned, "--set", "metrics=[./nowhere.py]").refused(2, "no file or folder ./nowhere.py")
    assert not (tmp_path / "was-run").exists()


def test_a_metric_that_fails_says_so(finetuned: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('not today')\n")
    place = tmp_path / "broken.py"
    albert("eval", finetuned, "--set", f"metrics=[{place}]").refused(3, "cannot be loaded", "not today")
    place.write_text("import evaluate\n")
    albert("eval", finetuned, "--set", f"metrics=[{place}]").refused(3, "defines 0 metrics")


def glue_run(folder: Path, task: str, files: dict[str, str], labels: list[str]) -> Path:
    """A run of a task as `finetune` leaves it: rows, recipe, predictions that are right but for the first."""
    data, run = folder / "data" / task, RunDir.create(folder / task, task)
    data.mkdir(parents=True)
    pair = "sentence1\tsentence2" if task != "sst2" else "sentence"
    text = "a\tb" if task != "sst2" else "a"
    header = {
        "mrpc": "Quality\t#1 String\t#2 String",
        "stsb": f"{pair}\tscore",
        "qqp": "question1\tquestion2\tis_duplicate",
    }
    lines = [f"{label}\t{text}" if task == "mrpc" else f"{text}\t{label}" for label in labels]
    if task == "cola":
        lines = [f"x\t{label}\t\ta" for label in labels]
    names = {"mnli": "sentence1\tsentence2\tgold_label", "qnli": "question\tsentence\tlabel"}
    first = header.get(task) or names.get(task) or f"{pair}\tlabel"
    splits = ["dev_matched", "dev_mismatched"] if task == "mnli" else ["dev"]
    (run.path / "predictions").mkdir()
    said = [labels[1], *labels[1:]]
    for split in ["train", *splits]:
        (data / f"{split}.tsv").write_text("\n".join(([] if task == "cola" else [first]) + lines) + "\n")
    for split in splits:
        rows = [{"index": row, "prediction": float(one) if task == "stsb" else one} for row, one in enumerate(said)]
        (run.path / "predictions" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, content in files.items():
        (run.path / "predictions" / name).write_text(content)
    train = {"epochs": 1, "learning_rate": 1e-3}
    recipe = {
        "stage": "finetune",
        "task": task,
        "model": "tiny",
        "tokenizer": "t",
        "data": {"path": str(data)},
        "train": train,
    }
    run.write_recipe(json.dumps(recipe))
    run.set_status("done")
    return run.path


FILES = {
    "cola": ["CoLA.tsv"],
    "sst2": ["SST-2.tsv"],
    "mrpc": ["MRPC.tsv"],
    "stsb": ["STS-B.tsv"],
    "qqp": ["QQP.tsv"],
    "mnli": ["MNLI-m.tsv", "MNLI-mm.tsv", "AX.tsv"],
    "qnli": ["QNLI.tsv"],
    "rte": ["RTE.tsv"],
    "wnli": ["WNLI.tsv"],
}
LABELS = {
    "mnli": ["entailment", "neutral", "contradiction"],
    "qnli": ["entailment", "not_entailment"],
    "rte": ["entailment", "not_entailment"],
    "stsb": ["1.0", "2.0", "4.5"],
}


def official(name: str) -> str:
    labels = labels_of_file(name) or ("2.500",)
    rows = (f"{row}\t{labels[row % len(labels)]}\n" for row in range(TEST_ROWS[name]))
    return "index\tprediction\n" + "".join(rows)


@pytest.fixture(scope="module")
def nine_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("nine")
    return [
        glue_run(folder, task, {name: official(name) for name in names}, (LABELS.get(task, ["0", "1"]) * ROWS)[:ROWS])
        for task, names in FILES.items()
    ]


def test_nine_runs_make_a_score_and_an_archive(nine_runs: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "glue.zip"
    said = done("eval", *nine_runs, "--combine", "glue", "--out", out, "--json").result
    assert said["complete"] is True
    # one row of twelve is wrong
    assert said["tasks"]["sst2"] == said["tasks"]["mnli"] == pytest.approx(11 / 12)
    assert said["tasks"]["mrpc"] == pytest.approx((11 / 12 + 12 / 13) / 2)
    assert said["value"] == pytest.approx(sum(said["tasks"].values()) / 9)
    with zipfile.ZipFile(out) as archive:
        assert set(archive.namelist()) == set(TEST_ROWS)
    table = done("eval", *nine_runs, "--combine", "glue", "--fail-under", "glue=0.5").out
    assert table.splitlines()[-1].split() == ["glue", f"{100 * said['value']:.2f}"]


def test_some_runs_make_a_mean_that_is_no_glue_score(nine_runs: list[Path], tmp_path: Path) -> None:
    few = [path for path in nine_runs if path.name in ("sst2", "rte")]
    outcome = done("eval", *few, "--combine", "glue")
    assert "mean of 2" in outcome.out
    assert "no GLUE score" in outcome.err
    assert albert("eval", *few, "--combine", "glue", "--fail-under", "glue=0.99").code == 5
    archive = tmp_path / "glue.zip"
    albert("eval", *few, "--combine", "glue", "--out", archive).refused(3, "9 are missing")
    assert not archive.exists()


def test_a_table_named_by_itself_takes_the_place_of_a_runs(nine_runs: list[Path], tmp_path: Path) -> None:
    table = tmp_path / "AX.tsv"
    table.write_text(official("AX.tsv").replace("\n0\tcontradiction\n", "\n0\tneutral\n"))
    done("eval", *nine_runs, table, "--combine", "glue", "--out", tmp_path / "glue.zip")
    with zipfile.ZipFile(tmp_path / "glue.zip") as archive:
        assert archive.read("AX.tsv") == table.read_bytes()


def test_what_cannot_be_combined_is_refused(nine_runs: list[Path], finetuned: Path, tmp_path: Path) -> None:
    one = nine_runs[0]
    albert("eval", one, nine_runs[1]).refused(2, "2 targets")
    albert("eval", one, "--out", tmp_path / "x.zip").refused(2, "--out is the archive")
    albert("eval", one, one, "--combine", "glue").refused(2, "two runs of cola")
    albert("eval", one, tmp_path, "--combine", "glue").refused(2, "is no run directory")
    albert("eval", one, "--combine", "glue", "--details").refused(2, "as they are")
    unfinished = tmp_path / "unfinished"
    shutil.copytree(one, unfinished)
    shutil.rmtree(unfinished / "predictions")
    albert("eval", unfinished, "--combine", "glue").refused(3, "no predictions of dev")


def test_the_diagnostic_set_by_a_model_of_mnli(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "MNLI"
    folder.mkdir()
    rows = [
        f"{first}\t{second}\t{label}" for first, second, label in 8 * [("a", "b", "neutral"), ("c", "d", "entailment")]
    ]
    for name in ("train", "dev_matched", "dev_mismatched"):
        (folder / f"{name}.tsv").write_text("\n".join(["sentence1\tsentence2\tgold_label", *rows, ""]))
    (tmp_path / "AX").mkdir()
    diagnostic = tmp_path / "AX" / "diagnostic.tsv"
    diagnostic.write_text("index\tsentence1\tsentence2\n0\tthe film\tthe story\n1\ta\tb\n")
    recipe = {**json.loads((home / "finetune.yaml").read_text()), "task": "mnli"}
    (tmp_path / "mnli.yaml").write_text(json.dumps(recipe))
    run, small = tmp_path / "run", settings(data__path=folder, train__max_steps=2, train__warmup_steps=0)
    said = done("finetune", tmp_path / "mnli.yaml", *small, "--out", run, "--json").result
    assert said["scores"].keys() == {"dev_matched", "dev_mismatched"}
    assert said["scores"]["dev_mismatched"].keys() == {"accuracy_mm"}
    written = (run / "predictions" / "AX.tsv").read_text()
    assert [line.split("\t")[0] for line in written.splitlines()] == ["index", "0", "1"]
    alone = done("predict", "glue/ax", diagnostic, "--model", run, "--set", "data.max_length=32").out
    assert alone == written
    albert(
        "finetune", "glue/ax", *settings(data__path=tmp_path, data__dataset="null", data__config="null", model="tiny"),
        "--set", f"tokenizer={home / 'tokenizer'}", "--out", tmp_path / "ax", "--threads", "1",
    ).refused(3, "no split 'train'")  # fmt: skip
