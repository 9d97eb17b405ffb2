"""Which of several runs is better, and could it be chance?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from albert_cli.errors import AlbertError, UsageError
from albert_cli.metrics.paired import PairedTest, paired_test
from albert_cli.recipe.load import load_recipe
from albert_cli.recipe.render import differences, one_line
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.report import numbers
from albert_cli.report.console import Talk, result_json, result_table, result_text
from albert_cli.report.run_dir import RunDir
from albert_cli.report.run_summary import RunSummary, as_json, summarise_run
from albert_cli.report.tables import Table

# Of no interest where two runs are compared: every run has its own.
_OWN = frozenset({"out"})


def compare_runs(folders: Sequence[Path], *, json: bool, quiet: bool) -> int:
    """Compare runs: what differs in their recipes, their scores, and for fine-tuned ones a paired test of each with the
    first, row by row.

    Raises:
        UsageError: fewer than two runs.
        CheckpointError: a folder is no run.
    """
    if len(folders) < 2:
        raise UsageError("one run alone cannot be compared", hint="name two or more run directories")
    runs = [RunDir.open(folder) for folder in folders]
    summaries = [summarise_run(run) for run in runs]
    names = _names(folders)
    with Talk(quiet=quiet) as talk:
        changed = _changed(summaries, names, talk)
        paired, value_name = _paired(summaries, names, talk)
    scores = _scores(summaries)
    if json:
        tests = {name: asdict(test) for name, test in paired.items()}
        result_json(
            {
                "command": "runs compare",
                "runs": [as_json(summary) for summary in summaries],
                "differences": {
                    name: [{"key": k, "a": a, "b": b} for k, a, b in found] for name, found in changed.items()
                },
                "scores": {f"{split} {name}": values for (split, name), values in scores.items()},
                "paired": {"of": value_name, "with": names[0], "tests": tests},
            }
        )
        return 0
    _say(names, changed, scores, paired, value_name, [summary.result for summary in summaries])
    return 0


def _names(folders: Sequence[Path]) -> list[str]:
    """Short names where they tell the runs apart, whole paths where they do not."""
    short = [folder.resolve().name for folder in folders]
    return short if len(set(short)) == len(short) else [str(folder) for folder in folders]


def _changed(
    summaries: Sequence[RunSummary], names: Sequence[str], talk: Talk
) -> dict[str, list[tuple[str, Any, Any]]]:
    """By name of each run but the first: keys of its recipe that differ from the first one's."""
    try:
        recipes = [load_recipe(summary.run.recipe_path) for summary in summaries]
    except AlbertError as error:
        talk.warn(f"recipes not compared: {error.message}")
        return {}
    return {
        name: [found for found in differences(recipes[0], recipe) if found[0] not in _OWN]
        for name, recipe in zip(names[1:], recipes[1:], strict=True)
    }


def _scores(summaries: Sequence[RunSummary]) -> dict[tuple[str, str], list[float | None]]:
    """Values by split and name, one for each run; what a run reported at its end, else what it measured last."""
    found: dict[tuple[str, str], list[float | None]] = {}
    for place, summary in enumerate(summaries):
        held_out = {split: values for split, values in summary.last.items() if split != "train"}
        for split, values in (summary.result.get("scores") or held_out).items():
            for name, value in values.items():
                found.setdefault((split, name), [None] * len(summaries))[place] = value
    return found


def _paired(
    summaries: Sequence[RunSummary], names: Sequence[str], talk: Talk
) -> tuple[dict[str, PairedTest], str | None]:
    """A test of each run with the first on the rows of the split that chose it, and what is compared on each row."""
    if any(summary.recipe.get("stage") != "finetune" or summary.best is None for summary in summaries):
        return {}, None
    try:
        values, of = _row_values(summaries, talk)
    except AlbertError as error:
        talk.warn(f"no paired test: {error.message}")
        return {}, None
    sign = -1.0 if "error" in of else 1.0
    tests = {name: paired_test(sign * values[0], sign * own) for name, own in zip(names[1:], values[1:], strict=True)}
    return tests, of


def _row_values(summaries: Sequence[RunSummary], talk: Talk) -> tuple[list[np.ndarray], str]:
    """(N,) worth of each run's saved answers to the same rows.

    Raises:
        AlbertError: the runs answer other rows, or their data or predictions are gone.
    """
    from albert_cli.stages.tasks.facts import Explained
    from albert_cli.stages.tasks.open import open_task

    first = summaries[0]
    assert first.best is not None
    split = first.best.split
    recipe = load_recipe(first.run.recipe_path).recipe
    assert isinstance(recipe, FinetuneRecipe)
    if any(summary.recipe.get("task") != first.recipe.get("task") for summary in summaries):
        raise UsageError("the runs are of different tasks")
    task = open_task(recipe, talk)
    if not isinstance(task, Explained):
        raise UsageError(f"{task.name} has no worth of single rows")
    values, of = [], ""
    for summary in summaries:
        answers = task.saved_answers(split, summary.run.path / "predictions" / f"{split}.jsonl")
        facts = task.facts(split, answers)
        values.append(np.asarray(facts.values, np.float64))
        of = facts.value_name
    return values, of


def _say(
    names: Sequence[str],
    changed: Mapping[str, list[tuple[str, Any, Any]]],
    scores: Mapping[tuple[str, str], list[float | None]],
    paired: Mapping[str, PairedTest],
    value_name: str | None,
    results: Sequence[Mapping[str, Any]],
) -> None:
    for name, found in changed.items():
        rows = [[key, one_line(a), one_line(b)] for key, a, b in found]
        result_table(Table(["key", names[0], name], rows, title="different settings" if rows else "same settings"))
        result_text("")
    rows = [
        [split, name, *(_score(split, name, value, result) for value, result in zip(values, results, strict=True))]
        for (split, name), values in scores.items()
    ]
    if rows:
        result_table(Table(["split", "score", *names], rows, title="scores (95 % interval)"))
    if paired:
        share = value_name is not None and "error" not in value_name
        write = numbers.score if share else numbers.loss
        rows = [
            [name, write(test.difference), f"{write(test.low)} to {write(test.high)}", f"{test.p_value:.4f}",
             numbers.count(test.better), numbers.count(test.worse), numbers.count(test.rows)]
            for name, test in paired.items()
        ]  # fmt: skip
        result_text("")
        title = f"{value_name} of each row, against {names[0]} (interval: bootstrap; p: permutation of pairs)"
        columns = ["run", "difference", "95 % interval", "p", "rows better", "rows worse", "rows"]
        result_table(Table(columns, rows, title=title, numeric=frozenset(range(1, 7))))


def _score(split: str, name: str, value: float | None, result: Mapping[str, Any]) -> str:
    if value is None:
        return ""
    is_share = name in result.get("scores", {}).get(split, {}) and name not in result.get("smaller_is_better", [])
    write = numbers.score if is_share else lambda number: numbers.value(name, number)
    interval = result.get("intervals", {}).get(split, {}).get(name)
    return write(value) + (f" ({write(interval[0])} to {write(interval[1])})" if interval else "")
