"""`albert recipe`: find, read, copy, fill, check and compare recipes."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from albert_cli.cli.completion import complete_target
from albert_cli.cli.options import DebugOption, JsonOption, RecipeArgument, SetOption
from albert_cli.errors import DataError, RecipeError, UsageError

if TYPE_CHECKING:
    from albert_cli.recipe.load import LoadedRecipe

HELP = "Find, read, copy, check and compare recipes."


def ls(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="WORD", help="Only recipes whose line holds every word.")
    ] = None,
    resources: Annotated[
        bool,
        typer.Option(
            "--resources",
            metavar="",
            help="Instead, what the documentation of transformers links for ALBERT (scripts, notebooks, guides, course "
            "chapters), and the recipe and command that does it here.",
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print a JSON list of objects on stdout.")] = False,
    debug: DebugOption = False,
) -> None:
    """List the recipes that come with albert: what for, how large, what they need, what was measured.

    Scores have in brackets what needs no learning; - means not measured.
    """
    from albert_cli.report.console import result_json_list

    rows = _resources() if resources else _recipes()
    rows = [row for row in rows if all(word.lower() in _searched(row) for word in words or [])]
    if json:
        result_json_list(list(rows))
    elif resources:
        _show_lines(["resource", "recipe", "command"], [[row["title"], row["recipe"], row["command"]] for row in rows])
    else:
        columns = ["name", "task", "size", "needs", "time", "score", "description"]
        _show_lines(columns, [_cells(row) for row in rows])


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

    source = find_recipe(recipe)
    _write_new(parent_from_elsewhere(_read(source), source), source, file)


def fill(
    recipe: RecipeArgument,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A new file to write; without it, stdout.")
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", metavar="", help="Show what would be added, as a patch.")] = False,
    write: Annotated[bool, typer.Option("--write", metavar="", help="Change the recipe file itself.")] = False,
    debug: DebugOption = False,
) -> None:
    """Write a recipe with every default in it, each under its help; comments and values of the file stay."""
    from albert_cli.files.atomic import write_file
    from albert_cli.recipe.fill import filled
    from albert_cli.recipe.shipped import find_recipe, parent_from_elsewhere, shipped_file
    from albert_cli.report.console import result_text

    if sum([diff, write, file is not None]) > 1:
        raise UsageError("--diff, --write and FILE exclude each other (albert recipe fill)", hint="give one of them")
    source = find_recipe(recipe)
    text = _read(source)
    whole = filled(_load(recipe), text)
    if diff:
        lines = difflib.unified_diff(text.splitlines(), whole.splitlines(), str(recipe), "filled", lineterm="")
        result_text("\n".join(lines))
    elif write:
        if shipped_file(recipe) == source:
            raise UsageError(f"{recipe} came with albert", hint=f"albert recipe fill {recipe} FILE")
        write_file(source, whole)
        result_text(str(source))
    elif file is not None:
        _write_new(parent_from_elsewhere(whole, source), source, file)
    else:
        result_text(whole.rstrip("\n"))


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
    left: Annotated[
        str,
        typer.Argument(
            metavar="A", help="Recipe or run directory.", autocompletion=complete_target, show_default=False
        ),
    ],
    right: Annotated[
        str,
        typer.Argument(
            metavar="B", help="Recipe or run directory.", autocompletion=complete_target, show_default=False
        ),
    ],
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
    """Print the JSON schema of recipes, for editors; recipes name it in their first line."""
    from albert_cli.recipe.editor import schema_text
    from albert_cli.report.console import result_text

    result_text(schema_text().rstrip("\n"))


COMMANDS = {"ls": ls, "show": show, "copy": copy, "fill": fill, "check": check, "diff": diff, "schema": schema}


def _recipes() -> list[dict[str, Any]]:
    from albert_cli.recipe.listing import listed
    from albert_cli.recipe.shipped import shipped_names

    return [listed(name) for name in shipped_names()]


def _resources() -> list[dict[str, Any]]:
    from dataclasses import asdict

    from albert_cli.recipe.resources import RESOURCES

    return [asdict(resource) for resource in RESOURCES]


def _searched(row: dict[str, Any]) -> str:
    return " ".join(map(str, row.values())).lower()


def _cells(row: dict[str, Any]) -> list[str]:
    hub = [name for name in row["hub"] if name != row["size"]]
    needs = ", ".join(row["needs"]) or (f"hub: {', '.join(hub)}" if hub else "")
    return [
        row["name"],
        row["task"] or row["stage"],
        row["size"] or "-",
        needs or "nothing",
        row["time"] or "-",
        row["score"] or "-",
        row["description"],
    ]


def _show_lines(columns: list[str], rows: list[list[str]]) -> None:
    """Show a wide table: whole in a pipe, cut at the edge of a terminal."""
    import shutil
    import sys

    from albert_cli.report.console import result_text
    from albert_cli.report.tables import Table

    lines = Table(columns, rows).text().splitlines()
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        lines = [line if len(line) <= width else line[: width - 3] + "..." for line in lines]
    result_text("\n".join(lines))


def _write_new(text: str, source: Path, file: Path | None) -> None:
    """Write a recipe into a file that is not there yet, so that editors and its parent are found from there."""
    from albert_cli.recipe.editor import with_schema_line
    from albert_cli.report.console import result_text

    target = file if file is not None else Path(source.name)
    if target.is_dir():
        target = target / source.name
    try:
        with target.open("x", encoding="utf-8") as stream:
            stream.write(with_schema_line(text, target))
    except FileExistsError:
        raise UsageError(f"{target} exists already", hint="name another file") from None
    except OSError as error:
        raise DataError(f"cannot write {target}: {error.strerror}", hint="name another file") from error
    result_text(str(target))


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
