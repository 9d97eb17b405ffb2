"""Which module answers for a task?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from albert_cli.data.feature_cache import FeatureCache
from albert_cli.files.cache import user_cache
from albert_cli.models.config import AlbertConfig
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.report.console import Talk
from albert_cli.stages.tasks import choices, spans, tags, texts
from albert_cli.stages.tasks.protocol import Task

SPANS = ("squad", "squad2", "question-answering")
CHOICES = ("race", "swag", "hellaswag", "multiple-choice")
TAGS = ("ner", "token-classification")


def open_task(recipe: FinetuneRecipe, talk: Talk, *, config: AlbertConfig | None = None) -> Task:
    """Load the rows that a recipe names, and say what was found.

    Args:
        recipe: of a task.
        talk: the command's voice.
        config: of the trained model that is to be scored; None before training.

    Raises:
        DataError: the rows cannot be read or are not what the task takes.
    """
    task: Task = _module(recipe.task).read(recipe, config)
    folder = recipe.data.cache
    task.cache = FeatureCache(user_cache("features") if folder is None else Path(folder) / "features", talk.warn)
    sizes = ", ".join(f"{name} {len(rows):,}" for name, rows in task.splits.items())
    talk.say(f"task: {task.name}; rows: {sizes}")
    for note in task.notes:
        talk.say(note)
    return task


def open_input(recipe: FinetuneRecipe, path: Path, *, config: AlbertConfig) -> Task:
    """Load one file to predict, as the split ``test``.

    Raises:
        DataError: it cannot be read.
    """
    task: Task = _module(recipe.task).read_input(recipe, path, config)
    return task


def open_records(recipe: FinetuneRecipe, records: Sequence[Mapping[str, Any]], *, config: AlbertConfig) -> Task:
    """Take JSON objects as the split ``test``.

    Raises:
        DataError: one is not what the task takes.
    """
    task: Task = _module(recipe.task).from_records(recipe, records, config)
    return task


def is_text_task(recipe: FinetuneRecipe) -> bool:
    """Whether a line of plain text is a row of the task."""
    return _module(recipe.task) is texts


def _module(name: str) -> ModuleType:
    if name in TAGS:
        return tags
    if name in CHOICES:
        return choices
    if name in SPANS:
        return spans
    return texts
