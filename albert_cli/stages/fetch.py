"""`albert data fetch`: what a recipe takes from the hub, as local files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from albert_cli.data.hub import fetch_hub, hub_commit
from albert_cli.errors import DataError, UsageError
from albert_cli.files.atomic import new_directory, write_file
from albert_cli.files.checksum import write_manifest
from albert_cli.files.hub import resolve_model
from albert_cli.files.text import safe_line
from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.needs import hub_data, hub_models
from albert_cli.report import numbers
from albert_cli.report.console import Talk, result_json, result_table
from albert_cli.report.tables import Table

SOURCE = "source.json"


def run(loaded: LoadedRecipe, out: Path | None, *, json: bool, quiet: bool) -> int:
    """Fetch a recipe's rows, and the model that it starts from.

    The rows go into a folder, a file for each split, with their checksums (manifest.json) and where they came from
    (source.json). The model goes into the hub's own cache, where every command finds it.

    Args:
        loaded: the recipe.
        out: folder for the rows; None takes ``data/<recipe>``.
        json: print the result as JSON.
        quiet: say only warnings and errors.

    Raises:
        UsageError: the recipe takes nothing from the hub, or the folder exists.
        DataError: the hub does not answer, or has no such data set.
        ModelError: the same of the model.
    """
    recipe = loaded.recipe
    found = hub_data(recipe)
    models = hub_models(recipe)
    if not found and not models:
        raise UsageError(
            f"{loaded.name} takes nothing from the hub", hint="its data are yours: --set data.path=DIR_OR_FILE"
        )
    folder = Path("data") / loaded.name.replace("/", "-") if out is None else out
    if found and folder.exists():
        raise UsageError(f"{safe_line(str(folder))} exists", hint="choose another --out, or remove it")
    with Talk(quiet=quiet) as talk:
        rows = _fetch_rows(found, folder, talk) if found else {}
        places = {name: str(_fetch_model(name, talk)) for name in models}
        if found:
            talk.say(f"use them: --set data.path={folder}")
    if json:
        path = str(folder) if found else None
        result_json({"command": "data fetch", "path": path, "rows": rows, "models": places})
        return 0
    lines = [[f"{folder / split}.parquet", f"{numbers.count(count)} rows"] for split, count in rows.items()]
    lines += [[place, f"model {name}"] for name, place in places.items()]
    result_table(Table(["file", "what"], lines))
    return 0


def _fetch_rows(found: list[tuple[str, str | None, str | None]], folder: Path, talk: Talk) -> dict[str, int]:
    rows: dict[str, int] = {}
    sources: list[dict[str, Any]] = []
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with new_directory(folder) as part:
            for name, config, revision in found:
                talk.say(f"fetching {name}" + (f" ({config})" if config else ""))
                # Several sources of text each get a folder of their own; the rows of a task stand at the top.
                place = part if len(found) == 1 else part / name.replace("/", "--")
                place.mkdir(exist_ok=True)
                counts = fetch_hub(name, place, config=config, revision=revision)
                rows |= {(place / split).relative_to(part).as_posix(): count for split, count in counts.items()}
                commit = hub_commit(name, revision)
                sources.append({"dataset": name, "config": config, "revision": revision, "commit": commit})
            write_file(part / SOURCE, json.dumps({"sources": sources, "rows": rows}, indent=1) + "\n")
            write_manifest(part)
    except OSError as error:
        raise DataError(
            f"cannot write {safe_line(str(folder))}: {error.strerror or error}", hint="--out DIR"
        ) from error
    return rows


def _fetch_model(name: str, talk: Talk) -> Path:
    talk.say(f"fetching the model {name}")
    return resolve_model(name)
