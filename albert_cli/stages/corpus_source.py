"""From the ``data`` section of a pretraining recipe to token shards. Without torch: preparing text needs none."""

from __future__ import annotations

import os
from pathlib import Path

from albert_cli.data.corpus import Corpus
from albert_cli.data.prepare import prepare_shards
from albert_cli.data.sentences import Splitter
from albert_cli.data.shards import Shards
from albert_cli.data.text_share import WHOLE, Share
from albert_cli.files.cache import user_cache
from albert_cli.recipe.pretraining import CorpusData, CorpusSource, CorpusText
from albert_cli.report.console import Talk
from albert_cli.report.progress import Progress
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.launch import local_rank

# Processes that encode, unless a recipe says otherwise; more gain little, as one process reads for all.
_MOST_WORKERS = 8


def corpus_of(data: CorpusText) -> Corpus:
    """The stream of documents that a section names."""
    return _corpus(data, sentences=data.sentences, language=data.language)


def corpora_of(data: CorpusData, share: Share = WHOLE) -> list[Corpus]:
    """The sources of a pretraining recipe, one after another; of each the share that is to be read."""
    if data.sources is None:
        return [_corpus(data, sentences=data.sentences, language=data.language, share=share)]
    return [
        _corpus(source, sentences=data.sentences, language=source.language or data.language, share=share)
        for source in data.sources
    ]


def _corpus(data: CorpusText | CorpusSource, *, sentences: Splitter, language: str, share: Share = WHOLE) -> Corpus:
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
        sentences=sentences,
        language=language,
        share=share,
    )


def usable_workers(data: CorpusData) -> int:
    """Processes that turn text into ids: the recipe's, else one for each core that this process may use."""
    if data.workers is not None:
        return data.workers
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_WORKERS)


def cache_folder(data: CorpusData) -> Path:
    """Where prepared token shards are kept: the recipe's, $ALBERT_CACHE, or the user's cache folder."""
    if data.cache is not None:
        return Path(data.cache)
    return user_cache("shards")


def token_shards(data: CorpusData, tokenizer: AlbertTokenizer, talk: Talk, *, share: Share = WHOLE) -> Shards:
    """Token ids of a corpus, or of one machine's share of it, taken from the cache or made now.

    Raises:
        DataError: the text cannot be read, or there is none.
    """
    with Progress(talk, total=None, unit="character") as progress:
        shards = prepare_shards(
            corpora_of(data, share),
            tokenizer,
            cache_dir=cache_folder(data),
            duplicates=data.duplicates,
            workers=usable_workers(data),
            on_progress=progress.update,
            verify=local_rank() == 0,  # the others of this machine read the same files
            warn=talk.warn,
        )
    facts = shards.manifest
    talk.say(
        f"corpus: {facts.documents:,} documents, {facts.sentences:,} sentences, {facts.tokens:,} tokens, "
        f"unknown {facts.unknown_rate:.4%}, documents of one sentence {facts.single_sentence_share:.1%}"
    )
    if facts.duplicate_documents:
        talk.say(f"left out as {facts.duplicates} duplicates: {facts.duplicate_documents:,} documents")
    if facts.invalid_bytes:
        talk.warn(f"{facts.invalid_bytes:,} byte sequences are not UTF-8 or NUL, and were replaced")
    if facts.documents == 1 and data.documents == "auto":
        talk.warn("the whole text is one document; if blank lines part documents, set data.documents=blank_line")
    if facts.unknown_rate > 0.05:
        talk.warn(
            f"{facts.unknown_rate:.1%} of the tokens are unknown to the tokenizer: "
            "was it made for this language and case?"
        )
    return shards
