"""Which file a recipe's name means: a file of the user's, a run directory's, or one that comes with albert."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from albert_cli.errors import UsageError
from albert_cli.recipe.problems import nearest

_SUFFIXES = (".yaml", ".yml")
_EXTENDS = re.compile(r"""^extends:[ \t]*(?P<quote>["']?)(?P<name>[^"'#\s]+)(?P=quote)""", re.MULTILINE)


def recipes_folder() -> Path:
    """Return the folder of shipped recipes: inside the installed package, or at the top of the source tree."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "shipped_recipes"
    return installed if installed.is_dir() else package.parent / "recipes"


def shipped_names() -> list[str]:
    """Return the names of all shipped recipes (``glue/sst2``), sorted; files that start with ``_`` are parents only."""
    folder = recipes_folder()
    found = [path.relative_to(folder) for path in folder.rglob("*.yaml")]
    return sorted(path.with_suffix("").as_posix() for path in found if not path.name.startswith("_"))


def shipped_file(name: str) -> Path | None:
    """Return a shipped recipe's file by name, with or without ``recipes/`` and ``.yaml``; None when there is none."""
    folder = recipes_folder().resolve()
    plain = name.removeprefix("./").removeprefix("recipes/")
    stem = plain.removesuffix(".yaml").removesuffix(".yml")
    path = (folder / f"{stem}.yaml").resolve()
    with suppress(OSError):  # a name that no file can have
        return path if path.is_relative_to(folder) and path.is_file() else None
    return None


def find_recipe(name: str) -> Path:
    """Return the file that ``name`` means on the command line.

    A name with a suffix is a file first and a shipped recipe second; a bare name the other way round. A run directory
    means the recipe in it.

    Raises:
        UsageError: there is no such recipe.
    """
    path = Path(name).expanduser()
    looks_like_file = path.suffix in _SUFFIXES or name.startswith(("./", "../", "/", "~"))
    shipped = shipped_file(name)
    if shipped is not None and not (looks_like_file and path.is_file()):
        return shipped
    if path.is_file():
        return path
    if (path / "recipe.yaml").is_file():
        return path / "recipe.yaml"
    raise _unknown(name)


def find_parent(name: str, child: Path) -> Path | None:
    """Return the file that ``extends: name`` in ``child`` means: beside it, or shipped; None when there is none."""
    beside = child.parent / Path(name).expanduser()
    for path in (beside, beside.with_name(f"{beside.name}.yaml")):
        with suppress(OSError):  # a name that no file can have
            if path.is_file():
                return path
    return shipped_file(name)


def parent_from_elsewhere(text: str, path: Path) -> str:
    """Return a shipped recipe's text so that it still finds its parent when it lies elsewhere.

    ``extends: _common`` beside glue/sst2.yaml becomes ``extends: glue/_common``; comments and order stay.
    """
    found = _EXTENDS.search(text)
    parent = find_parent(found["name"], path) if found else None
    folder = recipes_folder().resolve()
    if found is None or parent is None or not parent.resolve().is_relative_to(folder):
        return text
    full = parent.resolve().relative_to(folder).with_suffix("").as_posix()
    return text[: found.start("name")] + full + text[found.end("name") :]


def shown_path(path: Path) -> str:
    """Return a recipe file's path for messages: ``recipes/...`` for shipped ones, else as short as it can be typed."""
    folder = recipes_folder().resolve()
    resolved = path.resolve()
    if resolved.is_relative_to(folder):
        return f"recipes/{resolved.relative_to(folder).as_posix()}"
    if path.is_absolute() and resolved.is_relative_to(Path.cwd()):
        return resolved.relative_to(Path.cwd()).as_posix()
    return path.as_posix()


def short_name(path: Path) -> str:
    """Return a recipe's name for a run directory: ``glue-sst2`` for a shipped one, else the file's stem."""
    folder = recipes_folder().resolve()
    resolved = path.resolve()
    if resolved.is_relative_to(folder):
        return resolved.relative_to(folder).with_suffix("").as_posix().replace("/", "-")
    if resolved.name == "recipe.yaml":
        return resolved.parent.name
    return resolved.stem


def _unknown(name: str) -> UsageError:
    names = shipped_names()
    wanted = name.removeprefix("./").removeprefix("recipes/").removesuffix(".yaml")
    by_last_part = [known for known in names if known.rpartition("/")[2] == wanted.rpartition("/")[2]]
    near = by_last_part or nearest(wanted, names)
    hint = "`albert recipe ls` lists the recipes that come with albert"
    if near:
        hint = f"did you mean {' or '.join(repr(known) for known in near)}? {hint}"
    return UsageError(f"no recipe {name!r}: neither a file nor the name of a shipped recipe", hint=hint)
