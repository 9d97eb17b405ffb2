"""`albert train-tokenizer`, `albert pretrain`, `albert finetune`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from albert_cli.cli.completion import complete_recipe
from albert_cli.cli.options import (
    RECIPE_HELP,
    DebugOption,
    DeviceOption,
    DryRunOption,
    JsonOption,
    MaxHoursOption,
    NprocOption,
    OutOption,
    PrecisionOption,
    QuietOption,
    RecipeArgument,
    ResumeAnywayOption,
    ResumeOption,
    SeedOption,
    SetOption,
    ThreadsOption,
    launched_processes,
    load,
    needs_launch,
    shortcuts,
)
from albert_cli.errors import UsageError

if TYPE_CHECKING:
    from albert_cli.recipe.load import LoadedRecipe


def train_tokenizer(
    recipe: Annotated[
        list[str] | None,
        typer.Argument(metavar="RECIPE", help=RECIPE_HELP, autocompletion=complete_recipe, show_default=False),
    ] = None,
    input_: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="FILE...", help="Text files to learn from, instead of a recipe."),
    ] = None,
    set_: SetOption = None,
    out: OutOption = None,
    seed: SeedOption = None,
    threads: ThreadsOption = None,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int | None:
    """Train a SentencePiece model with ALBERT's settings."""
    from albert_cli.recipe.load import load_values
    from albert_cli.recipe.requests import RunOptions

    said = shortcuts(out=out, seed=seed, threads=threads)
    words = recipe or []
    if input_:  # `--input a.txt b.txt`: what follows the first file is files too
        values = {"stage": "train-tokenizer", "data": {"path": [*input_, *words]}}
        loaded = load_values(values, name="tokenizer", overrides=set_ or [], shortcuts=said)
    elif len(words) == 1:
        loaded = load(words[0], stage="train-tokenizer", overrides=set_, said=said)
    else:
        raise UsageError(
            "one recipe at a time" if words else "neither a recipe nor --input (albert train-tokenizer)",
            hint="albert train-tokenizer RECIPE, or albert train-tokenizer --input FILE...",
        )
    from albert_cli.stages import train_tokenizer as stage

    return stage.run(loaded, RunOptions(dry_run=dry_run, json=json, quiet=quiet, debug=debug))


def pretrain(
    recipe: RecipeArgument,
    set_: SetOption = None,
    out: OutOption = None,
    resume: ResumeOption = False,
    resume_anyway: ResumeAnywayOption = False,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    nproc: NprocOption = None,
    threads: ThreadsOption = None,
    seed: SeedOption = None,
    max_hours: MaxHoursOption = None,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int | None:
    """Train a model from raw text: masked words and sentence order."""
    from albert_cli.recipe.requests import RunOptions

    said = shortcuts(
        out=out, seed=seed, device=device, precision=precision, nproc=nproc, threads=threads, max_hours=max_hours
    )
    loaded = load(recipe, stage="pretrain", overrides=set_, said=said)
    resume = _check_resume(loaded, resume or resume_anyway)
    if _must_launch(loaded, dry_run):
        return _launch(loaded)
    from albert_cli.stages import pretrain as stage

    options = RunOptions(
        resume=resume, resume_anyway=resume_anyway, dry_run=dry_run, json=json, quiet=quiet, debug=debug
    )
    return stage.run(loaded, options)


def finetune(
    recipe: RecipeArgument,
    set_: SetOption = None,
    out: OutOption = None,
    resume: ResumeOption = False,
    resume_anyway: ResumeAnywayOption = False,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    nproc: NprocOption = None,
    threads: ThreadsOption = None,
    seed: SeedOption = None,
    seeds: Annotated[
        str | None,
        typer.Option("--seeds", metavar="N,N,...", help="Train once per seed; report mean, deviation, median, best."),
    ] = None,
    search: Annotated[
        list[str] | None,
        typer.Option("--search", metavar="KEY=V,V,...", help="Train with each value, or within LOW..HIGH; repeatable."),
    ] = None,
    trials: Annotated[int | None, typer.Option("--trials", metavar="N", min=1, help="Trials of --search.")] = None,
    max_hours: MaxHoursOption = None,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int | None:
    """Train a task head on labelled examples, keep the best checkpoint, score it."""
    from albert_cli.recipe.requests import RunOptions

    many = read_seeds(seeds) if seeds is not None else None
    if many is not None and seed is not None:
        raise UsageError("--seed and --seeds exclude each other (albert finetune)", hint="give one of them")
    if search and many is not None:
        raise UsageError("--seeds and --search exclude each other (albert finetune)", hint="search first")
    if trials is not None and not search:
        raise UsageError("--trials belongs to --search (albert finetune)", hint="--search learning_rate=1e-5,2e-5")
    said = shortcuts(
        out=out, seed=seed, device=device, precision=precision, nproc=nproc, threads=threads, max_hours=max_hours
    )
    loaded = load(recipe, stage="finetune", overrides=set_, said=said)
    resume = _check_resume(loaded, resume or resume_anyway)
    options = RunOptions(
        resume=resume, resume_anyway=resume_anyway, dry_run=dry_run, json=json, quiet=quiet, debug=debug
    )
    if search:
        from albert_cli.stages import search as search_stage

        def reload(more: Sequence[str]) -> LoadedRecipe:
            return load(recipe, stage="finetune", overrides=[*(set_ or []), *more], said=said)

        return search_stage.run(loaded, options, search=search, trials=trials, reload=reload)
    if _must_launch(loaded, dry_run):
        return _launch(loaded)
    from albert_cli.stages import finetune as stage

    return stage.run(loaded, options, seeds=many)


def read_seeds(text: str) -> list[int]:
    """Read the value of ``--seeds``.

    Raises:
        UsageError: it is not a list of different whole numbers.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() for word in words):
        raise UsageError(
            f"--seeds must be whole numbers with commas between them, found {text!r}", hint="--seeds 1,2,3"
        )
    seeds = [int(word) for word in words]
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"--seeds names a seed twice: {text!r}", hint="--seeds 1,2,3")
    return seeds


def _check_resume(loaded: LoadedRecipe, resume: bool) -> bool:
    if resume and loaded.recipe.out is None:
        raise UsageError("--resume needs the run directory to continue", hint="add --out DIR")
    return resume


def _must_launch(loaded: LoadedRecipe, dry_run: bool) -> bool:
    if launched_processes() is not None:
        from albert_cli.training.launch import end_with_launcher

        end_with_launcher()  # before torch is imported, which takes seconds
    asked = loaded.origins["runtime.nproc"] != "default"
    return needs_launch(loaded.processes, asked=asked) and not dry_run


def _launch(loaded: LoadedRecipe) -> int:
    from albert_cli.training.launch import relaunch

    return relaunch(loaded.processes, sys.argv[1:])
