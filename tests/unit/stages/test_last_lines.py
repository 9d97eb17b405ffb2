"""A run ends by saying where everything is and what to type next."""

from __future__ import annotations

from pathlib import Path

import pytest

from albert_cli.recipe.load import load_recipe
from albert_cli.report.run_dir import RunDir
from albert_cli.stages.finish import where_everything_is


@pytest.mark.parametrize(
    ("name", "needs", "command"),
    [
        ("demo/topics", ("tokenizer=somewhere",), "albert predict"),
        ("demo/pretrain", ("tokenizer=somewhere",), "albert run --task fill-mask"),
    ],
)
def test_where_everything_is(tmp_path: Path, name: str, needs: tuple[str, ...], command: str) -> None:
    run = RunDir.create(tmp_path / "my run", "test")
    recipe = load_recipe(name, overrides=list(needs)).recipe
    lines = where_everything_is(run, recipe=recipe)
    assert [line.split(":")[0] for line in lines] == ["model", "report", "next"]
    assert lines[0] == f"model: {run.model_path}"
    assert command in lines[-1]
    assert f"'{run.path}'" in lines[-1], "quoted, since its name has a space"


def test_predictions_are_named_where_there_are_any(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "run", "test")
    run.predictions_path("dev.jsonl").write_text("{}\n")
    lines = where_everything_is(run, recipe=load_recipe("demo/topics", overrides=["tokenizer=somewhere"]).recipe)
    assert f"predictions: {tmp_path / 'run' / 'predictions'}" in lines
