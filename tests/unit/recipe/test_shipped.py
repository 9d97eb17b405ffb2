"""Which file a name means."""

from __future__ import annotations

from pathlib import Path

import pytest

from albert_cli.errors import UsageError
from albert_cli.recipe import shipped


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory away from the source tree, with shipped recipes of our own beside it."""
    recipes = tmp_path / "shipped"
    (recipes / "glue").mkdir(parents=True)
    for name in ("squad", "glue/sst2", "glue/_common"):
        (recipes / f"{name}.yaml").write_text("stage: finetune\n")
    monkeypatch.setattr(shipped, "recipes_folder", lambda: recipes)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.mark.parametrize(
    "name", ["glue/sst2", "glue/sst2.yaml", "recipes/glue/sst2.yaml", "recipes/glue/sst2", "./recipes/glue/sst2.yaml"]
)
def test_all_spellings_of_a_shipped_name_work(folder: Path, name: str) -> None:
    assert shipped.find_recipe(name) == folder.parent / "shipped/glue/sst2.yaml"


def test_a_file_wins_over_a_shipped_recipe_of_that_path(folder: Path) -> None:
    (folder / "squad.yaml").write_text("stage: pretrain\n")
    assert shipped.find_recipe("squad.yaml").resolve() == folder / "squad.yaml"
    assert shipped.find_recipe("squad") == folder.parent / "shipped/squad.yaml"


def test_a_run_directory_means_its_recipe(folder: Path) -> None:
    (folder / "run").mkdir()
    (folder / "run/recipe.yaml").write_text("stage: pretrain\n")
    assert shipped.find_recipe("run") == Path("run/recipe.yaml")


def test_parts_are_not_listed(folder: Path) -> None:
    assert shipped.shipped_names() == ["glue/sst2", "squad"]


@pytest.mark.parametrize(("name", "meant"), [("glue/sst", "glue/sst2"), ("sst2", "glue/sst2"), ("sqad.yaml", "squad")])
def test_an_unknown_name_is_refused_with_what_was_meant(folder: Path, name: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        shipped.find_recipe(name)
    assert caught.value.hint is not None
    assert repr(meant) in caught.value.hint


def test_names_cannot_leave_the_folder(folder: Path) -> None:
    (folder.parent / "secret.yaml").write_text("stage: pretrain\n")
    assert shipped.shipped_file("../secret") is None


def test_a_copied_recipe_still_finds_its_parent(folder: Path) -> None:
    text = "# first\nextends: _common   # shared\nseed: 1\n"
    source = folder.parent / "shipped/glue/sst2.yaml"
    assert shipped.parent_from_elsewhere(text, source) == "# first\nextends: glue/_common   # shared\nseed: 1\n"
    assert shipped.parent_from_elsewhere("seed: 1\n", source) == "seed: 1\n"


def test_short_names_for_run_directories(folder: Path) -> None:
    assert shipped.short_name(folder.parent / "shipped/glue/sst2.yaml") == "glue-sst2"
    assert shipped.short_name(folder / "mine.yaml") == "mine"
    assert shipped.short_name(folder / "runs/a/recipe.yaml") == "a"
