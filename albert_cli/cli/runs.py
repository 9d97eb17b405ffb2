"""`albert runs`: look at, compare and draw past runs."""

from __future__ import annotations

from typing import Annotated

import typer

from albert_cli.cli.completion import complete_run
from albert_cli.cli.options import DebugOption, JsonOption, QuietOption

HELP = "Look at, compare and draw past runs."

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="Run directory.", autocompletion=complete_run, show_default=False)
]
RunsArgument = Annotated[
    list[str], typer.Argument(metavar="RUN...", help="Run directories.", autocompletion=complete_run)
]


def ls(
    folder: Annotated[
        str, typer.Argument(metavar="[DIR]", help="Folder of runs.", autocompletion=complete_run)
    ] = "runs",
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """List the runs of a folder and of the folders in it, the newest first."""
    from pathlib import Path

    from albert_cli.stages.runs.listing import list_runs

    return list_runs(Path(folder), json=json)


def show(run: RunArgument, json: JsonOption = False, debug: DebugOption = False) -> int:
    """Show the state of a run, its scores and last values, and what it left."""
    from pathlib import Path

    from albert_cli.stages.runs.listing import show_run

    return show_run(Path(run), json=json)


def compare(
    runs: RunsArgument, json: JsonOption = False, quiet: QuietOption = False, debug: DebugOption = False
) -> int:
    """Compare runs: settings, scores with intervals, and a paired test of each with the first."""
    from pathlib import Path

    from albert_cli.stages.runs.comparing import compare_runs

    return compare_runs([Path(run) for run in runs], json=json, quiet=quiet)


def plot(
    runs: RunsArgument,
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="Folder for the pictures; else the first run's.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="One picture, such as loss; repeatable.")
    ] = None,
    terminal: Annotated[bool, typer.Option("--terminal", metavar="", help="Draw here instead of into files.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Draw the curves of runs as SVG, and as PNG where matplotlib is installed."""
    from pathlib import Path

    from albert_cli.stages.runs.drawing import plot_runs

    folder = None if out is None else Path(out)
    return plot_runs([Path(run) for run in runs], out=folder, quantities=only or [], terminal=terminal, json=json)


def report(run: RunArgument, json: JsonOption = False, debug: DebugOption = False) -> int:
    """Write report.html of a run anew: scores, mistakes, curves, recipe and environment on one page."""
    from pathlib import Path

    from albert_cli.stages.runs.drawing import report_run

    return report_run(Path(run), json=json)


COMMANDS = {"ls": ls, "show": show, "compare": compare, "plot": plot, "report": report}
