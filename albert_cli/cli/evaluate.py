"""`albert eval` and `albert predict`."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from albert_cli.cli.completion import complete_model, complete_recipe, complete_target
from albert_cli.cli.options import (
    CompileOption,
    DebugOption,
    DeviceOption,
    Int8Option,
    JsonOption,
    NprocOption,
    OnnxOption,
    PrecisionOption,
    QuietOption,
    SetOption,
    ThreadsOption,
    VerboseOption,
    needs_launch,
    shortcuts,
)
from albert_cli.errors import UsageError

if TYPE_CHECKING:
    from albert_cli.recipe.requests import EvalOptions

TargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="Recipe, run directory, or model directory (then --recipe names the data).",
        autocompletion=complete_target,
        show_default=False,
    ),
]
TargetsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="TARGET",
        help="Recipe, run directory, or model directory (then --recipe names the data); runs with --combine.",
        autocompletion=complete_target,
        show_default=False,
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="MODEL", help="Model directory, run directory or hub id.", autocompletion=complete_model
    ),
]
RecipeOption = Annotated[
    str | None,
    typer.Option("--recipe", metavar="RECIPE", help="Recipe that names the data.", autocompletion=complete_recipe),
]


def evaluate(
    targets: TargetsArgument,
    model: ModelOption = None,
    recipe: RecipeOption = None,
    predictions: Annotated[
        Path | None,
        typer.Option("--predictions", metavar="FILE", help="Score these saved predictions; no model is loaded."),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option("--fail-under", metavar="METRIC=VALUE", help="Exit with 5 when a score is lower; repeatable."),
    ] = None,
    errors: Annotated[
        int, typer.Option("--errors", metavar="N", min=0, help="List the worst N rows of each split, decoded.")
    ] = 0,
    details: Annotated[
        bool,
        typer.Option("--details", metavar="", help="Show confused classes, calibration, and scores by length of rows."),
    ] = False,
    official: Annotated[
        bool, typer.Option("--official", metavar="", help="Compute the scores through the evaluate library.")
    ] = False,
    combine: Annotated[
        Literal["glue"] | None,
        typer.Option("--combine", help="Average the saved predictions of several runs, as the benchmark does."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="With --combine: the zip of test predictions for the leaderboard."),
    ] = None,
    set_: SetOption = None,
    json: JsonOption = False,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    nproc: NprocOption = None,
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int | None:
    """Score a model, or saved predictions without any model."""
    from albert_cli.recipe.requests import EvalOptions, RunOptions

    if predictions is not None and model is not None:
        raise UsageError("--predictions and --model exclude each other (albert eval)", hint="give one of them")
    limits = read_limits(fail_under or [])
    shown = EvalOptions(errors=errors, details=details, official=official, combine=combine, out=out)
    _check_combination(targets, shown, alone=model or recipe or predictions)
    if _must_launch(nproc):
        return _launch(nproc)
    from albert_cli.stages import evaluate as stage

    return stage.run(
        targets,
        model=model,
        recipe=recipe,
        overrides=set_ or [],
        shortcuts=shortcuts(device=device, precision=precision, nproc=nproc, threads=threads),
        predictions=predictions,
        fail_under=limits,
        shown=shown,
        options=RunOptions(json=json, quiet=quiet, debug=debug),
    )


def predict(
    target: TargetArgument,
    input_: Annotated[
        str, typer.Argument(metavar="INPUT_OR_-", help="Data file; - reads lines from stdin.", show_default=False)
    ],
    model: ModelOption = None,
    recipe: RecipeOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Where to write, in the form of its name's end (.csv, ...); else stdout."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", metavar="", help="Go on where a stopped command left FILE of --out.")
    ] = False,
    set_: SetOption = None,
    json: JsonOption = False,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    int8: Int8Option = False,
    onnx: OnnxOption = False,
    compile_: CompileOption = False,
    nproc: NprocOption = None,
    threads: ThreadsOption = None,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int | None:
    """Write predictions over a data file in the task's official format."""
    from albert_cli.recipe.requests import Engine, RunOptions

    if input_ == "-" and nproc is not None and nproc > 1:
        raise UsageError("--nproc cannot share one stdin (albert predict)", hint="give a file, or leave --nproc out")
    if _must_launch(nproc):
        return _launch(nproc)
    from albert_cli.stages import predict as stage

    return stage.run(
        target,
        input_,
        model=model,
        recipe=recipe,
        out=out,
        overrides=set_ or [],
        shortcuts=shortcuts(device=device, precision=precision, nproc=nproc, threads=threads),
        options=RunOptions(resume=resume, json=json, quiet=quiet, debug=debug),
        engine=Engine(int8=int8, onnx=onnx, compile=compile_, verbose=verbose),
    )


def _check_combination(targets: Sequence[str], shown: EvalOptions, *, alone: object) -> None:
    if shown.combine is None:
        if len(targets) > 1:
            raise UsageError(f"{len(targets)} targets (albert eval)", hint="give one, or add --combine glue")
        if shown.out is not None:
            raise UsageError("--out is the archive of --combine glue (albert eval)", hint="add --combine glue")
    elif alone or shown.errors or shown.details or shown.official:
        raise UsageError(
            "--combine scores saved predictions of runs as they are (albert eval)",
            hint="leave out --model, --recipe, --predictions, --errors, --details and --official",
        )


def read_limits(texts: Sequence[str]) -> dict[str, float]:
    """Read the values of ``--fail-under``.

    Raises:
        UsageError: one is not METRIC=VALUE, or names a metric for the second time.
    """
    limits: dict[str, float] = {}
    for text in texts:
        name, _, number = (part.strip() for part in text.partition("="))
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not name or not math.isfinite(value):
            raise UsageError(f"--fail-under must be METRIC=VALUE, found {text!r}", hint="--fail-under accuracy=0.9")
        if name in limits:
            raise UsageError(f"--fail-under names {name} twice", hint="give one limit for each metric")
        limits[name] = value
    return limits


def _must_launch(nproc: int | None) -> bool:
    if nproc is not None and nproc < 1:
        raise UsageError(f"--nproc must be at least 1, found {nproc}", hint="--nproc 1")
    return needs_launch(nproc or 1, asked=nproc is not None)


def _launch(nproc: int | None) -> int:
    from albert_cli.training.launch import relaunch

    return relaunch(nproc or 1, sys.argv[1:])
