"""`albert data inspect`: what training will see, in numbers and in a few decoded examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from albert_cli.data.batching import PackedBatch
from albert_cli.data.examples import Examples
from albert_cli.data.held_out import split_documents
from albert_cli.data.label_report import split_report
from albert_cli.data.mixture import mix_sources
from albert_cli.data.pretraining import PretrainingSource
from albert_cli.data.pretraining_statistics import statistics
from albert_cli.errors import UsageError
from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.requests import RunOptions
from albert_cli.recipe.schema import FinetuneRecipe, PretrainRecipe, TokenizerRecipe
from albert_cli.report.console import Talk, result_json, result_text
from albert_cli.stages.corpus_source import corpus_of, token_shards
from albert_cli.stages.example_law import example_law
from albert_cli.stages.pretraining_data import source_weights
from albert_cli.stages.tasks.open import open_task
from albert_cli.stages.tokenizers import load_tokenizer
from albert_cli.tokenization.tokenizer import AlbertTokenizer

_EXAMPLES_SHOWN = 3
_TARGETS_SHOWN = 24


def run(loaded: LoadedRecipe, options: RunOptions) -> int:
    """Look at a recipe's data.

    Returns:
        Exit code 0.
    """
    recipe = loaded.recipe
    with Talk(quiet=options.quiet) as talk:
        if isinstance(recipe, PretrainRecipe):
            numbers, examples = _pretraining(recipe, talk)
        elif isinstance(recipe, FinetuneRecipe):
            numbers, examples = _task(recipe, talk)
        elif isinstance(recipe, TokenizerRecipe):
            numbers, examples = _corpus(recipe), []
        else:
            raise UsageError(f"a recipe of the stage {recipe.stage} has no data", hint="albert recipe ls lists others")
        if options.json:
            result_json({"command": "data inspect", "recipe": loaded.name, **numbers})
        else:
            _show(numbers, examples)
    return 0


def _pretraining(recipe: PretrainRecipe, talk: Talk) -> tuple[dict[str, Any], list[str]]:
    tokenizer = load_tokenizer(recipe)
    shards = token_shards(recipe.data, tokenizer, talk)
    train, _ = split_documents(shards, held_out=recipe.data.held_out, seed=recipe.seed)
    law = example_law(recipe, tokenizer)
    mixture = mix_sources(shards, train, source_weights(recipe))
    source = PretrainingSource(shards, mixture, law=law, batch_size=_EXAMPLES_SHOWN, max_steps=1)
    batch = source[0][0]
    examples = [_masked_text(batch, place, tokenizer) for place in range(len(batch.lengths))]
    return asdict(statistics(source)), examples


def _masked_text(batch: PackedBatch, place: int, tokenizer: AlbertTokenizer) -> str:
    """One example as the model sees it; each hidden piece is followed by what stood there."""
    start = sum(batch.lengths[:place])
    hidden = dict(zip(batch.targets["masked_positions"].tolist(), batch.targets["masked_labels"].tolist(), strict=True))
    words = []
    for position in range(start, start + batch.lengths[place]):
        piece = tokenizer.id_to_piece(int(batch.input_ids[position]))
        answer = f"{{{tokenizer.id_to_piece(hidden[position])}}}" if position in hidden else ""
        words.append(piece + answer)
    order = batch.targets.get("sentence_order_label")
    label = "" if order is None else f"  [{'swapped' if int(order[place]) else 'in order'}]"
    return " ".join(words) + label


def _task(recipe: FinetuneRecipe, talk: Talk) -> tuple[dict[str, Any], list[str]]:
    tokenizer = load_tokenizer(recipe)
    task = open_task(recipe, talk)
    encoded = task.encode(tokenizer, list(task.splits))
    reports = {
        name: split_report(examples, num_rows=len(task.splits[name]), labels=task.label_counts(name, examples))
        for name, examples in encoded.items()
    }
    first = next(iter(encoded))
    examples = _shown_examples(encoded[first], tokenizer)
    names = ("examples", "labels", "truncated_fraction", "windows_per_example", "length_histogram", "tokens")
    whole = encoded[first].pack(np.arange(len(encoded[first])), with_labels=False)
    unknown = float((whole.input_ids == tokenizer.unk_token_id).float().mean())
    numbers = {name: reports[first][name] for name in names} | {"unknown_rate": unknown}
    return {**numbers, "splits": reports}, examples


def _shown_examples(examples: Examples, tokenizer: AlbertTokenizer) -> list[str]:
    """The first examples as pieces, with what the objective compares with."""
    shown = []
    for number in range(min(_EXAMPLES_SHOWN, len(examples))):
        batch = examples.pack(np.array([number]), with_labels=examples.is_labelled)
        pieces = [tokenizer.id_to_piece(int(piece)) for piece in batch.input_ids]
        targets = ", ".join(f"{name} {_target_text(value)}" for name, value in batch.targets.items())
        shown.append(f"{' '.join(pieces)}  [{targets or 'no label'}]")
    return shown


def _target_text(value: Any) -> str:
    numbers = value.tolist()
    shown = " ".join(str(number) for number in numbers[:_TARGETS_SHOWN])
    return f"{shown} ..." if len(numbers) > _TARGETS_SHOWN else shown


def _corpus(recipe: TokenizerRecipe) -> dict[str, Any]:
    documents = characters = 0
    for document in corpus_of(recipe.data).read():
        documents += 1
        characters += len(document.text)
    return {"documents": documents, "characters": characters}


def _show(numbers: Mapping[str, Any], examples: list[str]) -> None:
    for name, value in numbers.items():
        if isinstance(value, Mapping) and name == "splits":
            for split, report in value.items():
                result_text(f"{split}: {_shown(report)}")
        else:
            result_text(f"{name}: {_shown(value)}")
    for example in examples:
        result_text(f"example: {example}")


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "  ".join(f"{key} {_shown(inner)}" for key, inner in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)
