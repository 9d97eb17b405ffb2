"""`albert finetune --seeds 1,2,3`: the same recipe from several seeds, and what its scores are worth together.

One number of one run says little about a recipe: small data sets move by several points from seed to seed. So each
score has its mean, standard deviation, median and best over the runs and a 95 % interval of the mean, and each run has
the interval of its own score over the examples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from albert_cli.errors import UsageError
from albert_cli.files.atomic import write_file
from albert_cli.metrics.stats import mean_interval, summarise_seeds
from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.requests import RunOptions
from albert_cli.report import numbers
from albert_cli.report.console import Talk
from albert_cli.report.tables import Table

Execute = Callable[[LoadedRecipe, RunOptions, Talk], dict[str, Any]]


def run_seeds(
    loaded: LoadedRecipe, options: RunOptions, talk: Talk, seeds: Sequence[int], execute: Execute
) -> dict[str, Any]:
    """Train once for each seed, each in a run directory of its own inside the common one.

    Args:
        loaded: the recipe; its ``out`` is the common folder.
        options: ``resume`` goes on with the runs that are there and adds those that are not.
        talk: the command's voice.
        seeds: one run each.
        execute: does one run and gives its result.

    Returns:
        ``seeds``, ``summary`` (by split and score: mean, sd, median, best, low, high) and ``runs`` (their results); the
        same is written to seeds.json. A dry run's is that of the first seed.

    Raises:
        UsageError: the recipe has no ``out``.
    """
    if loaded.recipe.out is None:
        raise UsageError("--seeds needs --out, a folder for the runs", hint="add --out DIR")
    folder = Path(loaded.recipe.out)
    results = []
    for seed in seeds:
        out = folder / f"seed-{seed}"
        recipe = loaded.recipe.model_copy(update={"seed": seed, "out": str(out)})
        talk.say(f"seed {seed}")
        mine = replace(options, resume=options.resume and out.exists())
        results.append(execute(replace(loaded, recipe=recipe), mine, talk))
        if options.dry_run:
            return results[0]
    errors = frozenset(results[0]["smaller_is_better"])
    summary = summarise([result["scores"] for result in results], errors=errors)
    outcome = {"command": "finetune", "seeds": list(seeds), "summary": summary, "runs": results}
    if talk.is_main:
        write_file(folder / "seeds.json", json.dumps(outcome, indent=1) + "\n")
    for line in summary_table(summary, errors=errors, runs=len(seeds)).text().splitlines():
        talk.say(line)
    return outcome


def summarise(
    scores: Sequence[Mapping[str, Mapping[str, float]]], *, errors: frozenset[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """What the scores of several runs say together.

    Args:
        scores: of each run, by split and name; the same names in all.
        errors: names of scores of which the smallest is best.

    Returns:
        By split and name: ``mean``, ``sd`` (sample), ``median``, ``best``, and ``low`` and ``high``, the 95 % bootstrap
        interval of the mean over the runs.
    """
    summary: dict[str, dict[str, dict[str, float]]] = {}
    for split, names in scores[0].items():
        summary[split] = {}
        for name in names:
            values = [one[split][name] for one in scores]
            found = asdict(summarise_seeds(values, smaller_is_better=name in errors))
            interval = mean_interval(values)
            found = {"sd" if key == "std" else key: value for key, value in found.items() if key != "runs"}
            summary[split][name] = {**found, "low": interval.low, "high": interval.high}
    return summary


def summary_table(
    summary: Mapping[str, Mapping[str, Mapping[str, float]]], *, errors: frozenset[str], runs: int
) -> Table:
    """The summary for people: shares times a hundred, errors as they are."""
    columns = ["split", "score", "mean", "sd", "median", "best", "95 % of the mean"]
    rows = []
    for split, names in summary.items():
        for name, found in names.items():
            factor = 1.0 if name in errors else 100.0
            shown = {key: f"{factor * value:.2f}" for key, value in found.items()}
            interval = f"{shown['low']} to {shown['high']}" if runs > 1 else "-"
            rows.append([split, name, shown["mean"], shown["sd"], shown["median"], shown["best"], interval])
    return Table(columns, rows, title=f"{numbers.count(runs)} seeds", numeric=frozenset(range(2, 6)))
