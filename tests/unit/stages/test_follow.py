"""What becomes of the events of a training: lines, checkpoints, the best one, an early end."""

from __future__ import annotations

import json
import math
import signal
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from albert_cli.errors import Interrupted
from albert_cli.report.console import Talk
from albert_cli.report.progress import Progress
from albert_cli.report.run_dir import RunDir
from albert_cli.stages.follow import Course, Follower, Measured, Window, course_from
from albert_cli.stages.session import Session
from albert_cli.training.loop import EvalReport, SavePoint, StepReport, Stopped
from albert_cli.training.trackers import Trackers


def step(number: int, loss: float = 1.0, count: float = 2.0) -> StepReport:
    def value(of: float) -> torch.Tensor:
        return torch.tensor(of, dtype=torch.float64)

    return StepReport(
        step=number,
        learning_rate=0.1,
        loss=value(loss),
        losses={"fit": value(loss)},
        metrics={"hits": value(1.0)},
        counts={"fit": value(count)},
        gradient_norm=value(1.0),
        tokens=value(10.0),
    )


class Run:
    """A follower with everything around it, and what it saved."""

    def __init__(self, folder: Path, course: Course | None = None, **options: Any) -> None:
        self.folder = folder
        self.course = course or Course()
        self.saved: list[tuple[int, bool, dict[str, Any]]] = []
        run = RunDir.create(folder, "test")
        talk = Talk(quiet=True)
        session: Any = Session(None, None, talk, None, run, None, Trackers())  # type: ignore[arg-type]
        self.progress = Progress(talk, total=100)
        self.follower = Follower(
            session=session,
            course=self.course,
            save=lambda best: self.saved.append((self.course.step, best, asdict(self.course))),
            train_line=lambda window: {"loss": window.read()[0]["fit"]},
            **{
                "measure": lambda score: Measured({"dev": {"score": score}}, score),
                "higher_is_better": True,
                "log_every": 4,
                "early_stop": None,
                **options,
            },
        )

    def follow(self, *events: Any) -> None:
        self.follower.follow(events, self.progress)

    def lines(self, split: str = "train") -> list[tuple[int, float]]:
        lines = [json.loads(line) for line in (self.folder / "metrics.jsonl").read_text().splitlines()]
        key = "loss" if split == "train" else "score"
        return [(line["step"], line[key]) for line in lines if line["split"] == split]


def test_a_line_weighs_losses_by_their_counts() -> None:
    window = Window()
    window.add(step(1, loss=1.0, count=1.0))
    window.add(step(2, loss=4.0, count=3.0))
    losses, sums = window.read()
    assert losses == {"fit": (1.0 + 12.0) / 4.0}
    assert sums == {"hits": 2.0, "fit_count": 4.0}
    assert window.tokens() == 20.0
    window.restart()
    assert window.sums() == {}
    assert window.last is None


