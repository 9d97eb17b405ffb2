"""From what a recipe names (a model, a size, a tokenizer) to the objects, with the checks that they belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from albert_cli.errors import ModelError
from albert_cli.files.hub import resolve_model
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig
from albert_cli.models.pretrained import LoadReport, load_pretrained
from albert_cli.recipe.schema import FinetuneRecipe, PretrainRecipe
from albert_cli.recipe.sections import ModelFields
from albert_cli.recipe.training import Train
from albert_cli.stages.tokenizers import is_written_out
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.parts import freeze_parts


@dataclass(frozen=True)
class Assembled:
    """A model ready to train or to ask, and where its weights came from.

    Attributes:
        model: on the CPU, in fp32.
        start: directory or name the weights were taken from; None for new ones.
        new_weights: names of weights that the start lacks and that were drawn anew (a task head, usually).
        notes: what was done to make the start fit, a sentence each.
    """

    model: AlbertPreTrainedModel
    start: str | None
    new_weights: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


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

    Pretraining from another model's weights is `start.build_start`. A fine-tuning recipe's ``init.from`` gives the
    encoder alone: what another task taught the head is of no use here.

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
        return prepared(_with_encoder_of(recipe.init.from_, recipe, kind, tokenizer, changes), recipe)
    if is_written_out(recipe.model):
        config = written_out_config(recipe.model, tokenizer, changes)
        check_fit(tokenizer, config)
        check_length(recipe.data.max_length, config)
        torch.manual_seed(recipe.seed)
        return prepared(Assembled(kind(config), None), recipe)
    assert isinstance(recipe.model, str)
    torch.manual_seed(recipe.seed)
    model, report = load_pretrained(
        kind, resolve_model(recipe.model), ignore_mismatched_sizes=True, dtype="float32", **changes
    )
    check_fit(tokenizer, model.config)
    check_length(recipe.data.max_length, model.config)
    return prepared(with_report(model, recipe.model, report), recipe)


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


def written_out_config(
    model: str | ModelFields, tokenizer: AlbertTokenizer, changes: Mapping[str, Any]
) -> AlbertConfig:
    """Config of a size or mapping; the number of pieces is the tokenizer's where it is not given."""
    if isinstance(model, ModelFields):
        fields = model.model_dump()
        if fields["vocab_size"] is None:
            fields["vocab_size"] = len(tokenizer)
        return AlbertConfig.from_dict({**fields, **changes})
    return AlbertConfig.named(model, vocab_size=len(tokenizer), **changes)


def with_report(model: AlbertPreTrainedModel, start: str, report: LoadReport) -> Assembled:
    """A loaded model, with the names of what its file lacks."""
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
        config = written_out_config(recipe.model, tokenizer, changes)
    else:
        config = AlbertConfig.from_pretrained(folder).changed(**changes)
    check_fit(tokenizer, config)
    check_length(recipe.data.max_length, config)
    torch.manual_seed(recipe.seed)
    model, report = load_pretrained(kind, folder, config=config, dtype="float32", new_head=True)
    return with_report(model, start, report)


def prepared(assembled: Assembled, recipe: PretrainRecipe | FinetuneRecipe) -> Assembled:
    """The model as the recipe wants it trained: frozen parts, recomputation."""
    freeze_parts(assembled.model, recipe.train.freeze)
    if recipe.runtime.recompute:
        assembled.model.gradient_checkpointing_enable()
    return assembled
