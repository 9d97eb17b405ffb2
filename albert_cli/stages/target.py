"""What ``TARGET``, ``--model`` and ``--recipe`` of eval and predict mean: a recipe, and a trained model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from albert_cli.errors import ModelError, UsageError
from albert_cli.files.hub import resolve_model
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.pretrained import load_pretrained
from albert_cli.recipe.load import LoadedRecipe, load_recipe
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.report.run_dir import is_run_dir
from albert_cli.tokenization.tokenizer import AlbertTokenizer


@dataclass(frozen=True)
class Target:
    """A recipe and the directory of the model to use with it, None where no model is needed."""

    loaded: LoadedRecipe
    model: Path | None

    @property
    def recipe(self) -> FinetuneRecipe:
        """The recipe, which is one of a task."""
        assert isinstance(self.loaded.recipe, FinetuneRecipe)
        return self.loaded.recipe


def read_target(
    target: str,
    *,
    model: str | None,
    recipe: str | None,
    overrides: Sequence[str],
    shortcuts: Mapping[str, Any],
    needs_model: bool = True,
    inputs_may_be_open: bool = False,
) -> Target:
    """Find the recipe and the model.

    Args:
        target: recipe, run directory (which knows both), or model directory (then ``recipe`` names the data).
        model: ``--model``.
        recipe: ``--recipe``.
        overrides: ``--set``.
        shortcuts: values of the recipe that options gave.
        needs_model: whether a model must be named.
        inputs_may_be_open: accept a recipe without data.

    Raises:
        UsageError: the words do not name a recipe and a model.
        ModelError: the named model is not there.
    """
    path = Path(target)
    is_run = path.is_dir() and is_run_dir(path)
    is_model = path.is_dir() and not is_run and (path / "config.json").is_file()
    name = recipe or (None if is_model else target)
    if name is None:
        raise UsageError(
            f"{target} is a model directory; it does not say which data", hint="add --recipe RECIPE (albert recipe ls)"
        )
    if is_model and model is not None:
        raise UsageError(f"{target} is a model, and --model names another", hint="leave one of them out")
    loaded = load_recipe(
        name, overrides=overrides, shortcuts=shortcuts, stage="finetune", inputs_may_be_open=inputs_may_be_open
    )
    chosen = model or (target if is_run or is_model else None)
    if not needs_model:
        return Target(loaded, None)
    if chosen is None:
        raise UsageError(f"no model to use with {target}", hint="add --model DIR (a run or model directory, or hub id)")
    return Target(loaded, resolve_model(chosen))


def load_trained(folder: Path, kind: type[AlbertPreTrainedModel]) -> tuple[AlbertPreTrainedModel, AlbertTokenizer]:
    """Load a fine-tuned model and its tokenizer.

    Args:
        folder: model directory.
        kind: model class, with the head of the task.

    Raises:
        ModelError: the model has no trained head: its answers would be random.
    """
    model, report = load_pretrained(kind, folder, dtype="float32")
    if report.new_head:
        raise ModelError(
            f"{folder} has no trained head for this task (missing: {', '.join(report.missing)})",
            hint="fine-tune it first: albert finetune RECIPE --set model=DIR",
        )
    return model, AlbertTokenizer.from_pretrained(folder)
