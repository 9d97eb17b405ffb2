"""`albert data inspect`: what training will see, in numbers and in a few decoded examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from albert_cli.data.held_out import split_documents
from albert_cli.data.label_report import split_report
from albert_cli.data.mixture import mix_sources
from albert_cli.data.overlap import overlaps
from albert_cli.data.pretraining import PretrainingSource
from albert_cli.data.pretraining_statistics import statistics
from albert_cli.errors import UsageError
from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.requests import RunOptions
from albert_cli.recipe.schema import FinetuneRecipe, PretrainRecipe, TokenizerRecipe
from albert_cli.report.console import Talk, result_json, result_text
from albert_cli.report.marks import Marked, show_marked
from albert_cli.stages.corpus_source import corpus_of, token_shards
from albert_cli.stages.example_law import example_law
from albert_cli.stages.marked_examples import masked_examples, task_examples
from albert_cli.stages.pretraining_data import source_weights
from albert_cli.stages.tasks.open import open_task
from albert_cli.stages.tokenizers import load_tokenizer

EXAMPLES_SHOWN = 3


def run(loaded: LoadedRecipe, options: RunOptions, *, examples: int = EXAMPLES_SHOWN) -> int:
    """Look at a recipe's data.

    Args:
        loaded: the recipe.
        options: how to go about it.
        examples: how many to show, decoded.

    Returns:
        Exit code 0.
    """
    recipe = loaded.recipe
    with Talk(quiet=options.quiet) as talk:
        if isinstance(recipe, PretrainRecipe):
            numbers, shown = _pretraining(recipe, talk, examples)
        elif isinstance(recipe, FinetuneRecipe):
            numbers, shown = _task(recipe, talk, examples)
        elif isinstance(recipe, TokenizerRecipe):
            numbers, shown = _corpus(recipe), []
        else:
            raise UsageError(f"a recipe of the stage {recipe.stage} has no data", hint="albert recipe ls lists others")
        if options.json:
            result_json({"command": "data inspect", "recipe": loaded.name, **numbers})
        else:
            _show(numbers, shown)
    return 0


def _pretraining(recipe: PretrainRecipe, talk: Talk, count: int) -> tuple[dict[str, Any], list[list[Marked]]]:
    tokenizer = load_tokenizer(recipe)
    shards = token_shards(recipe.data, tokenizer, talk)
    train, _ = split_documents(shards, held_out=recipe.data.held_out, seed=recipe.seed)
    law = example_law(recipe, tokenizer)
    mixture = mix_sources(shards, train, source_weights(recipe))
    source = PretrainingSource(shards, mixture, law=law, batch_size=max(1, count), max_steps=1)
    return asdict(statistics(source)), list(masked_examples(source[0][0], tokenizer))[:count]


def _task(recipe: FinetuneRecipe, talk: Talk, count: int) -> tuple[dict[str, Any], list[list[Marked]]]:
    tokenizer = load_tokenizer(recipe)
    task = open_task(recipe, talk)
    encoded = task.encode(tokenizer, list(task.splits))
    same = overlaps(encoded)
    reports = {
        name: split_report(examples, num_rows=len(task.splits[name]), labels=task.label_counts(name, examples))
        | same[name]
        for name, examples in encoded.items()
    }
    first = next(iter(encoded))
    names_of_labels = {int(number): str(name) for number, name in task.head_fields().get("id2label", {}).items()}
    examples = list(task_examples(encoded[first], tokenizer, names=names_of_labels, count=count))
    names = ("examples", "labels", "truncated_fraction", "windows_per_example", "length_histogram", "tokens")
    whole = encoded[first].pack(np.arange(len(encoded[first])), with_labels=False)
    unknown = float((whole.input_ids == tokenizer.unk_token_id).float().mean())
    numbers = {name: reports[first][name] for name in names} | {"unknown_rate": unknown}
    return {**numbers, "splits": reports}, examples


def _corpus(recipe: TokenizerRecipe) -> dict[str, Any]:
    documents = characters = 0
    for document in corpus_of(recipe.data).read():
        documents += 1
        characters += len(document.text)
    return {"documents": documents, "characters": characters}


def _show(numbers: Mapping[str, Any], examples: list[list[Marked]]) -> None:
    for name, value in numbers.items():
        if isinstance(value, Mapping) and name == "splits":
            for split, report in value.items():
                result_text(f"{split}: {_shown(report)}")
        else:
            result_text(f"{name}: {_shown(value)}")
    for example in examples:
        show_marked([Marked("example:"), *example])


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "  ".join(f"{key} {_shown(inner)}" for key, inner in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)