def test_a_line_starts_anew_at_a_save_and_at_an_evaluation(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.follow(step(1, 100.0), step(2, 100.0), SavePoint(2, False), step(3, 1.0), step(4, 3.0))
    assert run.lines() == [(4, 2.0)]
    run = Run(tmp_path / "other")
    run.follow(step(1, 100.0), EvalReport(1, 0.5), step(2, 1.0), step(3, 1.0), step(4, 4.0))
    assert run.lines() == [(4, 2.0)]


def test_an_interrupted_line_is_completed_after_resuming(tmp_path: Path) -> None:
    losses = [0.1, 0.7, 1.3, 1.9]
    whole = Run(tmp_path / "whole")
    whole.follow(*(step(number, loss) for number, loss in enumerate(losses, 1)))
    first = Run(tmp_path / "first")
    with pytest.raises(Interrupted) as stopped:
        first.follow(step(1, losses[0]), step(2, losses[1]), Stopped(2, signal.SIGTERM, False))
    assert stopped.value.exit_code == 143
    kept = json.loads(json.dumps(first.saved[-1][2]))
    second = Run(tmp_path / "second", course_from(kept))
    second.follow(step(3, losses[2]), step(4, losses[3]))
    assert second.lines() == whole.lines()
    assert second.course.window == {}


def test_an_evaluation_left_out_is_kept_in_mind(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with pytest.raises(Interrupted):
        run.follow(step(1), Stopped(1, signal.SIGINT, True))
    assert run.saved[-1][2]["evaluation_due"] is True


@pytest.mark.parametrize(
    ("higher", "scores", "best"),
    [
        (True, [0.5, 0.7, 0.6, 0.7], 2),
        (False, [0.5, 0.3, 0.4, 0.3], 2),
        (True, [math.nan, 0.1, math.nan], 2),
        (False, [math.nan, math.nan, 5.0], 3),
        (True, [0.1, math.nan], 1),
    ],
)
def test_the_first_of_the_best_counts_and_nan_never_beats(
    higher: bool, scores: list[float], best: int, tmp_path: Path
) -> None:
    run = Run(tmp_path, higher_is_better=higher)
    for number, score in enumerate(scores, 1):
        run.follow(step(number), EvalReport(number, score))
    assert run.course.best_step == best
    assert [place for place, is_best, _ in run.saved if is_best][-1] == best
    assert run.course.misses == len(scores) - best


def test_a_save_point_after_a_best_save_writes_nothing_twice(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.follow(step(1), EvalReport(1, 0.5), SavePoint(1, False), step(2), EvalReport(2, 0.4), SavePoint(2, True))
    assert [(place, best) for place, best, _ in run.saved] == [(1, True), (2, False)]


def test_early_stopping_ends_and_saves(tmp_path: Path) -> None:
    run = Run(tmp_path, early_stop=2)
    events = [item for number in range(1, 9) for item in (step(number), EvalReport(number, 1.0 / number))]
    run.follow(*events)
    assert run.course.step == 3
    assert run.saved[-1][:2] == (3, False)
    assert [place for place, _ in run.lines("dev")] == [1, 2, 3]


def test_a_run_is_collapsed_when_its_best_evaluation_is(tmp_path: Path) -> None:
    run = Run(tmp_path, measure=lambda said: Measured({"dev": {"score": said[0]}}, said[0], said[1]))
    run.follow(step(1), EvalReport(1, (0.6, "every row is answered 'a'")))
    assert run.course.collapsed
    run.follow(step(2), EvalReport(2, (0.5, None)))
    assert run.course.collapsed  # it lives, but what the run would leave is the first
    run.follow(step(3), EvalReport(3, (0.7, None)), step(4), EvalReport(4, (0.6, "every row is answered 'b'")))
    assert not run.course.collapsed


def test_a_run_that_never_lived_is_given_up_half_way(tmp_path: Path) -> None:
    dead, alive = (0.5, "every row is answered 'a'"), (0.4, None)
    measure = {"measure": lambda said: Measured({"dev": {"score": said[0]}}, said[0], said[1]), "give_up_from": 4}
    run = Run(tmp_path / "dead", **measure)
    run.follow(*[event for number in range(1, 9) for event in (step(number), EvalReport(number, dead))])
    assert run.course.step == 4
    run = Run(tmp_path / "alive", **measure)
    run.follow(step(1), EvalReport(1, alive), *[EvalReport(number, dead) for number in range(2, 9)])
    assert run.course.step == 8
    run = Run(tmp_path / "few", **measure)
    run.follow(step(7), EvalReport(7, dead), step(8), EvalReport(8, dead))
    assert run.course.step == 8


def test_the_log_says_what_time_went_into_besides_computing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(tmp_path / "run", log_every=1)
    run.follower.session.talk.quiet = False
    now = [100.0]

    def events() -> Any:
        now[0] += 10
        yield replace(step(1), waited=2.0)
        now[0] += 10
        yield EvalReport(1, 0.5, seconds=6.0)
        now[0] += 4
        yield replace(step(2), waited=1.0)

    def save(best: bool) -> None:
        now[0] += 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("albert_cli.stages.follow.time.monotonic", lambda: now[0])
        run.follower.save = save
        run.follower.follow(events(), run.progress)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    first, second = (line for line in lines if line["split"] == "train")
    assert (first["data_share"], first["saving_share"], first["evaluating_share"]) == (0.2, 0.0, 0.0)
    assert second["data_share"] == pytest.approx(1 / 15)
    assert second["saving_share"] == pytest.approx(1 / 15)
    assert second["evaluating_share"] == pytest.approx(6 / 15)
    said = " ".join(capsys.readouterr().err.split())
    assert "time: 60.0% computing, 12.0% waiting for data, 24.0% evaluating, 4.0% saving" in said


def test_people_see_the_share_of_the_limit_the_last_evaluation_and_the_best(tmp_path: Path) -> None:
    run = Run(tmp_path, limit_share=lambda tokens_per_second: 0.25)
    run.follow(step(1), EvalReport(1, 0.5), step(2), EvalReport(2, 0.25), step(3), step(4))
    assert "25.0 % of the limit" in run.progress.line()
    assert "best 0.5000 (step 1)" in run.progress.line()
    assert "limit_share" not in (tmp_path / "metrics.jsonl").read_text()


def test_a_run_that_is_continued_shows_what_was_best_before(tmp_path: Path) -> None:
    run = Run(tmp_path, Course(step=8, best_score=0.75, best_step=4))
    run.follow(step(9))
    assert "best 0.7500 (step 4)" in run.progress.line()
