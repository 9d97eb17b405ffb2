"""How do editors complete and check recipes? By a line that names the JSON schema, which comes with the recipes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from albert_cli.recipe.render import json_schema
from albert_cli.recipe.shipped import recipes_folder

SCHEMA_FILE = "recipe.schema.json"

_LINE = re.compile(r"^#[ \t]*yaml-language-server:[ \t]*\$schema=.*$", re.MULTILINE)


def schema_text() -> str:
    """Return the schema as the file that lies beside the shipped recipes."""
    return json.dumps(json_schema(), indent=1) + "\n"


def schema_line(place: str) -> str:
    """Return the comment by which editors find the schema at ``place``, a path from the recipe or a URL."""
    return f"# yaml-language-server: $schema={place}"


def with_schema_line(text: str, file: Path) -> str:
    """Make a recipe's text name the schema from where ``file`` lies; other lines stay.

    A schema beside the file is taken (`albert recipe schema > recipe.schema.json`, to share recipes), else the one that
    came with albert, as short as it can be said.
    """
    line = schema_line(_place(file))
    if _LINE.search(text):
        return _LINE.sub(lambda _: line, text, count=1)
    return f"{line}\n{text}"


def _place(file: Path) -> str:
    folder = file.absolute().parent
    if (folder / SCHEMA_FILE).is_file():
        return SCHEMA_FILE
    schema = recipes_folder().resolve() / SCHEMA_FILE
    if folder.resolve() == schema.parent or schema.is_relative_to(folder.resolve()):
        place = schema.relative_to(folder.resolve()).as_posix()
    else:
        place = schema.as_posix()
    return schema.as_uri() if any(letter.isspace() for letter in place) else place
