"""Is the architecture page about this house: its layers those that the imports obey, its rooms those on the disk?"""

from __future__ import annotations

import re

from doc_commands import ROOT
from test_imports import LAYERS, PACKAGE

PAGE = (ROOT / "docs" / "explain" / "architecture.md").read_text(encoding="utf-8")
PICTURE = (ROOT / "docs" / "img" / "architecture.svg").read_text(encoding="utf-8")
SHOWN = set(re.findall(r'font-weight="600"[^>]*>([\w/.]+)</text>', PICTURE))


def rooms() -> set[str]:
    """Folders of the package that hold code."""
    return {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}


def test_the_layers_of_the_page_are_those_of_the_imports() -> None:
    (line,) = re.findall(r"^cli -> .*$", PAGE, re.MULTILINE)
    assert [set(part.split(", ")) for part in line.split(" -> ")] == LAYERS
    assert line in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_page_and_the_picture_name_every_room() -> None:
    named = set(re.findall(r"^\| `(\w+)/` \|", PAGE, re.MULTILINE))
    assert named == rooms()
    assert rooms() <= {name.split("/")[0] for name in SHOWN}


def test_the_picture_names_the_rooms_of_the_stages_and_nothing_else() -> None:
    inside = {f"stages/{path.name}/" for path in (PACKAGE / "stages").iterdir() if (path / "__init__.py").is_file()}
    assert {name for name in SHOWN if name.startswith("stages/")} == {"stages/", *inside}
    assert all((PACKAGE / name).exists() for name in SHOWN)


def test_the_picture_has_the_layers_in_order() -> None:
    heights = {
        name.rstrip("/").removesuffix(".py"): int(height)
        for height, name in re.findall(r'y="(\d+)" [^>]*font-weight="600"[^>]*>([\w/.]+)</text>', PICTURE)
    }
    levels = [{heights[room] for room in layer} for layer in LAYERS]
    assert all(len(level) == 1 for level in levels)
    assert [level.copy().pop() for level in levels] == sorted(height.copy().pop() for height in levels)
