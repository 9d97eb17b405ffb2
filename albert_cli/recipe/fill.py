"""How is a recipe written with every default in it? The file's own lines stay, what it leaves out is added.

Each added key stands under its help, at the end of its section. A key that a parent (`extends`) says is not added: the
parent goes on saying it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel
from yaml.nodes import CollectionNode, MappingNode, Node

from albert_cli.recipe.findings import section_class
from albert_cli.recipe.layers import CHOICES
from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.problems import Path, dotted
from albert_cli.recipe.render import one_line, resolved_values, to_yaml
from albert_cli.recipe.schema import RECIPES
from albert_cli.recipe.yaml_strict import read_yaml

_WIDTH = 110


@dataclass(frozen=True)
class _Edit:
    """Replace the text from ``start`` to ``end``; of edits at one place the deeper section's stands first."""

    start: int
    end: int
    text: str
    depth: int


def filled(loaded: LoadedRecipe, text: str) -> str:
    """Add to a recipe's text every key that it leaves to its default.

    Args:
        loaded: the recipe as loaded from ``text``.
        text: the file's content.

    Returns:
        A text that loads to the same recipe.
    """
    root = _compose(text)
    if root.flow_style:  # {stage: ...}
        text = to_yaml(read_yaml(text, source="").value)
        root = _compose(text)
    text = text if text.endswith("\n") else f"{text}\n"
    filler = _Filler(text, _defaults(loaded), _help(RECIPES[loaded.recipe.stage]))
    for edit in sorted(filler.edits(root), key=lambda edit: (-edit.start, edit.depth)):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _compose(text: str) -> MappingNode:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(node, MappingNode)  # it was loaded before
    return node


def _defaults(loaded: LoadedRecipe) -> dict[str, Any]:
    """What nobody said, nested."""

    taken = {  # accumulate: 1 in a file would take the effective_batch of its parent away
        (section, key)
        for section, choosers, group in CHOICES
        for key in group
        if any((loaded.raw.get(section) or {}).get(other) is not None for other in choosers - {key})
    }

    def inside(values: Mapping[str, Any], path: Path) -> Iterator[tuple[str, Any]]:
        for key, value in values.items():
            here = (*path, key)
            if isinstance(value, dict) and value:
                inner = dict(inside(value, here))
                if inner:
                    yield key, inner
            elif loaded.origins.get(dotted(here), "default") == "default" and (value is None or here not in taken):
                yield key, value

    return dict(inside(resolved_values(loaded), ()))


def _help(schema: type[BaseModel], path: Path = ()) -> dict[Path, str]:
    """Help of every key by its path."""
    found: dict[Path, str] = {}
    for name, field in schema.model_fields.items():
        here = (*path, field.alias or name)
        found[here] = " ".join((field.description or "").split())
        section = section_class(field.annotation)
        if section is not None:
            found |= _help(section, here)
    return found


class _Filler:
    """Finds where the missing keys of a text belong."""

    def __init__(self, text: str, defaults: Mapping[str, Any], help_: Mapping[Path, str]) -> None:
        self.text = text
        self.defaults = defaults
        self.help = help_
        self.starts = [0]  # of every line
        for line in text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def edits(self, root: MappingNode) -> Iterator[_Edit]:
        yield from self._section(root, self.defaults, ())

    def _section(self, node: MappingNode, defaults: Mapping[str, Any], path: Path) -> Iterator[_Edit]:
        present = {str(key.value): value for key, value in node.value}
        for key, value in present.items():
            inner = defaults.get(key)
            if not isinstance(inner, dict) or not isinstance(value, MappingNode):
                continue
            here = (*path, key)
            if value.flow_style:
                yield self._unfolded(value, inner, here, column=node.start_mark.column)
            else:
                yield from self._section(value, inner, here)
        missing = {key: value for key, value in defaults.items() if key not in present}
        if missing:
            column = node.start_mark.column
            place = self.starts[self._line_after(node, column)]
            yield _Edit(place, place, self._lines(missing, path, column), len(path))

    def _unfolded(self, node: MappingNode, defaults: Mapping[str, Any], path: Path, *, column: int) -> _Edit:
        """A section in braces becomes lines, with what it leaves out."""
        start, end = node.start_mark.index, node.end_mark.index
        line_end = self.text.index("\n", end)
        rest = self.text[end:line_end].rstrip()
        lines = self._block(node, defaults, path, column + 2)
        before = len(self.text[:start].rstrip(" "))
        return _Edit(before, line_end + 1, f"{rest}\n{lines}", len(path))

    def _block(self, node: MappingNode, defaults: Mapping[str, Any], path: Path, column: int) -> str:
        indent = " " * column
        lines = ""
        for key, value in node.value:
            inner = defaults.get(str(key.value))
            if isinstance(value, MappingNode) and isinstance(inner, dict):
                lines += f"{indent}{key.value}:\n" + self._block(value, inner, (*path, str(key.value)), column + 2)
            else:
                lines += f"{indent}{key.value}: {self.text[value.start_mark.index : value.end_mark.index]}\n"
        present = {str(key.value) for key, _ in node.value}
        return lines + self._lines({k: v for k, v in defaults.items() if k not in present}, path, column)

    def _line_after(self, node: Node, column: int) -> int:
        """Number of the line behind a section, comments that belong to it included."""
        line = _last_line(node) + 1
        lines = self.text.splitlines()
        while line < len(lines):
            said = lines[line].lstrip(" ")
            if not said.startswith("#") or len(lines[line]) - len(said) < max(column, 1):
                break
            line += 1
        return line if column else len(lines)

    def _lines(self, values: Mapping[str, Any], path: Path, column: int) -> str:
        indent = " " * column
        text = ""
        for key, value in values.items():
            here = (*path, key)
            for line in textwrap.wrap(self.help.get(here, ""), _WIDTH - column, break_on_hyphens=False):
                text += f"{indent}# {line}\n"
            if isinstance(value, dict) and value:
                text += f"{indent}{key}:\n" + self._lines(value, here, column + 2)
            else:
                text += f"{indent}{key}: {one_line(value)}\n"
        return text


def _last_line(node: Node) -> int:
    """Line (from 0) on which a node's own text ends; a block's mark stands behind the comments that follow it."""
    if isinstance(node, CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    end = node.end_mark
    return int(end.line - 1 if end.column == 0 and end.line > node.start_mark.line else end.line)
