"""report.html shows what metrics.jsonl holds, in one file that fetches nothing."""

from __future__ import annotations

import importlib.util
import io
import re
import xml.etree.ElementTree as ElementTree

import pytest

from albert_cli.report.console import Talk
from albert_cli.report.curves import Curve, Picture, pictures_from_events
from albert_cli.report.html import html_report, write_html_report
from albert_cli.report.plots import write_plots
from albert_cli.report.run_dir import RunDir
from albert_cli.report.svg import draw_picture, ticks


@pytest.fixture
def run(tmp_path) -> RunDir:
    run = RunDir.create(tmp_path / "run", "mrpc")
    run.set_status("failed", "loss <is> not finite", step=30)
    run.write_recipe("seed: 1 # <b>\n")
    for step in (10, 20, 30):
        run.append_metrics({"step": step, "split": "train", "loss": 3.0 - step / 10, "learning_rate": 1e-4})
    run.append_metrics({"step": 30, "split": "dev", "loss": float("nan"), "accuracy": 0.5, "name": "\x1b<script>"})
    return run


def test_the_page_is_whole_and_fetches_nothing(run):
    assert write_html_report(run)
    page = run.report_path.read_text()
    assert not re.search(r"(src|href)=|<script|@import|url\(", page)
    assert "loss &lt;is&gt; not finite" in page
    assert "seed: 1 # &lt;b&gt;" in page
    assert "\x1b" not in page


def test_every_picture_is_well_formed_and_every_curve_drawn(run):
    drawings = re.findall(r"<svg.*?</svg>", html_report(run), flags=re.DOTALL)
    trees = [ElementTree.fromstring(drawing) for drawing in drawings]
    assert [tree.get("aria-label") for tree in trees] == [
        "Loss over the steps",
        "Accuracy over the steps",
        "Learning rate over the steps",
    ]
    assert [len(tree.findall("polyline") + tree.findall("circle")) for tree in trees] == [1, 1, 1]


def test_a_falling_loss_falls_on_the_page():
    drawing = draw_picture(Picture("Loss", (Curve("train loss", ((0, 4.0), (50, 2.0), (100, 1.0))),)))
    points = re.search(r'points="([^"]+)"', drawing)[1].split()
    x, y = zip(*(map(float, point.split(",")) for point in points), strict=True)
    assert list(x) == sorted(x)
    assert list(y) == sorted(y), "the y axis of SVG points down"
    assert y[1] - y[0] == pytest.approx(2 * (y[2] - y[1]), abs=0.2)


def test_long_runs_are_thinned_without_hiding_a_spike():
    points = tuple((step, 100.0 if step == 31_415 else 1.0) for step in range(100_000))
    drawing = draw_picture(Picture("Loss", (Curve("train loss", points),)))
    heights = [float(point.split(",")[1]) for point in re.search(r'points="([^"]+)"', drawing)[1].split()]
    assert len(heights) <= 1002
    assert min(heights) < 20


def test_values_that_are_not_numbers_make_no_curve():
    events = [{"step": 1, "split": "train", "loss": None, "note": "x", "ok": True}]
    assert pictures_from_events(events) == []


def test_a_run_without_events_has_a_page_too(tmp_path):
    run = RunDir.create(tmp_path / "run", "mrpc")
    run.set_status("running")
    assert "Nothing was measured." in html_report(run)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.001, 0.0011), (5, 5), (-3, 12345), (0, 0)])
def test_ticks_are_round_and_enclose_the_range(low, high):
    found = ticks(low, high, count=5)
    assert found[0] <= low + 1e-9
    assert found[-1] >= high - 1e-9
    assert 2 <= len(found) <= 9


def test_without_matplotlib_no_png_is_written_and_that_is_said(run, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    out = io.StringIO()
    assert write_plots(run, Talk(stream=out)) == []
    assert "matplotlib is not installed" in out.getvalue()


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed (extra plot)")
def test_with_matplotlib_each_picture_is_a_png(run):
    names = {path.name for path in write_plots(run, Talk(stream=io.StringIO()))}
    assert names == {"loss.png", "accuracy.png", "learning_rate.png"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in run.path.glob("*.png"))
