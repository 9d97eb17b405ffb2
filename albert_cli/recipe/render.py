"""How recipes are written out: resolved YAML, differences of two, JSON schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import TypeAdapter

from albert_cli.recipe.layers import leaves
from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.problems import dotted
from albert_cli.recipe.schema import AnyRecipe
from albert_cli.recipe.yaml_strict import plain_scalar

SCHEMA_VERSION = 1


class _Writer(yaml.SafeDumper):
    """Writes what `read_yaml` reads back as the same value."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write every value out."""
        return True


def _write_text(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML quotes what YAML 1.1 would read as a number; 1.2 reads more texts as numbers (1e-5, 0o17).
    style = '"' if not isinstance(plain_scalar(text[:400]), str) else None
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _write_text)


def resolved_values(loaded: LoadedRecipe) -> dict[str, Any]:
    """Return every value of a recipe as nested plain values, `stage` first, defaults included."""
    values = loaded.recipe.model_dump(mode="json", by_alias=True)
    return {"stage": values.pop("stage"), **values}


def dump_resolved(loaded: LoadedRecipe, *, origins: bool = False) -> str:
    """Write a recipe with everything resolved; read again, it is the same recipe.

    Args:
        loaded: the recipe.
        origins: add to each line, as a comment, where its value was said.
    """
    values = resolved_values(loaded)
    if not origins:
        return to_yaml(values)
    return "".join(_with_origins(values, loaded.origins, ()))


def to_yaml(values: dict[str, Any]) -> str:
    """Write nested plain values as YAML in block form, keys in their order."""
    return yaml.dump(values, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=10_000)


def _with_origins(values: dict[str, Any], origins: dict[str, str], path: tuple[str, ...]) -> Iterator[str]:
    indent = "  " * len(path)
    for key, value in values.items():
        here = (*path, key)
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:\n"
            yield from _with_origins(value, origins, here)
            continue
        yield f"{indent}{key}: {one_line(value)}  # {origins.get(dotted(here), 'default')}\n"


def one_line(value: Any) -> str:
    """Write a value in flow form; text with line breaks is quoted, so that a comment can follow."""
    style = '"' if isinstance(value, str) and not value.isprintable() else None
    text = yaml.dump(
        [value], Dumper=_Writer, allow_unicode=True, width=10_000, default_flow_style=True, default_style=style
    )
    return text.strip()[1:-1]


def differences(left: LoadedRecipe, right: LoadedRecipe) -> list[tuple[str, Any, Any]]:
    """Return (key, left value, right value) of every key whose resolved values differ, in the left recipe's order.

    A key that one of them does not have counts as None there.
    """
    one, other = ({dotted(path): value for path, value in leaves(resolved_values(side))} for side in (left, right))
    keys = [*one, *(key for key in other if key not in one)]
    return [(key, one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)]


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a recipe file, for editors; `extends` is a file's own key and part of it."""
    schema = TypeAdapter[Any](AnyRecipe).json_schema(by_alias=True)
    schema["$schema"] = "http://json-schema.org/draft-07/schema#"  # the newest that every editor understands
    schema["title"] = "albert recipe"
    for definition in schema["$defs"].values():
        # What a parent says need not be said in a file; `albert recipe check` knows the parents. A list has none.
        inner_of_list = definition["title"] in ("LengthPhase", "CorpusSource")
        if "stage" in definition.get("properties", {}):
            extends = {
                "type": "string",
                "description": "Recipe (file or shipped name) whose values this file starts from.",
            }
            definition["properties"]["extends"] = extends
            definition["required"] = ["stage"]
        elif not inner_of_list:
            definition.pop("required", None)
    return schema
