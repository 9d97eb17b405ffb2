"""From what a recipe names to its tokenizer. Without torch: preparing text needs none."""

from __future__ import annotations

from pathlib import Path
from typing import TypeGuard

from albert_cli.errors import ModelError
from albert_cli.files.hub import resolve_model
from albert_cli.recipe.schema import FinetuneRecipe, PretrainRecipe
from albert_cli.recipe.sections import SIZES, ModelFields
from albert_cli.tokenization.tokenizer import AlbertTokenizer


def is_written_out(model: str | ModelFields | None) -> TypeGuard[str | ModelFields]:
    """Whether a recipe's ``model`` gives an architecture (a size or a mapping) and not the name of weights."""
    return isinstance(model, ModelFields) or model in SIZES


def load_tokenizer(recipe: PretrainRecipe | FinetuneRecipe) -> AlbertTokenizer:
    """Load the tokenizer that a recipe names, or that lies beside the model it names.

    Raises:
        ModelError: there is none, or it cannot be read.
    """
    if recipe.tokenizer:
        return read_tokenizer(recipe.tokenizer)
    if recipe.init.from_ is not None:
        return AlbertTokenizer.from_pretrained(resolve_model(recipe.init.from_))
    if isinstance(recipe.model, str) and not is_written_out(recipe.model):
        return AlbertTokenizer.from_pretrained(resolve_model(recipe.model))
    raise ModelError("no tokenizer for a model with new weights", hint="name one with --set tokenizer=DIR")


def read_tokenizer(name: str) -> AlbertTokenizer:
    """Read a tokenizer from a SentencePiece file, a tokenizer or run directory, or a hub id."""
    path = Path(name)
    return AlbertTokenizer.from_pretrained(path if path.is_file() else resolve_model(name))
