"""How soon after the model is the first batch there? ``python tests/smoke/first_batch.py RECIPE key=value ...``.

Goes the way of `albert finetune`: rows, model, encoded splits from the cache (fill it with a first run), first batch.
"""

from __future__ import annotations

import itertools
import sys
import time

from albert_cli.data.finetuning import FinetuneSource
from albert_cli.recipe.load import load_recipe
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.report.console import Talk
from albert_cli.stages.assemble import build_model
from albert_cli.stages.tasks.open import open_task
from albert_cli.stages.tokenizers import load_tokenizer


def main(name: str, overrides: list[str]) -> int:
    """Print the seconds of each part."""
    recipe = load_recipe(name, overrides=overrides, shortcuts={}, stage="finetune").recipe
    assert isinstance(recipe, FinetuneRecipe)
    with Talk(quiet=True) as talk:
        times = {"start": time.monotonic()}
        tokenizer = load_tokenizer(recipe)
        times["tokenizer"] = time.monotonic()
        task = open_task(recipe, talk)
        times["rows"] = time.monotonic()
        build_model(recipe, task.model_class, tokenizer=tokenizer, labels=task.head_fields())
        times["model"] = time.monotonic()
        encoded = task.encode(tokenizer, list(task.splits))
        times["encoded splits"] = time.monotonic()
        source = FinetuneSource(encoded["train"], recipe.train.batch_size, seed=recipe.seed, max_steps=1)
        tokens = sum(batch.num_tokens for batch in source[0])
        times["first batch"] = time.monotonic()
    names = list(times)
    for before, after in itertools.pairwise(names):
        print(f"{after}\t{times[after] - times[before]:.2f} s")
    print(f"after the model\t{times['first batch'] - times['model']:.2f} s  ({tokens:,} tokens in the batch)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
