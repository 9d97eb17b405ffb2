"""The reference page of recipe keys, written from the schema that checks them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from albert_cli.recipe.render import json_schema, one_line
from albert_cli.recipe.schema import RECIPES

INTRODUCTION = """\
# Recipe keys

Written by `make docs` from the schema that checks recipes; change it there.

A recipe is a YAML file for one stage. Every key that is not listed here is refused, with its line and with the key that
was probably meant. Values come from, lowest first: the defaults below, the recipe that `extends` names (and its
parents), the file, and the command line (`--set key=value` and the options that are short for one key).

Some keys exclude each other: `train.epochs` and `train.max_steps`; `train.accumulate` and `train.effective_batch`;
`train.batch_size` and `train.batch_tokens`; `data.path` and `data.dataset`. Who says one of them on the command line,
or in a file that extends another, thereby takes back the other one, and with `data.path` or `data.dataset` also
`data.config` and `data.revision`.

YAML is read by the rules of version 1.2: `1e-5` is a number, `no` and `on` are text. Duplicate keys, anchors, aliases,
merge keys and tags are refused. Relative paths start at the working directory; the file that `extends` names is looked
for beside the recipe first.
"""

_TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true, false", "null": "null"}
_LIMITS = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}


def recipe_reference() -> str:
    """Return the page as Markdown."""
    definitions = json_schema()["$defs"]
    parts = [INTRODUCTION]
    for stage, recipe in RECIPES.items():
        definition = definitions[recipe.__name__]
        about = " ".join((recipe.__doc__ or "").split())
        parts += [f"## {stage}\n", f"{about}\n", "| key | value | default | meaning |\n|---|---|---|---|"]
        parts += [*_rows(definition, definitions, ""), ""]
    parts += ["## A model as a mapping\n", " ".join(definitions["ModelFields"]["description"].split()) + "\n"]
    parts += ["| key | value | default | meaning |\n|---|---|---|---|"]
    parts += [*_rows(definitions["ModelFields"], definitions, "model."), ""]
    return "\n".join(parts).rstrip("\n") + "\n"


def all_keys() -> list[str]:
    """Every key that a recipe of any stage may have, sections with a dot."""
    definitions = json_schema()["$defs"]
    found: set[str] = set()
    for recipe in RECIPES.values():
        found.update(_keys(definitions[recipe.__name__], definitions, ""))
    return sorted(found)


def _keys(definition: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in definition["properties"].items():
        section = value.get("$ref", "").rpartition("/")[2]
        if section:
            yield from _keys(definitions[section], definitions, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _rows(definition: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str) -> Iterator[str]:
    required = definition.get("required", [])
    for key, value in definition["properties"].items():
        section = value.get("$ref", "").rpartition("/")[2]
        if section:
            yield from _rows(definitions[section], definitions, f"{prefix}{key}.")
            continue
        if "default" in value:
            default = f"`{one_line(value['default'])}`"
        else:
            default = "required" if key in required or key not in ("extends", "trackers") else "none"
        cells = [f"`{prefix}{key}`", _type(value), default, " ".join(value.get("description", "").split())]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        for option in value.get("anyOf", [value]):
            items = option.get("items", {}).get("$ref", "").rpartition("/")[2]
            if items:
                yield from _rows(definitions[items], definitions, f"{prefix}{key}.")


def _type(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        return "mapping"
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{choice}`" for choice in value["enum"])
    options = value.get("anyOf") or value.get("oneOf")
    if options:
        return " or ".join(dict.fromkeys(_type(option) for option in options))
    if value.get("type") == "array" and "$ref" in value["items"]:
        return "list of mappings"
    if value.get("type") == "array":
        return f"list of {_type(value['items'])}"
    limits = [f"{sign} {value[name]:g}" for name, sign in _LIMITS.items() if name in value and value[name] < 2**60]
    return " ".join([_TYPES.get(str(value.get("type")), "value"), ", ".join(limits)]).strip()
