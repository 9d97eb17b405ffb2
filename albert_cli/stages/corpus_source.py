"""From the ``data`` and ``objective`` sections of a pretraining recipe to examples: corpus, shards, masking law."""

from __future__ import annotations

from pathlib import Path

from albert_cli.data.corpus import Corpus
from albert_cli.data.pretraining import ExampleLaw
from albert_cli.data.prepare import prepare_shards
from albert_cli.data.shards import Shards
from albert_cli.data.spans import MaskingLaw
from albert_cli.data.words import piece_kinds
from albert_cli.files.cache import user_cache
from albert_cli.recipe.schema import PretrainRecipe
from albert_cli.recipe.sections import CorpusData, CorpusText
from albert_cli.report.console import Talk
from albert_cli.report.progress import Progress
from albert_cli.tokenization.tokenizer import AlbertTokenizer


def corpus_of(data: CorpusText) -> Corpus:
    """The stream of documents that a recipe names."""
    path = tuple(data.path) if isinstance(data.path, list) else data.path
    return Corpus(
        path=path,
        dataset=data.dataset,
        config=data.config,
        revision=data.revision,
        split=data.split,
        column=data.columns.text,
        limit=data.limit,
        documents=data.documents,
        sentences=data.sentences,
    )


def cache_folder(data: CorpusData) -> Path:
    """Where prepared token shards are kept: the recipe's, $ALBERT_CACHE, or the user's cache folder."""
    if data.cache is not None:
        return Path(data.cache)
    return user_cache("shards")


def token_shards(data: CorpusData, tokenizer: AlbertTokenizer, talk: Talk) -> Shards:
    """Token ids of a corpus, taken from the cache or made now.

    Raises:
        DataError: the text cannot be read, or there is none.
    """
    with Progress(talk, total=None, unit="character") as progress:
        shards = prepare_shards(
            corpus_of(data),
            tokenizer,
            cache_dir=cache_folder(data),
            language=data.language,
            on_progress=progress.update,
        )
    facts = shards.manifest
    talk.say(
        f"corpus: {facts.documents:,} documents, {facts.sentences:,} sentences, {facts.tokens:,} tokens, "
        f"unknown {facts.unknown_rate:.4%}"
    )
    if facts.documents == 1 and data.documents == "auto":
        talk.warn("the whole text is one document; if blank lines part documents, set data.documents=blank_line")
    if facts.unknown_rate > 0.05:
        talk.warn(
            f"{facts.unknown_rate:.1%} of the tokens are unknown to the tokenizer: "
            "was it made for this language and case?"
        )
    return shards


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
    )
