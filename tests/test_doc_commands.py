"""Would every command line of the pages run: do its options and values hold, and its recipe load with what it sets?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doc_commands import PAGES, ROOT, Call, calls, parsed
from typer.exceptions import TyperException

from albert_cli.cli.evaluate import read_limits
from albert_cli.cli.run import check_task
from albert_cli.cli.train import read_seeds
from albert_cli.errors import AlbertError
from albert_cli.recipe.load import load_recipe, load_values

# Recipe files that pages speak of without writing them out: what stands in their place here.
STAND_INS = {"recipe.yaml": "pretrain/base", "my_pretrain.yaml": "pretrain/base"}
# Places of the reader's own that commands name where a recipe could stand.
RUNS = re.compile(r"(runs|first|life|small|novels)(/|$)|RUN$|MODEL$|DIR$")
# Keys that a stand-in leaves open, as a copy that somebody edited would not.
GIVEN = {"data.path": "corpus", "tokenizer": "runs/tokenizer"}
_WRITTEN = re.compile(r"`([\w-]+\.yaml)`[^`]*```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OPTIONS = {"device": "runtime.device", "precision": "runtime.precision", "nproc": "runtime.nproc"} | {
    "threads": "runtime.threads",
    "seed": "seed",
    "max_hours": "train.max_hours",
    "workers": "data.workers",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_line_would_run(page: Path, tmp_path: Path) -> None:
    recipes = written_recipes(page.read_text(encoding="utf-8"), tmp_path)
    problems = [
        f"{call.line.strip()}: {problem}"
        for call in calls(page.read_text(encoding="utf-8"))
        for problem in problems_of(call, recipes)
    ]
    assert not problems


def test_the_pages_have_command_lines_to_check() -> None:
    assert sum(len(list(calls(page.read_text(encoding="utf-8")))) for page in PAGES) > 100


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("albert finetune glue/mrpc --precision bf16", None),
        ("albert finetune glue/mrpc --precision bf8", "bf8"),
        ("albert finetune glue/mrpc glue/rte", "unexpected extra argument"),
        ("albert finetune glue/mprc", "no recipe 'glue/mprc'"),
        ("albert finetune demo/pretrain", "is a recipe for pretrain"),
        ("albert finetune own/text-classification", "data"),
        ("albert finetune glue/mrpc --set train.batch_size=many", "train.batch_size"),
        ("albert finetune glue/mrpc --seeds 1,1", "names a seed twice"),
        ("albert pretrain strange.yaml", "no recipe 'strange.yaml'"),
        ("albert eval runs/reviews --fail-under accuracy", "METRIC=VALUE"),
        ("albert run --task fill-masks a", "fill-masks"),
        ("albert data", "no such command line"),
        ("albert runs ls", None),
        ("albert recipe diff glue/sst2 glue/mrcp", "no recipe"),
    ],
)
def test_the_check_finds_what_would_not_run(line: str, problem: str | None) -> None:
    found = [text for call in calls(f"```\n{line}\n```\n") for text in problems_of(call, {})]
    assert (found == []) if problem is None else (len(found) == 1 and problem in found[0]), found


def problems_of(call: Call, recipes: dict[str, str]) -> Iterator[str]:
    """Why a command line would be refused before any work, if it would."""
    if call.name == ("--version",):
        return
    if call.name in (("data",), ("bench",), ("recipe",)):
        yield "no such command line"
        return
    try:
        values = parsed(call)
        check_words(values)
        for name, stage in recipes_of(call, values):
            check_recipe(recipes.get(name, name), stage, values)
        if values.get("input_") and call.name == ("train-tokenizer",):
            load_values(
                {"stage": "train-tokenizer", "data": {"path": list(values["input_"])}},
                name="tokenizer",
                overrides=values["set_"] or (),
            )
    except (TyperException, AlbertError) as error:
        yield str(error)


def check_words(values: dict[str, Any]) -> None:
    """Read the values that commands read themselves.

    Raises:
        UsageError: one of them cannot be read.
    """
    if values.get("seeds"):
        read_seeds(values["seeds"])
    read_limits(values.get("fail_under") or [])
    if isinstance(values.get("task"), str):
        check_task(values["task"])


def recipes_of(call: Call, values: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Names of recipes in a command line, with the stage that they must be for."""
    head = call.name[0]
    stage = {"pretrain": "pretrain", "finetune": "finetune", "train-tokenizer": "train-tokenizer"}.get(head)
    if call.name == ("data", "prepare"):
        stage = "pretrain"
    if head == "train-tokenizer" and values.get("input_"):
        return
    if head == "convert":
        if values["target"] is None:
            yield values["source"], "convert"
        return
    named = [values.get(key) for key in ("recipe", "target", "left", "right")]
    for value in [*named, values.get("targets") or [], values.get("files") or []]:
        for name in [value] if isinstance(value, str) else value or []:
            if head in ("eval", "predict") and name.endswith(".tsv"):
                continue
            yield name, stage


def check_recipe(name: str, stage: str | None, values: dict[str, Any]) -> None:
    """Load a recipe as the command would, unless it is a place of the reader's own.

    Raises:
        AlbertError: there is no such recipe, or it does not hold with these options.
    """
    if RUNS.match(name):
        return
    overrides = list(values.get("set_") or [])
    if name in STAND_INS:
        named = {text.partition("=")[0] for text in overrides}
        overrides += [f"{key}={value}" for key, value in GIVEN.items() if key not in named]
        name = STAND_INS[name]
    said = {key: values[option] for option, key in _OPTIONS.items() if values.get(option) is not None}
    may_be_open = stage is None
    load_recipe(
        name, overrides=overrides, shortcuts={} if may_be_open else said, stage=stage, inputs_may_be_open=may_be_open
    )


def written_recipes(text: str, folder: Path) -> dict[str, str]:
    """Recipes that a page gives its reader, written out or copied from a shipped one: by name, what can be loaded."""
    found: dict[str, str] = {}
    for name, content in _WRITTEN.findall(text):
        path = folder / name
        path.write_text(content, encoding="utf-8")
        found[name] = str(path)
    for call in calls(text):
        if call.name == ("recipe", "copy") and len(call.words) == 2 and call.words[1] not in STAND_INS:
            found[call.words[1]] = call.words[0]
    return found
