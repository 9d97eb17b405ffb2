"""What may follow on the command line? For the shell; nothing here imports torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path


def complete_recipe(incomplete: str) -> list[str]:
    """Names of shipped recipes; the shell itself completes files."""
    from albert_cli.recipe.shipped import shipped_names

    return _begun(incomplete, shipped_names())


def complete_run(incomplete: str) -> list[str]:
    """Run directories, those below ``runs/`` also by the path from here."""
    start = Path(incomplete or "runs")
    parent = start if incomplete.endswith("/") or not incomplete else start.parent
    return _begun(incomplete, map(str, _folders(parent)))


def complete_model(incomplete: str) -> list[str]:
    """Names of released models, those in the hub's cache, runs, and folders."""
    from albert_cli.files.hub import SHORT_NAMES

    names = [*SHORT_NAMES, *_cached_models()] if incomplete else list(SHORT_NAMES)
    return [*_begun(incomplete, names), *complete_run(incomplete)]


def complete_target(incomplete: str) -> list[str]:
    """Recipes and runs."""
    return [*complete_recipe(incomplete), *complete_run(incomplete)]


def complete_task(incomplete: str) -> list[str]:
    """Tasks of `albert run`."""
    from albert_cli.recipe.requests import RUN_ALIASES, RUN_TASKS

    return _begun(incomplete, [*RUN_TASKS, *RUN_ALIASES])


def complete_setting(incomplete: str) -> list[str]:
    """Keys of recipes, for ``--set``."""
    from albert_cli.recipe.reference import all_keys

    return _begun(incomplete, (f"{key}=" for key in all_keys()))


def complete_format(incomplete: str) -> list[str]:
    """Formats of `albert convert`."""
    return _begun(incomplete, ("hf", "hf-bin", "tf1", "tf2", "flax", "onnx"))


def _begun(incomplete: str, words: Iterable[str]) -> list[str]:
    return sorted({word for word in words if word.startswith(incomplete)})


def _folders(parent: Path) -> Iterator[Path]:
    try:
        yield from (path for path in parent.iterdir() if path.is_dir())
    except OSError:
        return


def _cached_models() -> Iterator[str]:
    """Hub ids of models that were fetched before; told by the names of folders, the hub's client is slow to import."""
    home = os.environ.get("HF_HOME", "~/.cache/huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE", f"{home}/hub")).expanduser()
    for folder in _folders(cache):
        kind, _, name = folder.name.partition("--")
        if kind == "models" and name:
            yield name.replace("--", "/")
