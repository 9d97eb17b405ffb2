"""The line by which editors find the schema, and the schema as they read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from albert_cli.recipe import editor
from albert_cli.recipe.editor import SCHEMA_FILE, schema_line, schema_text, with_schema_line
from albert_cli.recipe.shipped import recipes_folder, shipped_names
from albert_cli.recipe.yaml_strict import read_yaml


def test_a_recipe_elsewhere_names_the_schema_that_came_with_albert(tmp_path: Path) -> None:
    text = with_schema_line("# a\nstage: x\n", tmp_path / "r.yaml")
    first, rest = text.split("\n", 1)
    place = first.removeprefix(schema_line(""))
    assert rest == "# a\nstage: x\n"
    assert json.loads(Path(place).read_text())["title"] == "albert recipe"
    assert with_schema_line(text, tmp_path / "r.yaml") == text


def test_a_schema_beside_the_recipe_is_taken(tmp_path: Path) -> None:
    (tmp_path / SCHEMA_FILE).write_text("{}")
    old = f"# first\n{schema_line('../elsewhere.json')}\nstage: x\n"
    assert with_schema_line(old, tmp_path / "r.yaml") == f"# first\n{schema_line(SCHEMA_FILE)}\nstage: x\n"


def test_a_schema_below_the_recipe_is_named_from_there_and_blanks_make_a_url(tmp_path: Path, monkeypatch: Any) -> None:
    below = tmp_path / "site/recipes"
    below.mkdir(parents=True)
    monkeypatch.setattr(editor, "recipes_folder", lambda: below)
    assert with_schema_line("", tmp_path / "r.yaml").strip() == schema_line(f"site/recipes/{SCHEMA_FILE}")
    monkeypatch.setattr(editor, "recipes_folder", lambda: tmp_path / "a b")
    assert with_schema_line("", tmp_path / "x" / "r.yaml").strip().endswith("/a%20b/recipe.schema.json")


def test_every_shipped_recipe_fits_the_schema() -> None:
    """A checker for the part of JSON schema that ours uses; editors would underline what it yields."""
    schema = json.loads(schema_text())
    for name in shipped_names():
        value = read_yaml((recipes_folder() / f"{name}.yaml").read_bytes(), source=name).value
        assert list(misfits(value, schema, schema)) == [], name
        assert list(misfits({**value, "sead": 1}, schema, schema)) != [], name
    wrong = read_yaml((recipes_folder() / "squad.yaml").read_bytes(), source="squad").value
    wrong["train"]["batch_size"] = "many"
    assert list(misfits(wrong, schema, schema))


TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
    "object": dict,
    "array": list,
}


def misfits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        yield from misfits(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    for key in ("anyOf", "oneOf"):
        if key in schema and not any(not list(misfits(value, option, root)) for option in schema[key]):
            yield f"{value!r} fits no option"
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{value!r} is no {kind}"
        return
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        yield f"{value!r} is no choice"
    if kind == "object":
        yield from (f"no {key}" for key in schema.get("required", []) if key not in value)
        for key, inner in value.items():
            if key in schema.get("properties", {}):
                yield from misfits(inner, schema["properties"][key], root)
            elif schema.get("additionalProperties") is False:
                yield f"unknown {key}"
    if kind == "array":
        for inner in value:
            yield from misfits(inner, schema["items"], root)
