"""What do the curves of runs look like, as files, in a terminal and in a browser?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from albert_cli.errors import DataError, UsageError
from albert_cli.files.atomic import write_file
from albert_cli.report.console import result_json, result_text
from albert_cli.report.curves import Curve, Picture, pictures_from_events
from albert_cli.report.html import write_html_report
from albert_cli.report.plots import draw_png, file_stem, has_matplotlib
from albert_cli.report.run_dir import RunDir
from albert_cli.report.svg import svg_document
from albert_cli.report.terminal_plot import plot_picture


def plot_runs(
    folders: Sequence[Path], *, out: Path | None, quantities: Sequence[str], terminal: bool, json: bool
) -> int:
    """Draw the curves of one run, or of several in the same pictures.

    Args:
        folders: run directories.
        out: folder for the pictures, made if absent; None puts them beside the metrics of the first run.
        quantities: names of pictures to draw ("loss", "accuracy", "learning rate"); empty draws all.
        terminal: draw on stdout instead of into files.
        json: print the names of the files as JSON.

    Raises:
        UsageError: nothing of that name was measured, or ``terminal`` together with ``out`` or ``json``.
        CheckpointError: a folder is no run.
        DataError: nothing was measured, or the pictures cannot be written.
    """
    if terminal and (out is not None or json):
        raise UsageError("--terminal writes no files", hint="leave out --out and --json, or --terminal")
    runs = [RunDir.open(folder) for folder in folders]
    pictures = _chosen(_merged(runs), quantities)
    if terminal:
        plain = (sys.stdout.encoding or "").lower().replace("-", "") not in ("utf8", "utf16", "utf32")
        for picture in pictures:
            result_text(f"{picture.title}\n{plot_picture(picture, ascii_only=plain)}\n")
        return 0
    folder = runs[0].path if out is None else out
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = [file for picture in pictures for file in _write(picture, folder)]
    except OSError as error:
        raise DataError(
            f"cannot write into {folder}: {error.strerror or error}", hint="choose another --out"
        ) from error
    if json:
        result_json({"command": "runs plot", "files": [str(file) for file in files]})
    else:
        result_text("\n".join(str(file) for file in files))
    return 0


def report_run(folder: Path, *, json: bool) -> int:
    """Write the page of a run anew.

    Raises:
        CheckpointError: it is no run directory.
        DataError: the page cannot be written.
    """
    run = RunDir.open(folder)
    try:
        write_html_report(run)
    except OSError as error:
        raise DataError(
            f"cannot write {run.report_path}: {error.strerror or error}", hint="check its folder"
        ) from error
    if json:
        result_json({"command": "runs report", "file": str(run.report_path)})
    else:
        result_text(str(run.report_path))
    return 0


def _merged(runs: Sequence[RunDir]) -> list[Picture]:
    """Pictures of all runs, curves of the same quantities together; the names of several runs stand before them."""
    merged: dict[str, list[Curve]] = {}
    for run in runs:
        prefix = f"{run.path.resolve().name} " if len(runs) > 1 else ""
        for picture in pictures_from_events(run.metrics.events()):
            curves = [Curve(prefix + curve.name, curve.points) for curve in picture.curves]
            merged.setdefault(picture.title, []).extend(curves)
    if not merged:
        raise DataError("nothing was measured", hint="a run writes metrics.jsonl as it trains")
    return [Picture(title, tuple(curves)) for title, curves in merged.items()]


def _chosen(pictures: list[Picture], quantities: Sequence[str]) -> list[Picture]:
    if not quantities:
        return pictures
    known = {file_stem(picture.title): picture for picture in pictures}
    for name in quantities:
        if file_stem(name) not in known:
            raise UsageError(f"no {name!r} was measured", hint=f"--only one of: {', '.join(known)}")
    return [known[file_stem(name)] for name in quantities]


def _write(picture: Picture, folder: Path) -> list[Path]:
    svg = folder / f"{file_stem(picture.title)}.svg"
    write_file(svg, svg_document(picture))
    if not has_matplotlib():
        return [svg]
    png = svg.with_suffix(".png")
    draw_png(picture, png)
    return [svg, png]
