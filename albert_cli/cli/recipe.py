"""`albert recipe`: find, read, copy, check and compare recipes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from albert_cli.cli.options import DebugOption, JsonOption, RecipeArgument, SetOption
from albert_cli.errors import DataError, RecipeError, UsageError

if TYPE_CHECKING:
    from albert_cli.recipe.load import LoadedRecipe

HELP = "Find, read, copy, check and compare recipes."


def ls(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="WORD", help="Only recipes whose line holds every word.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print a JSON list of objects on stdout.")] = False,
    debug: DebugOption = False,
) -> None:
    """List the recipes that come with albert."""
    from albert_cli.recipe.shipped import shipped_names
    from albert_cli.report.console import result_json_list, result_table
    from albert_cli.report.tables import Table

    rows = [_listed(name) for name in shipped_names()]
    rows = [
        row for row in rows if all(word.lower() in " ".join(map(str, row.values())).lower() for word in words or [])
    ]
    if json:
        result_json_list(list(rows))
        return
    result_table(Table(["name", "stage", "description"], [[r["name"], r["stage"], r["description"]] for r in rows]))


def show(
    recipe: RecipeArgument,
    resolved: Annotated[
        bool, typer.Option("--resolved", metavar="", help="Every value, defaults and parents included.")
    ] = False,
    origin: Annotated[
        bool, typer.Option("--origin", metavar="", help="As --resolved, with where each value was said.")
    ] = False,
    set_: SetOption = None,
    debug: DebugOption = False,
) -> None:
    """Print a recipe."""
    from albert_cli.recipe.render import dump_resolved
    from albert_cli.recipe.shipped import find_recipe
    from albert_cli.report.console import result_text

    if resolved or origin:
        result_text(dump_resolved(_load(recipe, set_), origins=origin).rstrip("\n"))
        return
    if set_:
        raise UsageError("--set changes the resolved values only (albert recipe show)", hint="add --resolved")
    result_text(_read(find_recipe(recipe)).rstrip("\n"))


def copy(
    recipe: RecipeArgument,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The new file; without it, the same name here.")
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Copy a recipe, comments and all, to change it; never overwrites."""
    from albert_cli.recipe.shipped import find_recipe, parent_from_elsewhere
    from albert_cli.report.console import result_text

    source = find_recipe(recipe)
    target = file if file is not None else Path(source.name)
    if target.is_dir():
        target = target / source.name
    text = parent_from_elsewhere(_read(source), source)
    try:
        with target.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise UsageError(f"{target} exists already", hint="name another file") from None
    except OSError as error:
        raise DataError(f"cannot write {target}: {error.strerror}", hint="name another file") from error
    result_text(str(target))


def check(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="Recipe files, or names of shipped ones.", show_default=False)
    ],
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Check recipes and list every problem of every file; exit 2 when there is one."""
    from albert_cli.report.console import Talk, result_json, result_text

    results: list[dict[str, Any]] = []
    for name in files:
        problems, needs = _problems(name)
        results.append({"file": name, "ok": not problems, "problems": problems, "needs": needs})
    found = [problem for result in results for problem in result["problems"]]
    if json:
        result_json({"files": results})
        return 2 if found else 0
    for result in results:
        if result["ok"]:
            note = f" (a run must name {' and '.join(result['needs'])})" if result["needs"] else ""
            result_text(f"{result['file']}: ok{note}")
    if found:
        Talk().error(RecipeError(found, hint="docs/reference/recipe.md has every key"))
    return 2 if found else 0


def diff(
    left: Annotated[str, typer.Argument(metavar="A", help="Recipe or run directory.", show_default=False)],
    right: Annotated[str, typer.Argument(metavar="B", help="Recipe or run directory.", show_default=False)],
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show the resolved values in which two recipes, or runs, differ."""
    from albert_cli.recipe.render import differences
    from albert_cli.report.console import result_json, result_table
    from albert_cli.report.tables import Table

    found = differences(_load(left), _load(right))
    if json:
        result_json({"differences": [{"key": key, "a": a, "b": b} for key, a, b in found]})
        return
    result_table(Table(["key", left, right], [[key, _shown(a), _shown(b)] for key, a, b in found]))


def schema(debug: DebugOption = False) -> None:
    """Print the JSON schema of recipes, for editors."""
    import json

    from albert_cli.recipe.render import json_schema
    from albert_cli.report.console import result_text

    result_text(json.dumps(json_schema(), indent=2))


COMMANDS = {"ls": ls, "show": show, "copy": copy, "check": check, "diff": diff, "schema": schema}


def _listed(name: str) -> dict[str, Any]:
    from albert_cli.recipe.shipped import shipped_file, shown_path

    path = shipped_file(name)
    assert path is not None
    loaded = _load(name)
    return {
        "name": name,
        "stage": loaded.recipe.stage,
        "path": shown_path(path),
        "description": loaded.recipe.description,
        "needs": list(loaded.needs),
    }


def _load(name: str, overrides: list[str] | None = None) -> LoadedRecipe:
    from albert_cli.recipe.load import load_recipe

    return load_recipe(name, overrides=overrides or [], inputs_may_be_open=True)


def _problems(name: str) -> tuple[list[str], list[str]]:
    try:
        return [], list(_load(name).needs)
    except RecipeError as error:
        return error.problems, []
    except UsageError as error:
        return [error.message], []


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", hint="check the path and its permissions") from error
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text", hint="save it as UTF-8") from None


def _shown(value: Any) -> str:
    from albert_cli.recipe.render import one_line

    return one_line(value)
