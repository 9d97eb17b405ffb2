"""The generated pages: complete, and up to date in the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from albert_cli.cli.reference import cli_reference, main
from albert_cli.recipe.findings import all_keys
from albert_cli.recipe.problems import dotted
from albert_cli.recipe.reference import recipe_reference
from albert_cli.recipe.schema import RECIPES

ROOT = Path(__file__).resolve().parents[2]


def test_the_pages_in_the_repository_are_up_to_date() -> None:
    assert main(["--check", str(ROOT)]) == 0


def test_a_stale_page_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 0
    page = tmp_path / "docs/reference/cli.md"
    page.write_text("old")
    assert main(["--check", str(tmp_path)]) == 1
    assert f"{page}: out of date" in capsys.readouterr().err


@pytest.mark.parametrize("stage", RECIPES)
def test_every_key_of_a_recipe_is_listed(stage: str) -> None:
    page = recipe_reference().split(f"## {stage}\n")[1].split("\n## ")[0]
    for path, section in all_keys(RECIPES[stage]):
        if section is None:
            assert f"| `{dotted(path)}` |" in page or path[0] == "model"


def test_every_command_is_listed() -> None:
    page = cli_reference()
    for command in (
        "train-tokenizer",
        "pretrain",
        "finetune",
        "eval",
        "predict",
        "run",
        "recipe check",
        "data inspect",
        "env",
    ):
        assert f"# albert {command}\n" in page
    assert "`--precision <fp32\\|bf16\\|fp16>`" in page
