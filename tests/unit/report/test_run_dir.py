"""A run directory has its promised layout and is never overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from albert_cli.errors import CheckpointError, DataError, UsageError
from albert_cli.report.metrics_log import MetricsLog
from albert_cli.report.run_dir import RunDir, find_runs


def test_a_new_run_gets_a_directory_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = RunDir.create(None, "recipes/glue/mrpc.yaml")
    (first.path / "x").write_text("")
    second = RunDir.create(None, "recipes/glue/mrpc.yaml")
    assert first.path != second.path
    assert first.path.parent == Path("runs")
    assert first.path.name.startswith("mrpc-2")


def test_the_name_of_a_recipe_cannot_lead_out_of_the_runs_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert RunDir.create(None, "../..").path.parent == Path("runs")
    assert RunDir.create(None, "a b;\x1b.yaml").path.name.startswith("a-b-2")


def test_a_run_is_never_overwritten(tmp_path):
    run = RunDir.create(tmp_path / "run", "mrpc")
    run.set_status("done")
    run.append_metrics({"step": 1, "split": "train", "loss": 1.0})
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    with pytest.raises(UsageError, match="already holds a run") as caught:
        RunDir.create(tmp_path / "run", "mrpc")
    assert "--resume" in caught.value.hint
    assert caught.value.exit_code == 2
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before


def test_a_directory_with_other_files_is_not_touched_either(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="already holds files") as caught:
        RunDir.create(tmp_path, "mrpc")
    assert "--resume" not in caught.value.hint
    with pytest.raises(CheckpointError, match="no run"):
        RunDir.create(tmp_path, "mrpc", resume=True)
    with pytest.raises(UsageError, match="is a file"):
        RunDir.create(tmp_path / "thesis.tex", "mrpc")


def test_an_empty_directory_may_be_used(tmp_path):
    assert RunDir.create(tmp_path, "mrpc").path == tmp_path


def test_resume_takes_up_an_existing_run_and_refuses_the_rest(tmp_path):
    RunDir.create(tmp_path / "run", "mrpc").set_status("interrupted", "SIGTERM", step=40)
    run = RunDir.create(tmp_path / "run", "mrpc", resume=True)
    assert (run.status().state, run.status().reason, run.status().step) == ("interrupted", "SIGTERM", 40)
    with pytest.raises(CheckpointError, match="nothing to resume"):
        RunDir.create(tmp_path / "other", "mrpc", resume=True)
    with pytest.raises(UsageError, match="--resume without --out"):
        RunDir.create(None, "mrpc", resume=True)


def test_a_directory_that_cannot_be_made_is_a_usage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot make"):
        RunDir.create(tmp_path / "file" / "run", "mrpc")


def test_ranks_other_than_the_first_do_not_write(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    run = RunDir.create(tmp_path / "run", "mrpc")
    run.set_status("running")
    run.write_recipe("seed: 1\n")
    run.append_metrics({"step": 1, "split": "train"})
    run.predictions_path("dev.jsonl")
    assert run.drop_metrics_after(0) == 0
    assert not (tmp_path / "run").exists()
    with pytest.raises(UsageError, match="--out"):
        RunDir.create(None, "mrpc")


def test_the_parts_of_a_run_lie_where_promised(tmp_path):
    run = RunDir.create(tmp_path, "mrpc")
    run.write_recipe("seed: 1\n")
    run.write_environment({"python": "3.11"})
    run.write_card("# card\n")
    run.set_status("running")
    run.append_metrics({"step": 1, "split": "train", "loss": 0.5})
    run.predictions_path("dev.tsv").write_text("x")
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {
        "recipe.yaml",
        "environment.json",
        "README.md",
        "status.json",
        "metrics.jsonl",
        "predictions/dev.tsv",
    }
    assert (run.model_path.name, run.checkpoints_path.name, run.log_path.name) == ("model", "checkpoints", "log.txt")
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "running"
    assert run.environment() == {"python": "3.11"}


def test_opening_asks_for_a_run(tmp_path):
    with pytest.raises(CheckpointError, match="not a run directory"):
        RunDir.open(tmp_path)
    RunDir.create(tmp_path, "mrpc").set_status("done")
    assert RunDir.open(tmp_path).status().state == "done"


def test_a_damaged_status_is_a_checkpoint_error(tmp_path):
    (tmp_path / "status.json").write_text("{")
    with pytest.raises(CheckpointError, match="cannot read the state"):
        RunDir.open(tmp_path).status()


def test_two_processes_cannot_work_in_one_run(tmp_path):
    run = RunDir.create(tmp_path, "mrpc")
    with run.lock(), pytest.raises(CheckpointError, match="another run"), RunDir(tmp_path).lock():
        pass
    with RunDir.create(tmp_path, "mrpc").lock():
        run.set_status("running")


def test_ranks_that_do_not_write_hold_no_lock(tmp_path):
    with RunDir(tmp_path / "none", writes=False).lock():
        assert not (tmp_path / "none").exists()


def test_runs_are_found_below_a_folder(tmp_path):
    for name in ("a", "b"):
        RunDir.create(tmp_path / name, "mrpc").set_status("done")
    (tmp_path / "not-a-run").mkdir()
    assert {run.path.name for run in find_runs(tmp_path)} == {"a", "b"}
    assert find_runs(tmp_path / "none") == []


def test_after_a_resume_no_step_occurs_twice(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    for step in range(1, 8):
        log.append({"step": step, "split": "train", "loss": 1.0 / step})
    assert log.drop_after(4) == 3
    for step in range(5, 8):
        log.append({"step": step, "split": "train", "loss": 0.0})
    assert [event["step"] for event in log.events()] == [1, 2, 3, 4, 5, 6, 7]
    assert [event["loss"] for event in log.events()][4:] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_that_a_crash_cut_short_spoils_nothing(tmp_path, cut):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    for step in (1, 2):
        log.append({"step": step, "split": "train", "loss": 1.5})
    path.write_bytes(path.read_bytes()[:-cut])
    fresh = MetricsLog(path)
    whole = [event["step"] for event in fresh.events()]
    fresh.append({"step": 3, "split": "train", "loss": 1.5})
    assert [event["step"] for event in fresh.events()][-1] == 3
    assert whole in ([1], [1, 2])
    assert fresh.drop_after(0) == len(MetricsLog(path).events()) + len([1, 3])


def test_an_event_needs_its_step_and_split(tmp_path):
    with pytest.raises(DataError, match="without split"):
        MetricsLog(tmp_path / "m").append({"step": 1})


def test_damage_in_the_middle_is_reported_with_its_line(tmp_path):
    (tmp_path / "m").write_text('{"step": 1, "split": "a"}\n{"step"\n{"step": 2, "split": "a"}\n')
    with pytest.raises(DataError, match="m:2"):
        MetricsLog(tmp_path / "m").events()


def test_values_that_are_not_finite_are_null(tmp_path):
    log = MetricsLog(tmp_path / "m")
    log.append({"step": 1, "split": "train", "loss": float("nan")})
    assert log.events() == [{"step": 1, "split": "train", "loss": None}]
