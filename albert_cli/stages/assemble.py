"""From what a recipe names (a model, a size, a tokenizer) to the objects, with the checks that they belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from albert_cli.errors import ModelError
from albert_cli.files.hub import resolve_model
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig
from albert_cli.models.pretrained import LoadReport, load_pretrained
from albert_cli.recipe.schema import FinetuneRecipe, PretrainRecipe
from albert_cli.recipe.sections import SIZES, ModelFields
from albert_cli.recipe.training import Train
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.parts import freeze_parts


@dataclass(frozen=True)
class Assembled:
    """A model ready to train or to ask, and where its weights came from.

    Attributes:
        model: on the CPU, in fp32.
        start: directory or name the weights were taken from; None for new ones.
        new_weights: names of weights that the start lacks and that were drawn anew (a task head, usually).
    """

    model: AlbertPreTrainedModel
    start: str | None
    new_weights: tuple[str, ...] = ()


def is_written_out(model: str | ModelFields) -> bool:
    """Whether a recipe's ``model`` gives an architecture (a size or a mapping) and not the name of weights."""
    return isinstance(model, ModelFields) or model in SIZES


def load_tokenizer(recipe: PretrainRecipe | FinetuneRecipe) -> AlbertTokenizer:
    """Load the tokenizer that a recipe names, or that lies beside the model it names.

    Raises:
        ModelError: there is none, or it cannot be read.
    """
    if recipe.tokenizer is not None:
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


def check_fit(tokenizer: AlbertTokenizer, config: AlbertConfig) -> None:
    """Refuse a tokenizer whose ids mean other rows of the model's word table.

    Raises:
        ModelError: the numbers of pieces differ.
    """
    if len(tokenizer) != config.vocab_size:
        raise ModelError(
            f"the tokenizer has {len(tokenizer)} pieces, the model's vocab_size is {config.vocab_size}: "
            "they were not made for each other",
            hint="use the tokenizer saved with the model: leave `tokenizer` out, or name the model's directory",
        )


def check_length(max_length: int, config: AlbertConfig) -> None:
    """Refuse sequences longer than the position table.

    Raises:
        ModelError: ``max_length`` is more than ``max_position_embeddings``.
    """
    if max_length > config.max_position_embeddings:
        raise ModelError(
            f"data.max_length is {max_length}, the model has positions for {config.max_position_embeddings} tokens",
            hint=f"--set data.max_length={config.max_position_embeddings}",
        )


def build_model(
    recipe: PretrainRecipe | FinetuneRecipe,
    kind: type[AlbertPreTrainedModel],
    *,
    tokenizer: AlbertTokenizer,
    labels: Mapping[str, Any] | None = None,
) -> Assembled:
    """Build the model of a recipe: new weights for a size or mapping, else those of the named model.

    A fine-tuning recipe's ``init.from`` gives the encoder alone: what another task taught the head is of no use here.

    Args:
        recipe: what was asked for.
        kind: model class, with the head of the task.
        tokenizer: checked against the model.
        labels: config fields of the task head (``num_labels``, ``id2label``, ``label2id``, ``problem_type``).

    Raises:
        ModelError: the weights cannot be found or do not fit.
    """
    changes = {**dropouts(recipe.train), **(labels or {})}
    if recipe.init.from_ is not None and isinstance(recipe, FinetuneRecipe):
        return _prepared(_with_encoder_of(recipe.init.from_, recipe, kind, tokenizer, changes), recipe)
    if is_written_out(recipe.model):
        config = _written_out(recipe.model, tokenizer, changes)
        check_fit(tokenizer, config)
        check_length(recipe.data.max_length, config)
        torch.manual_seed(recipe.seed)
        if recipe.init.from_ is None:
            return _prepared(Assembled(kind(config), None), recipe)
        start = resolve_model(recipe.init.from_)
        model, report = load_pretrained(kind, start, config=config, ignore_mismatched_sizes=True)
        return _prepared(_assembled(model, recipe.init.from_, report), recipe)
    assert isinstance(recipe.model, str)
    torch.manual_seed(recipe.seed)
    model, report = load_pretrained(
        kind, resolve_model(recipe.model), ignore_mismatched_sizes=True, dtype="float32", **changes
    )
    check_fit(tokenizer, model.config)
    check_length(recipe.data.max_length, model.config)
    return _prepared(_assembled(model, recipe.model, report), recipe)


def dropouts(train: Train) -> dict[str, float]:
    """Config fields that the dropout keys of a recipe set."""
    changes: dict[str, float] = {}
    if train.dropout is not None:
        changes |= {"hidden_dropout_prob": train.dropout, "attention_probs_dropout_prob": train.dropout}
    if train.attention_dropout is not None:
        changes["attention_probs_dropout_prob"] = train.attention_dropout
    if train.classifier_dropout is not None:
        changes["classifier_dropout_prob"] = train.classifier_dropout
    return changes


def _written_out(model: str | ModelFields, tokenizer: AlbertTokenizer, changes: Mapping[str, Any]) -> AlbertConfig:
    if isinstance(model, ModelFields):
        fields = model.model_dump()
        if fields["vocab_size"] is None:
            fields["vocab_size"] = len(tokenizer)
        return AlbertConfig.from_dict({**fields, **changes})
    return AlbertConfig.named(model, vocab_size=len(tokenizer), **changes)


def _assembled(model: AlbertPreTrainedModel, start: str, report: LoadReport) -> Assembled:
    drawn = (*report.missing, *(line.split(":")[0] for line in report.mismatched))
    return Assembled(model, start, tuple(drawn))


def _with_encoder_of(
    start: str,
    recipe: FinetuneRecipe,
    kind: type[AlbertPreTrainedModel],
    tokenizer: AlbertTokenizer,
    changes: Mapping[str, Any],
) -> Assembled:
    """The encoder and pooler of a trained model, whatever its head, below a head drawn anew."""
    folder = resolve_model(start)
    if is_written_out(recipe.model):
        config = _written_out(recipe.model, tokenizer, changes)
    else:
        config = AlbertConfig.from_pretrained(folder).changed(**changes)
    check_fit(tokenizer, config)
    check_length(recipe.data.max_length, config)
    torch.manual_seed(recipe.seed)
    model, report = load_pretrained(kind, folder, config=config, dtype="float32", new_head=True)
    return _assembled(model, start, report)


def _prepared(assembled: Assembled, recipe: PretrainRecipe | FinetuneRecipe) -> Assembled:
    freeze_parts(assembled.model, recipe.train.freeze)
    if recipe.runtime.recompute:
        assembled.model.gradient_checkpointing_enable()
    return assembled
