"""The reference pages that are written from the program itself: ``python -m albert_cli.cli.reference [--check]``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from albert_cli.cli.app import EXIT_CODES, build_app
from albert_cli.cli.examples import LINES

INTRODUCTION = f"""\
# Command line

Written by `make docs` from the program itself; change it there. `albert` and `python -m albert_cli` are the same.
Results go to stdout, everything else to stderr.

{EXIT_CODES}
"""


def cli_reference() -> str:
    """Return the page of commands as Markdown."""
    root: Any = typer.main.get_command(build_app())
    parts = [INTRODUCTION]
    for name, command in root.commands.items():
        inner = getattr(command, "commands", None)
        if inner is None:
            parts += _command(f"albert {name}", command)
            continue
        parts += [f"## albert {name}\n", f"{command.help}\n"]
        for inner_name, inner_command in inner.items():
            parts += _command(f"albert {name} {inner_name}", inner_command, level=3)
    return "\n".join(parts).rstrip("\n") + "\n"


def _command(name: str, command: Any, *, level: int = 2) -> Iterator[str]:
    context = typer.Context(command)
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    usage = " ".join([name, "[OPTIONS]", *(_usage(argument, context) for argument in arguments)])
    yield f"{'#' * level} {name}\n"
    yield f"`{usage}`\n"
    yield f"{' '.join(command.help.split())}\n"
    yield "| argument or option | meaning |\n|---|---|"
    for parameter in command.params:
        cells = [f"`{_usage(parameter, context)}`", " ".join((parameter.help or "").split())]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""
    examples = LINES.get(name.removeprefix("albert "))
    if examples:
        yield "\n".join(["```", *examples, "```\n"])


def _usage(parameter: Any, context: typer.Context) -> str:
    if parameter.param_type_name == "argument":
        text = parameter.metavar or parameter.name.upper()
        text += "..." if parameter.nargs != 1 else ""
        return text if parameter.required else f"[{text}]"
    names = ", ".join(parameter.opts)
    if parameter.is_flag:
        return names
    return f"{names} {parameter.metavar or parameter.display_type(context)}"


def pages() -> dict[str, str]:
    """Return everything that is generated, by its path in the repository."""
    from albert_cli.recipe.editor import SCHEMA_FILE, schema_text
    from albert_cli.recipe.reference import recipe_reference
    from albert_cli.recipe.resources import resources_page

    return {
        "docs/reference/cli.md": cli_reference(),
        "docs/reference/recipe.md": recipe_reference(),
        "docs/reference/resources.md": resources_page(),
        f"recipes/{SCHEMA_FILE}": schema_text(),
    }


def main(arguments: list[str]) -> int:
    """Write the pages, or say which are out of date.

    Args:
        arguments: ``--check`` compares and writes nothing; the repository, when it is not the working directory.
    """
    check = "--check" in arguments
    root = Path(next((word for word in arguments if not word.startswith("--")), "."))
    stale = []
    for name, text in pages().items():
        path = root / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{path}: {'out of date; run `make docs`' if check else 'written'}", file=sys.stderr)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
