"""From the ``objective`` section of a pretraining recipe to the law of its examples."""

from __future__ import annotations

from albert_cli.data.pretraining import ExampleLaw
from albert_cli.data.spans import MaskingLaw
from albert_cli.data.words import piece_kinds
from albert_cli.recipe.schema import PretrainRecipe
from albert_cli.tokenization.tokenizer import AlbertTokenizer


def example_law(recipe: PretrainRecipe, tokenizer: AlbertTokenizer) -> ExampleLaw:
    """How text becomes examples, from the recipe's objective."""
    objective = recipe.objective
    return ExampleLaw(
        kinds=piece_kinds(tokenizer, objective.whole_word),
        masking=MaskingLaw(
            ngram=objective.ngram,
            preference=objective.ngram_preference,
            mask_rate=objective.mask_rate,
            max_predictions=objective.max_predictions,
            cross_segments=objective.cross_segments,
            random_specials=objective.random_specials,
        ),
        sentence=objective.sentence,
        max_length=recipe.data.max_length,
        short_seq_prob=objective.short_seq_prob,
        seed=recipe.seed,
        dupe_factor=objective.dupe_factor,
    )
