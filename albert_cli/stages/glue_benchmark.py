"""`albert eval RUN RUN ... --combine glue`: the average of several runs, and the archive that the leaderboard takes.

Nothing is computed anew: each run's saved predictions of its dev rows are scored, and its tables of the test rows are
packed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from albert_cli.data.tasks.glue_submission import TEST_ROWS, check_table, write_zip
from albert_cli.errors import CheckpointError, DataError, UsageError
from albert_cli.files.text import safe_line
from albert_cli.metrics.glue_average import BENCHMARK, GlueAverage, glue_average
from albert_cli.recipe.requests import RunOptions
from albert_cli.report.card import Score
from albert_cli.report.console import Talk, result_json, result_table
from albert_cli.report.run_dir import RunDir, is_run_dir
from albert_cli.report.tables import Table
from albert_cli.stages.answering import by_split
from albert_cli.stages.target import read_target
from albert_cli.stages.tasks.open import open_task

Scores = dict[str, dict[str, float]]


def combine(
    targets: Sequence[str], *, overrides: Sequence[str], out: Path | None, talk: Talk, options: RunOptions
) -> list[Score]:
    """Print the average of the runs' tasks; write the archive.

    Args:
        targets: run directories; tables of predictions under official names (``AX.tsv``) may stand beside them.
        overrides: ``--set`` for every run's recipe (where the data are now).
        out: of the archive; None writes none.
        talk: the command's voice.
        options: how to go about it.

    Returns:
        The average as a score named ``glue``.

    Raises:
        UsageError: a target is neither, is no GLUE task, or a task is there twice.
        DataError: predictions or rows cannot be read, or the archive would be refused.
    """
    scores: dict[str, Scores] = {}
    places: dict[str, str] = {}
    tables: list[Path] = []
    for target in targets:
        path = Path(target)
        if path.is_file() and path.name in TEST_ROWS:
            check_table(path)
            tables.append(path)
            continue
        if not is_run_dir(path):
            raise UsageError(
                f"{safe_line(target)} is no run directory", hint="--combine takes runs and tables such as AX.tsv"
            )
        task, found = _scores_of(path, overrides, talk)
        if task in scores:
            raise UsageError(f"two runs of {task}: {places[task]}, {target}", hint="name one run of each task")
        scores[task], places[task] = found, target
        tables += [table for name in TEST_ROWS if (table := path / "predictions" / name).is_file()]
    average = glue_average(scores)
    if out is not None:
        write_zip(_without_doubles(tables), out)
        talk.say(f"archive for the leaderboard: {out}")
    if average.missing:
        talk.warn(f"no GLUE score: the mean leaves out {', '.join(average.missing)}")
    if talk.is_main:
        _show(average, scores, out, options)
    return [Score("glue", average.value, "dev")]


def _scores_of(path: Path, overrides: Sequence[str], talk: Talk) -> tuple[str, Scores]:
    """Task of a run, and the scores of its saved predictions."""
    found = read_target(
        str(path),
        model=None,
        recipe=None,
        overrides=overrides,
        shortcuts={},
        needs_model=False,
        inputs_may_be_open=True,
    )
    name = found.recipe.task
    if name not in BENCHMARK:
        raise UsageError(f"{safe_line(str(path))} is a run of {name}, no task of GLUE", hint="leave it out")
    task = open_task(found.recipe, talk)
    run = RunDir.open(path)
    scores = []
    for split in task.dev_splits:
        file = run.predictions_path(f"{split}.jsonl")
        if not file.is_file():
            raise CheckpointError(
                f"no predictions of {split} in {safe_line(str(path))}", hint="finish the run first: --resume"
            )
        answers = task.saved_answers(split, file)
        scores += [Score(name, value, split) for name, value in task.scores(split, answers).items()]
    if not scores:
        raise DataError(f"the data of {safe_line(str(path))} has no dev rows", hint="name one with data.split.dev")
    return name, by_split(scores)


def _without_doubles(tables: Sequence[Path]) -> list[Path]:
    """A table named by itself takes the place of a run's."""
    chosen: dict[str, Path] = {}
    for path in sorted(tables, key=lambda path: path.parent.name != "predictions"):
        chosen[path.name] = path
    return list(chosen.values())


def _show(average: GlueAverage, scores: Mapping[str, Scores], out: Path | None, options: RunOptions) -> None:
    label = "glue" if not average.missing else f"mean of {len(average.tasks)}"
    if options.json:
        result: dict[str, Any] = {
            "command": "eval",
            "combine": "glue",
            "value": average.value,
            "complete": not average.missing,
            "missing": list(average.missing),
            "tasks": average.tasks,
            "scores": dict(scores),
            "out": None if out is None else str(out),
        }
        result_json(result)
        return
    rows = [[task, f"{100 * value:.2f}", _made_of(scores[task])] for task, value in average.tasks.items()]
    rows.append([label, f"{100 * average.value:.2f}", ""])
    result_table(Table(["task", "score", "of"], rows, numeric=frozenset({1})))


def _made_of(scores: Scores) -> str:
    return ", ".join(
        f"{name} {100 * value:.2f}"
        for values in scores.values()
        for name, value in values.items()
        if name not in ("combined_score", "mse")
    )
