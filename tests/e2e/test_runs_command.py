"""`albert runs` lists, shows, compares and draws what training left."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from command_line import albert, done


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Path:
    folder = tmp_path_factory.mktemp("two") / "runs"
    for name, seed in (("one", 1), ("other", 2)):
        done("finetune", home / "finetune.yaml", "--seed", str(seed), "--out", folder / name)
    return folder


def test_runs_are_listed_the_newest_first(two: Path) -> None:
    found = json.loads(done("runs", "ls", two, "--json").out)
    assert [run["name"] for run in found] == ["other", "one"]
    assert {run["state"] for run in found} == {"done"}
    best = found[0]["best"]
    assert best["interval"][0] <= best["value"] <= best["interval"][1]
    assert found[0]["best"]["metric"] in done("runs", "ls", two).out
    assert len(done("runs", "ls", two.parent).out.splitlines()) == 4  # heading, rule, two runs one level below


def test_a_run_is_shown_with_its_result(two: Path) -> None:
    shown = done("runs", "show", two / "one", "--json").result
    assert shown["result"]["scores"]["dev"]
    assert shown["result"]["explained"]["mistakes"]
    text = done("runs", "show", two / "one").out
    assert "checkpoints" in text
    assert "learning_rate" in text


def test_runs_are_compared_row_by_row(two: Path) -> None:
    compared = done("runs", "compare", two / "one", two / "other", "--json").result
    assert [found["key"] for found in compared["differences"]["other"]] == ["seed"]
    test = compared["paired"]["tests"]["other"]
    one, other = (run["best"]["value"] for run in compared["runs"])
    assert compared["paired"]["of"] == "accuracy"
    assert test["difference"] == pytest.approx(other - one, abs=1e-6)
    assert 0 < test["p_value"] <= 1
    text = done("runs", "compare", two / "one", two / "other").out
    assert "different settings" in text
    assert "rows better" in text


def test_a_run_is_the_same_as_itself(two: Path) -> None:
    compared = done("runs", "compare", two / "one", two / "one", "--json").result
    assert next(iter(compared["paired"]["tests"].values()))["p_value"] == 1


def test_without_the_data_the_scores_are_still_compared(two: Path, tmp_path: Path) -> None:
    import shutil

    for name in ("one", "other"):
        shutil.copytree(two / name, tmp_path / name)
        (tmp_path / name / "predictions" / "dev.jsonl").unlink()
    outcome = done("runs", "compare", tmp_path / "one", tmp_path / "other")
    assert "no paired test" in outcome.err
    assert "scores" in outcome.out


def test_curves_are_drawn_into_files_and_here(two: Path, tmp_path: Path) -> None:
    files = done("runs", "plot", two / "one", two / "other", "--out", tmp_path / "plots", "--only", "loss", "--json")
    names = [Path(name) for name in files.result["files"]]
    drawing = ElementTree.parse(tmp_path / "plots" / "loss.svg").getroot()
    texts = "".join(drawing.itertext())
    assert tmp_path / "plots" / "loss.svg" in names
    assert "one train loss" in texts
    assert "other dev loss" in texts
    assert "train loss" in done("runs", "plot", two / "one", "--terminal").out


def test_the_page_shows_scores_classes_and_mistakes(two: Path) -> None:
    (two / "one" / "report.html").unlink()
    done("runs", "report", two / "one")
    page = (two / "one" / "report.html").read_text()
    for heading in ("Scores", "Classes (dev)", "Confidence (dev)", "Worst mistakes (dev)", "Curves", "Recipe"):
        assert f"<h2>{heading}</h2>" in page
    assert "<script" not in page


def test_what_is_no_run_is_refused(two: Path, tmp_path: Path) -> None:
    albert("runs", "show", tmp_path).refused(3, "not a run directory")
    albert("runs", "ls", tmp_path / "none").refused(3, "no directory")
    albert("runs", "compare", two / "one").refused(2, "one run alone")
    albert("runs", "plot", two / "one", "--only", "nothing").refused(2, "no 'nothing' was measured")
    albert("runs", "plot", two / "one", "--terminal", "--out", tmp_path).refused(2, "--terminal writes no files")
