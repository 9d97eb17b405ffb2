"""How do the curves of a run become PNG files, where matplotlib is installed?"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from albert_cli.report.console import Talk
from albert_cli.report.curves import Picture, pictures_from_events
from albert_cli.report.run_dir import RunDir


def write_plots(run: RunDir, talk: Talk) -> list[Path]:
    """Write one PNG per picture (``loss.png``, ``accuracy.png``, ...) into a run directory.

    Without matplotlib nothing is written and that is said; ``report.html`` shows the same curves without it.

    Returns:
        The files written.
    """
    if not run.writes:
        return []
    if not has_matplotlib():
        talk.say(
            "no PNG curves: matplotlib is not installed (pip install 'albert-cli[plot]'); report.html has them all"
        )
        return []
    pictures = pictures_from_events(run.metrics.events())
    files = [run.path / f"{file_stem(picture.title)}.png" for picture in pictures]
    for picture, file in zip(pictures, files, strict=True):
        draw_png(picture, file)
    return files


def has_matplotlib() -> bool:
    """Whether PNG files can be drawn."""
    return importlib.util.find_spec("matplotlib") is not None


def file_stem(title: str) -> str:
    """The name of a picture's file without its ending."""
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")


def draw_png(picture: Picture, path: Path) -> None:
    """Draw one picture; needs matplotlib."""
    # The object interface, not pyplot: pyplot keeps global state and may look for a display.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for curve in picture.curves:
        steps, values = zip(*curve.points, strict=True)
        axes.plot(steps, values, label=curve.name, marker="o" if len(steps) == 1 else None, linewidth=1.2)
    axes.set_title(picture.title)
    axes.set_xlabel("step")
    axes.grid(alpha=0.2)
    axes.legend(frameon=False, fontsize="small")
    figure.savefig(path, dpi=120)
