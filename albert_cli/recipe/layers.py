"""How the layers of a recipe become one: parents, the file, the command line; and where each value came from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from albert_cli.recipe.problems import Path, Problem, dotted
from albert_cli.recipe.yaml_strict import Document, read_yaml

# Choices of which a recipe has one. A layer that makes such a choice takes the whole group away from the layers below,
# so that `--set train.max_steps=10` works on a recipe with epochs, and `--set data.path=x` on one with a hub data set.
_SOURCES = frozenset({"path", "dataset", "sources"})
CHOICES: tuple[tuple[str, frozenset[str], frozenset[str]], ...] = (
    ("train", frozenset({"epochs", "max_steps"}), frozenset({"epochs", "max_steps"})),
    ("train", frozenset({"accumulate", "effective_batch"}), frozenset({"accumulate", "effective_batch"})),
    ("train", frozenset({"batch_size", "batch_tokens"}), frozenset({"batch_size", "batch_tokens"})),
    ("data", _SOURCES, _SOURCES | {"config", "revision"}),
)

SHORTCUTS = {
    "out": "--out",
    "seed": "--seed",
    "runtime.device": "--device",
    "runtime.precision": "--precision",
    "runtime.nproc": "--nproc",
    "runtime.threads": "--threads",
    "train.max_hours": "--max-hours",
    "data.workers": "--workers",
}
"""Recipe keys that have an option of their own."""


@dataclass(frozen=True)
class Origin:
    """Where a value was said: ``file:line``, an option, or ``default``; rank orders lines of a report."""

    where: str
    rank: int = 0


DEFAULT = Origin("default")


@dataclass
class Layer:
    """Values said in one place.

    Args:
        values: nested plain mapping.
        origin: finds where a path was said.
    """

    values: dict[str, Any]
    origin: Callable[[Path], Origin]


@dataclass
class Merged:
    """All layers in one.

    Args:
        values: nested plain mapping.
        origins: where each key, section and list item was said last.
    """

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, Origin] = field(default_factory=dict)

    def add(self, layer: Layer) -> None:
        """Lay a layer over what is there; where it chooses one of several ways, the others go."""
        self._drop_other_choices(layer.values)
        self.lay(layer)

    def lay(self, layer: Layer) -> None:
        """Lay a layer over what is there, key by key."""
        self._merge(self.values, layer.values, (), layer.origin)

    def fill(self, defaults: Mapping[str, Any]) -> None:
        """Put defaults under what is there."""
        self._fill(self.values, defaults, ())

    def origin(self, path: Path) -> Origin:
        """Return where ``path`` was said, or the nearest section around it that was."""
        while path:
            found = self.origins.get(path)
            if found is not None and found != DEFAULT:
                return found
            path = path[:-1]
        return self.origins.get((), DEFAULT)

    def leaf_origins(self) -> dict[str, str]:
        """Return where each single value came from, by dotted key."""
        return {dotted(path): self.origins[path].where for path, _ in leaves(self.values)}

    def _drop_other_choices(self, values: Mapping[str, Any]) -> None:
        for name, choosers, group in CHOICES:
            section, below = values.get(name), self.values.get(name)
            if not isinstance(section, Mapping) or not isinstance(below, dict):
                continue
            if any(section.get(key) is not None for key in choosers):
                for key in group & below.keys():
                    del below[key]
                    self._forget((name, key))

    def _merge(
        self, below: dict[str, Any], above: Mapping[str, Any], path: Path, origin: Callable[[Path], Origin]
    ) -> None:
        said_here = origin(path)
        if said_here.rank or path not in self.origins:  # an option changes one key, the section stays the file's
            self.origins[path] = said_here
        for key, value in above.items():
            here = (*path, key)
            if isinstance(value, Mapping) and isinstance(below.get(key), dict):
                self._merge(below[key], value, here, origin)
                continue
            self._forget(here)
            below[key] = copy.deepcopy(value)
            for inner in (here, *inner_paths(value, here)):
                self.origins[inner] = origin(inner)

    def _fill(self, values: dict[str, Any], defaults: Mapping[str, Any], path: Path) -> None:
        for key, value in defaults.items():
            here = (*path, key)
            if key not in values:
                values[key] = copy.deepcopy(value)
                for inner in (here, *inner_paths(value, here)):
                    self.origins[inner] = DEFAULT
            elif isinstance(value, Mapping) and isinstance(values[key], dict):
                self._fill(values[key], value, here)

    def _forget(self, path: Path) -> None:
        for known in [known for known in self.origins if known[: len(path)] == path]:
            del self.origins[known]


def inner_paths(value: Any, path: Path) -> Iterator[Path]:
    """Yield the paths of everything inside ``value``."""
    items: Sequence[tuple[str | int, Any]] = []
    if isinstance(value, Mapping):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, inner in items:
        yield (*path, key)
        yield from inner_paths(inner, (*path, key))


def leaves(values: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield (path, value) of everything that is not a section."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def file_layer(document: Document, source: str) -> Layer:
    """Make a layer of a file's mapping."""

    def origin(path: Path) -> Origin:
        while path and path not in document.lines:
            path = path[:-1]
        line = document.lines.get(path, 1)
        return Origin(f"{source}:{line}", line)

    return Layer(document.value, origin)


def command_line_layer(overrides: Sequence[str], shortcuts: Mapping[str, Any], *, problems: list[Problem]) -> Layer:
    """Make a layer of ``--set`` texts and of the options that are short for one key.

    Args:
        overrides: ``key.path=value`` texts, the values YAML; of two with the same key the later counts.
        shortcuts: value by dotted key (see `SHORTCUTS`); None means that the option was not given.
        problems: receives what cannot be read.
    """
    merged = Merged()
    said: dict[Path, str] = {}
    for key, value in shortcuts.items():
        if value is not None:
            path: Path = tuple(key.split("."))
            said[path] = SHORTCUTS.get(key, "command line")
            merged.lay(Layer(_nested(path, value), lambda _: Origin("--set")))
    for text in overrides:
        read = _read_override(text, problems)
        if read is None:
            continue
        path, value = read
        if path in said:
            problems.append(Problem("--set", dotted(path), f"said twice, here and by {said[path]}"))
        merged.lay(Layer(_nested(path, value), lambda _: Origin("--set")))

    def origin(path: Path) -> Origin:
        return Origin(next((said[path[:n]] for n in range(len(path), 0, -1) if path[:n] in said), "--set"))

    return Layer(merged.values, origin)


def _read_override(text: str, problems: list[Problem]) -> tuple[Path, Any] | None:
    key, equals, value_text = text.partition("=")
    path: Path = tuple(part.strip() for part in key.split("."))
    if not equals or not all(path):
        problems.append(Problem("--set", "", f"must be KEY=VALUE, with dots between the parts of KEY, found {text!r}"))
        return None
    document = read_yaml(value_text, source="--set")
    for problem in document.problems:
        problems.append(Problem("--set", dotted(path), problem.text))
    return None if document.problems else (path, document.value)


def _nested(path: Path, value: Any) -> dict[str, Any]:
    for part in reversed(path):
        value = {part: value}
    return dict(value)
