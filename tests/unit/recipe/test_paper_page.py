"""The page on reproducing the paper: every row of its tables has a command that works, and an estimate that follows."""

from __future__ import annotations

import re
import shlex
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer

from albert_cli.cli.app import build_app
from albert_cli.recipe.load import load_recipe
from albert_cli.recipe.schema import FinetuneRecipe, PretrainRecipe

PAGE = Path(__file__).resolve().parents[3] / "docs" / "howto" / "reproduce_the_paper.md"
# Tokens a second that the page gives for one GPU; its text has the FLOPs behind them.
RATES = {"base": 694e3, "large": 201e3, "xlarge": 52e3, "xxlarge": 27e3}
FLOPS = {"base": 0.57e9, "large": 1.97e9, "xlarge": 7.56e9, "xxlarge": 14.8e9}


def sections() -> dict[str, list[list[str]]]:
    """Cells of the table rows that hold a command, by the heading above them."""
    found: dict[str, list[list[str]]] = {}
    heading = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ").split(":")[0]
        if line.startswith("| ") and "`albert " in line:
            found.setdefault(heading, []).append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


@cache
def root() -> Any:
    return typer.main.get_command(build_app())


@cache
def load(command: str) -> PretrainRecipe | FinetuneRecipe:
    words = shlex.split(command)
    root().commands[words[1]].make_context(words[1], list(words[2:]))
    settings = [word for before, word in pairwise(words) if before == "--set"]
    recipe = load_recipe(words[2], stage=words[1], overrides=settings, inputs_may_be_open=True).recipe
    assert isinstance(recipe, PretrainRecipe | FinetuneRecipe)
    return recipe


def size_of(recipe: PretrainRecipe | FinetuneRecipe) -> str:
    width = getattr(recipe.model, "hidden_size", None)
    if width is not None:
        return {768: "base", 1024: "large"}[width]
    return next(size for size in ("xxlarge", "xlarge", "large", "base") if size in str(recipe.model))


def tokens(recipe: PretrainRecipe | FinetuneRecipe) -> float:
    batch = getattr(recipe.train, "effective_batch", None) or recipe.train.batch_size
    choices = 4 if isinstance(recipe, FinetuneRecipe) and recipe.task == "race" else 1
    assert isinstance(batch, int)
    assert recipe.train.max_steps is not None
    return recipe.train.max_steps * batch * choices * recipe.data.max_length


def said(count: float, size: str) -> str:
    hours = count / RATES[size] / 3600
    return f"{hours:,.0f} h" if hours >= 10 else f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"


def test_every_row_of_the_tables_is_there() -> None:
    counts = {heading: len(rows) for heading, rows in sections().items()}
    assert counts == {
        "Table 2": 6,
        "Table 3": 8,
        "Table 4": 8,
        "Table 5": 3,
        "Fine-tuning": 5,
        "Table 9": 2 + 8,
        "Table 10": 3,
    }


def test_every_command_works_and_its_cost_follows_from_the_recipe() -> None:
    for heading, rows in sections().items():
        for cells in rows:
            recipe = load(cells[1].strip("`"))
            sizes = ["base", "xxlarge"] if heading == "Fine-tuning" else [size_of(recipe)]
            if heading in ("Table 9", "Table 10"):
                sizes = ["xxlarge"]
            for place, size in enumerate(sizes, start=2):
                assert cells[place] == said(tokens(recipe), size), cells
            assert cells[-1] == "not measured"


def test_the_rates_are_forty_per_cent_of_the_data_sheet() -> None:
    for size, rate in RATES.items():
        assert 0.4 * 989e12 / FLOPS[size] == pytest.approx(rate, rel=0.02)
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert "0.57 GFLOP a token for base, 1.97 for large, 7.56 for xlarge, 14.8 for xxlarge" in text
    assert "694, 201, 52 and 27 thousand tokens a second" in text


def test_the_sizes_are_those_that_the_rows_name() -> None:
    rows = [cells for heading in ("Table 3", "Table 4") for cells in sections()[heading]]
    for cells in rows:
        model = load(cells[1].strip("`")).model
        found = re.search(r"E (\d+)", cells[0])
        assert found is not None
        wanted = "none" if "not shared" in cells[0] else cells[0].rpartition(": ")[2] if ": " in cells[0] else "all"
        assert (model.embedding_size, model.parameter_sharing) == (int(found[1]), wanted)  # type: ignore[union-attr]
