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
    if importlib.util.find_spec("matplotlib") is None:
        talk.say(
            "no PNG curves: matplotlib is not installed (pip install 'albert-cli[plot]'); report.html has them all"
        )
        return []
    return [_write_png(picture, run.path) for picture in pictures_from_events(run.metrics.events())]


def _write_png(picture: Picture, folder: Path) -> Path:
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
    path = folder / (re.sub(r"[^a-z0-9]+", "_", picture.title.lower()).strip("_") + ".png")
    figure.savefig(path, dpi=120)
    return path
