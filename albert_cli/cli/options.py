"""Which options mean the same in every command, and how their values become overrides of a recipe."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from albert_cli.cli.completion import complete_recipe, complete_setting
from albert_cli.errors import UsageError

if TYPE_CHECKING:
    from albert_cli.recipe.load import LoadedRecipe


RECIPE_HELP = "Recipe file, or a name from `albert recipe ls`."
RecipeArgument = Annotated[
    str, typer.Argument(metavar="RECIPE", help=RECIPE_HELP, autocompletion=complete_recipe, show_default=False)
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change one value of the recipe; repeatable. VALUE is YAML.",
        autocompletion=complete_setting,
    ),
]
OutOption = Annotated[str | None, typer.Option("--out", metavar="DIR", help="Run directory; made, never overwritten.")]
ResumeOption = Annotated[bool, typer.Option("--resume", metavar="", help="Continue the run in --out.")]
ResumeAnywayOption = Annotated[
    bool,
    typer.Option(
        "--resume-anyway",
        metavar="",
        help="--resume although recipe, data or versions changed: says how, and that the run is another from there on.",
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", metavar="", help="Check everything, train nothing; the exit code says.")
]
JsonOption = Annotated[bool, typer.Option("--json", metavar="", help="Print the result as one JSON object on stdout.")]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:N, N (= cuda:N), -1 (= cpu), mps."),
]
PrecisionOption = Annotated[
    Literal["fp32", "bf16", "fp16"] | None, typer.Option("--precision", help="Number format of the matrix products.")
]
NprocOption = Annotated[int | None, typer.Option("--nproc", metavar="N", help="Processes on this machine.")]
ThreadsOption = Annotated[int | None, typer.Option("--threads", metavar="N", min=1, help="Threads of each process.")]
SeedOption = Annotated[int | None, typer.Option("--seed", metavar="N", help="Seed of everything random.")]
MaxHoursOption = Annotated[
    float | None, typer.Option("--max-hours", metavar="H", help="End after so many hours, with the model written.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", metavar="", help="No talk on stderr but warnings and errors.")]
Int8Option = Annotated[
    bool, typer.Option("--int8", metavar="", help="Products in 8 bits: faster, a little less exact (processors).")
]
OnnxOption = Annotated[
    bool, typer.Option("--onnx", metavar="", help="Run MODEL's model.onnx (albert convert --to onnx) with onnxruntime.")
]
CompileOption = Annotated[
    bool, typer.Option("--compile", metavar="", help="Compile the shared layer; pays on GPUs, after some seconds.")
]
VerboseOption = Annotated[bool, typer.Option("--verbose", metavar="", help="Say which products of matrices compute.")]
DebugOption = Annotated[bool, typer.Option("--debug", metavar="", help="Show the traceback of an error.")]


def shortcuts(
    *,
    out: str | None = None,
    seed: int | None = None,
    device: str | None = None,
    precision: str | None = None,
    nproc: int | None = None,
    threads: int | None = None,
    max_hours: float | None = None,
) -> dict[str, Any]:
    """Return what options say about recipe keys; options that were not given are left out."""
    said = {
        "out": out,
        "seed": seed,
        "runtime.device": device,
        "runtime.precision": precision,
        "runtime.nproc": nproc,
        "runtime.threads": threads,
        "train.max_hours": max_hours,
    }
    return {key: value for key, value in said.items() if value is not None}


def load(recipe: str, *, stage: str | None, overrides: Sequence[str] | None, said: Mapping[str, Any]) -> LoadedRecipe:
    """Load a recipe for a command."""
    from albert_cli.recipe.load import load_recipe

    return load_recipe(recipe, overrides=overrides or [], shortcuts=said, stage=stage)


def launched_processes() -> int | None:
    """Return the number of processes when a launcher (torchrun, accelerate) started this one, else None."""
    size = os.environ.get("WORLD_SIZE", "")
    return int(size) if size.isdigit() else None


def needs_launch(nproc: int, *, asked: bool) -> bool:
    """Say whether this process must start ``nproc`` others to do the work.

    Args:
        nproc: processes that the recipe or ``--nproc`` wants.
        asked: whether anyone said so; otherwise a launcher's own number counts.

    Raises:
        UsageError: a launcher started another number of processes than was asked for.
    """
    launched = launched_processes()
    if launched is None:
        return nproc > 1
    if asked and launched != nproc:
        raise UsageError(
            f"{nproc} processes asked for (runtime.nproc), but the launcher started {launched}",
            hint=f"add --nproc {launched}, or run without the launcher",
        )
    return False
