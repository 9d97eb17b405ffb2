"""`albert recipe`: list, show, copy, check, diff, schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from albert_cli.recipe.load import load_recipe
from albert_cli.recipe.shipped import recipes_folder, shipped_names


def test_ls_lists_every_shipped_recipe(albert: Any) -> None:
    rows = json.loads(albert("recipe", "ls", "--json").out)
    assert [row["name"] for row in rows] == shipped_names()
    assert all(row["description"] and row["stage"] and row["path"].startswith("recipes/") for row in rows)
    text = albert("recipe", "ls").out
    assert all(row["name"] in text for row in rows)


def test_ls_knows_task_size_needs_and_what_was_measured(albert: Any) -> None:
    rows = {row["name"]: row for row in json.loads(albert("recipe", "ls", "--json").out)}
    assert rows["glue/sst2"]["task"] == "sst2"
    assert rows["glue/sst2"]["size"] == "albert-base-v2"
    assert rows["glue/sst2"]["hub"] == ["nyu-mll/glue", "albert-base-v2"]
    assert rows["glue/sst2"]["command"] == "albert finetune glue/sst2 --set data.path=DIR"
    assert (rows["glue/sst2"]["time"], rows["glue/sst2"]["memory"], rows["glue/sst2"]["score"]) == (None, None, None)
    assert rows["pretrain/small-cpu"]["size"] == "2 x 128"
    assert rows["pretrain/small-cpu"]["needs"] == ["data.path", "tokenizer"]
    assert "two cores" in rows["pretrain/small-cpu"]["time"]
    assert rows["tokenizer/english"]["size"] == "30,000 pieces"
    lines = albert("recipe", "ls", "wnut").out.splitlines()
    assert lines[0].split() == ["name", "task", "size", "needs", "time", "score", "description"]
    assert lines[2].split()[:6] == ["wnut17", "ner", "albert-base-v2", "data.path", "-", "-"]


def test_ls_fits_a_terminal(albert: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    lines = albert("recipe", "ls", "glue").out.splitlines()
    assert max(map(len, lines)) == 60
    assert lines[2].endswith("...")


def test_ls_maps_the_resources_of_the_documentation(albert: Any) -> None:
    rows = json.loads(albert("recipe", "ls", "--resources", "--json").out)
    assert len(rows) == 31
    assert {"title", "link", "data", "recipe", "command", "note"} == set(rows[0])
    lines = albert("recipe", "ls", "--resources", "imdb", "guide").out.splitlines()
    assert [line.split()[-3:] for line in lines[2:]] == [["albert", "finetune", "imdb"]]


def test_ls_finds_words(albert: Any) -> None:
    names = [row["name"] for row in json.loads(albert("recipe", "ls", "glue", "SST", "--json").out)]
    assert names == ["glue/sst2"]


def test_show_prints_the_file_itself(albert: Any) -> None:
    outcome = albert("recipe", "show", "glue/sst2")
    assert outcome.out == (recipes_folder() / "glue/sst2.yaml").read_text()


def test_show_resolved_is_a_recipe(albert: Any, tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(albert("recipe", "show", "glue/sst2", "--resolved", "--set", "seed=9").out)
    assert load_recipe(file).recipe == load_recipe("glue/sst2", overrides=["seed=9"]).recipe


def test_show_origin_names_the_place(albert: Any) -> None:
    out = albert("recipe", "show", "glue/sst2", "--origin", "--set", "seed=9").out
    assert "seed: 9  # --set\n" in out
    assert "# recipes/glue/sst2.yaml:" in out
    assert "# default\n" in out


def test_show_with_set_needs_resolved(albert: Any) -> None:
    assert albert("recipe", "show", "glue/sst2", "--set", "seed=9").code == 2


def test_copy_keeps_comments_and_refuses_to_overwrite(
    albert: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    original = (recipes_folder() / "glue/sst2.yaml").read_text().splitlines()
    assert albert("recipe", "copy", "glue/sst2").out == "sst2.yaml\n"
    copied = (tmp_path / "sst2.yaml").read_text().splitlines()
    assert copied[1:] == original[1:]
    assert Path(copied[0].partition("$schema=")[2]).samefile(recipes_folder() / "recipe.schema.json")
    (tmp_path / "sst2.yaml").write_text("mine")
    outcome = albert("recipe", "copy", "glue/sst2")
    assert outcome.code == 2
    assert outcome.err == "error: sst2.yaml exists already\ntry: name another file\n"
    assert (tmp_path / "sst2.yaml").read_text() == "mine"
    assert albert("recipe", "copy", "glue/sst2", "other.yaml").code == 0
    assert albert("recipe", "copy", "glue/sst2", "no/folder/x.yaml").code == 3


def test_fill_prints_writes_and_shows_what_it_adds(albert: Any, recipes: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text((recipes / "finetune.yaml").read_text())
    whole = albert("recipe", "fill", file).out
    assert "  # " in whole
    assert set(file.read_text().splitlines()) <= set(whole.splitlines())
    added = albert("recipe", "fill", file, "--diff").out.splitlines()
    assert added[1] == "+++ filled"
    assert not any(line.startswith("-") for line in added[2:])
    assert albert("recipe", "fill", file, tmp_path / "full.yaml").out == f"{tmp_path / 'full.yaml'}\n"
    assert albert("recipe", "diff", file, tmp_path / "full.yaml", "--json").out.count('"key"') == 0
    assert albert("recipe", "fill", file, tmp_path / "full.yaml").code == 2
    assert albert("recipe", "fill", file, "--write").code == 0
    assert file.read_text() == whole
    assert albert("recipe", "fill", file, "--diff").out == "\n"


def test_fill_leaves_shipped_recipes_alone(albert: Any) -> None:
    outcome = albert("recipe", "fill", "squad", "--write")
    assert (outcome.code, outcome.err.splitlines()[1]) == (2, "try: albert recipe fill squad FILE")
    assert albert("recipe", "fill", "squad", "--write", "--diff").code == 2


def test_check_accepts_every_shipped_recipe(albert: Any) -> None:
    outcome = albert("recipe", "check", *shipped_names())
    assert outcome.code == 0
    assert outcome.out.count(": ok") == len(shipped_names())
    assert outcome.err == ""


def test_check_lists_every_problem_of_every_file(albert: Any, recipes: Path, tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("stage: nothing\n")
    outcome = albert(
        "recipe", "check", recipes / "finetune.yaml", recipes / "five_mistakes.yaml", tmp_path / "b.yaml", "none"
    )
    assert outcome.code == 2
    assert outcome.out == f"{recipes / 'finetune.yaml'}: ok\n"
    assert outcome.err.count("error: ") == 5 + 1 + 1
    assert outcome.err.count("try: ") == 1


def test_check_json(albert: Any, recipes: Path) -> None:
    outcome = albert("recipe", "check", recipes / "five_mistakes.yaml", "own/text-classification", "--json")
    assert outcome.code == 2
    result = json.loads(outcome.out)
    assert result["schema_version"] == 1
    assert [(len(file["problems"]), file["ok"], file["needs"]) for file in result["files"]] == [
        (5, False, []),
        (0, True, ["data.path"]),
    ]


def test_diff_shows_what_differs(albert: Any, recipes: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(f"extends: {recipes / 'finetune.yaml'}\nseed: 1\n")
    outcome = albert("recipe", "diff", recipes / "finetune.yaml", tmp_path, "--json")
    assert json.loads(outcome.out)["differences"] == [{"key": "seed", "a": 42, "b": 1}]
    table = albert("recipe", "diff", recipes / "finetune.yaml", tmp_path).out
    assert table.splitlines()[-1].split() == ["seed", "42", "1"]


def test_schema_is_json(albert: Any) -> None:
    schema = json.loads(albert("recipe", "schema").out)
    assert schema["title"] == "albert recipe"
