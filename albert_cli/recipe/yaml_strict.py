"""What a recipe file says, read without YAML's surprises, and on which line it says it.

YAML 1.2 core scalars: `1e-5` is a number, `no`, `on` and `12:30:00` are text, `012` is twelve, `0o17` fifteen.
Refused, each with its line: duplicate keys, anchors, aliases, merge keys, tags, several documents in a file, keys that
are not plain words, deep nesting and large files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from albert_cli.recipe.problems import Path, Problem, dotted

MAX_BYTES = 1_000_000
MAX_DEPTH = 20  # of the nodes of one document; the schema itself needs 4

_NULL = re.compile(r"(?:null|Null|NULL|~|)\Z")
_TRUE = re.compile(r"(?:true|True|TRUE)\Z")
_FALSE = re.compile(r"(?:false|False|FALSE)\Z")
_INT = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z")
_NOT_A_NUMBER = re.compile(r"\.(?:nan|NaN|NAN)\Z")
_MAX_DIGITS = 400  # far above any setting; Python itself refuses integers of more than 4300 digits


@dataclass
class Document:
    """A file's content.

    Args:
        value: plain dicts, lists and scalars; None when the text could not be read at all.
        lines: line (from 1) of every key and list item, by path; the root is the empty path.
        problems: everything found wrong on this level.
    """

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class _TooDeep(Exception):  # noqa: N818 - never leaves this file
    def __init__(self, line: int) -> None:
        self.line = line


class _Composer(yaml.SafeLoader):
    """PyYAML's parser, stopped before it resolves scalars or copies aliases."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.refused: list[tuple[int, str]] = []
        self._depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            self.get_event()  # type: ignore[no-untyped-call]
            self.refused.append(
                (line, f"an alias (*{event.anchor}) is not allowed: write the value out, or use extends")
            )
            mark: Any = event.start_mark  # two kinds of marks, one of them only in C
            return ScalarNode("", "", mark, mark, style='"')
        if event.anchor is not None:
            self.refused.append((line, f"an anchor (&{event.anchor}) is not allowed: write the value out"))
            event.anchor = None
        if event.tag is not None:
            self.refused.append((line, f"a tag ({event.tag}) is not allowed: write the plain value"))
            event.tag = None
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _TooDeep(line)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        """Leave every scalar unresolved: `_scalar` reads them by the rules of YAML 1.2."""
        return ""


def read_yaml(text: str | bytes, *, source: str) -> Document:
    """Read one YAML document.

    Args:
        text: the file's content; bytes are decoded as UTF-8.
        source: name for messages (``file`` in ``file:line``).

    Returns:
        The content with its line marks and with every problem found; never raises on bad input.
    """
    if len(text) > MAX_BYTES:
        return Document(problems=[Problem(source, "", f"larger than {MAX_BYTES:,} bytes: not a recipe")])
    if isinstance(text, str):
        return _read_text(text, source)
    try:
        return _read_text(text.decode("utf-8-sig"), source)
    except UnicodeDecodeError as error:
        return _one_problem(source, text.count(b"\n", 0, error.start) + 1, "not UTF-8 text")


def _read_text(text: str, source: str) -> Document:
    try:
        return _read(text, source)
    except _TooDeep as error:
        return _one_problem(source, error.line, f"nested deeper than {MAX_DEPTH} levels")
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        code = error.character if isinstance(error.character, int) else ord(error.character)
        return _one_problem(source, line, f"a character that YAML does not allow (U+{code:04X})")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = f"not YAML: {error.problem or error.context}"
        return _one_problem(source, mark.line + 1 if mark else 1, said.replace("\n", " "))


def _one_problem(source: str, line: int, text: str) -> Document:
    return Document(problems=[Problem(f"{source}:{line}", "", text, line)])


def _read(text: str, source: str) -> Document:
    loader = _Composer(text)
    try:
        node = loader.get_single_node()
    finally:
        loader.dispose()
    document = Document()
    document.problems += [Problem(f"{source}:{line}", "", said, line) for line, said in loader.refused]
    document.lines[()] = node.start_mark.line + 1 if node is not None else 1
    if node is not None:
        document.value = _Builder(source, document).build(node, ())
    return document


class _Builder:
    """Turns nodes into plain values, noting lines and problems in the document."""

    def __init__(self, source: str, document: Document) -> None:
        self.source = source
        self.document = document

    def build(self, node: Node, path: Path) -> Any:
        if isinstance(node, MappingNode):
            return dict(self._pairs(node, path))
        if isinstance(node, SequenceNode):
            for index, item in enumerate(node.value):
                self.document.lines[(*path, index)] = item.start_mark.line + 1
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        if "\0" in node.value:
            self._problem(node.start_mark.line + 1, path, "a NUL character is not allowed")
            return None
        if node.style is not None:  # quoted or block text is text
            return str(node.value)
        return self._plain(node, path)

    def _pairs(self, node: MappingNode, path: Path) -> Iterator[tuple[str, Any]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self._problem(line, path, "a key must be a plain word")
                continue
            key = str(key_node.value)
            if key == "<<" and key_node.style is None:
                self._problem(line, path, "a merge key (<<) is not allowed: use extends")
                continue
            if key in seen:
                self._problem(line, (*path, key), f"given twice (first on line {seen[key]})")
                continue
            seen[key] = line
            self.document.lines[(*path, key)] = line
            yield key, self.build(value_node, (*path, key))

    def _plain(self, node: ScalarNode, path: Path) -> Any:
        try:
            return plain_scalar(str(node.value))
        except ValueError as error:
            self._problem(node.start_mark.line + 1, path, str(error))
            return None

    def _problem(self, line: int, path: Path, text: str) -> None:
        self.document.problems.append(Problem(f"{self.source}:{line}", dotted(path), text, line))


def plain_scalar(text: str) -> bool | int | float | str | None:
    """Read an unquoted scalar by the core schema of YAML 1.2.

    Raises:
        ValueError: a number of absurd length.
    """
    if _NULL.match(text):
        return None
    if _TRUE.match(text):
        return True
    if _FALSE.match(text):
        return False
    looks_numeric = any(p.match(text) for p in (_INT, _OCTAL, _HEX, _FLOAT))
    if looks_numeric and len(text) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    if _INT.match(text):
        return int(text)
    if _OCTAL.match(text) or _HEX.match(text):
        return int(text, 0)
    if _FLOAT.match(text):
        return float(text)
    if _INFINITE.match(text):
        return float(text.replace(".", "", 1))
    if _NOT_A_NUMBER.match(text):
        return float("nan")
    return text
