"""Where do the first weights of pretraining come from: the dice, or a model that goes on learning or grows?

Weights alone are taken over: the optimiser begins anew, and so does the warm-up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from albert_cli.errors import AlbertError, ModelError
from albert_cli.files.hub import resolve_model
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig
from albert_cli.models.growth import Growth, grow
from albert_cli.models.pretrained import load_pretrained
from albert_cli.recipe.schema import PretrainRecipe
from albert_cli.stages.assemble import (
    Assembled,
    build_model,
    check_fit,
    check_length,
    dropouts,
    prepared,
    with_report,
    written_out_config,
)
from albert_cli.tokenization.tokenizer import AlbertTokenizer


def build_start(recipe: PretrainRecipe, kind: type[AlbertPreTrainedModel], *, tokenizer: AlbertTokenizer) -> Assembled:
    """Build the model that pretraining begins with.

    Args:
        recipe: what was asked for.
        kind: model class.
        tokenizer: of the run.

    Raises:
        ModelError: the weights cannot be found, or do not fit the model or the tokenizer.
    """
    name = recipe.init.from_
    if name is None:
        return build_model(recipe, kind, tokenizer=tokenizer)
    folder = resolve_model(name)
    source = AlbertConfig.from_pretrained(folder)
    target = _target(recipe, source, tokenizer)
    check_length(recipe.data.max_length, target)
    torch.manual_seed(recipe.seed)
    growth = Growth(recipe.init.positions, _rows(recipe, folder, source, tokenizer))
    notes: list[str] = []

    def adapt(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        grown, said = grow(state, source=source, target=target, growth=growth)
        notes.extend(said)
        return grown

    model, report = load_pretrained(kind, folder, config=target, dtype="float32", adapt=adapt)
    return prepared(replace(with_report(model, name, report), notes=tuple(notes)), recipe)


def _target(recipe: PretrainRecipe, source: AlbertConfig, tokenizer: AlbertTokenizer) -> AlbertConfig:
    changes = dropouts(recipe.train)
    if recipe.model is not None:
        return written_out_config(recipe.model, tokenizer, changes)
    longer: dict[str, Any] = {"vocab_size": len(tokenizer)}
    if recipe.init.positions is not None:
        longer["max_position_embeddings"] = max(source.max_position_embeddings, recipe.data.max_length)
    return source.changed(**longer, **changes)


def _rows(recipe: PretrainRecipe, folder: Path, source: AlbertConfig, tokenizer: AlbertTokenizer) -> Tensor | None:
    """Row of the start for each piece of the run's tokenizer; None where they are the same pieces.

    Raises:
        ModelError: they are not, and nobody asked for other pieces.
    """
    before = _own_tokenizer(folder)
    if before is None:
        if recipe.init.vocabulary == "resize":
            raise ModelError(
                f"{folder} holds no tokenizer, so nobody knows which piece each row of its word table means",
                hint="put the tokenizer it was trained with beside the weights",
            )
        check_fit(tokenizer, source)
        return None
    known = before.get_vocab()
    rows = torch.tensor([known.get(tokenizer.id_to_piece(number), -1) for number in range(len(tokenizer))])
    same = torch.equal(rows, torch.arange(source.vocab_size))
    if same or recipe.init.vocabulary == "resize":
        return None if same else rows
    kept = int((rows[: source.vocab_size] == torch.arange(len(rows[: source.vocab_size]))).sum())
    raise ModelError(
        f"the tokenizer is not that of {recipe.init.from_}: {kept:,} of {len(tokenizer):,} ids mean the same piece",
        hint="leave `tokenizer` out to use its own, or --set init.vocabulary=resize to keep what matches",
    )


def _own_tokenizer(folder: Path) -> AlbertTokenizer | None:
    try:
        return AlbertTokenizer.from_pretrained(folder)
    except AlbertError:
        return None
