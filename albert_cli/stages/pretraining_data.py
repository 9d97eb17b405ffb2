"""The text of a pretraining run: what is trained on, what is measured on, and what there is to say of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from albert_cli.data.batching import PackedBatch
from albert_cli.data.file_digests import FileDigests
from albert_cli.data.held_out import split_documents
from albert_cli.data.live import Block, LiveSource, LiveText
from albert_cli.data.mixture import Mixture, mix_sources
from albert_cli.data.phases import Phase, PhasedSource, first_steps, phase_laws
from albert_cli.data.pretraining import ExampleLaw, PretrainingSource, held_out_batches
from albert_cli.data.pretraining_statistics import effective_mask_rate
from albert_cli.data.shards import Shards
from albert_cli.errors import DataError
from albert_cli.recipe.schema import PretrainRecipe
from albert_cli.report.console import Talk
from albert_cli.stages.corpus_source import cache_folder, corpora_of, token_shards
from albert_cli.stages.example_law import example_law
from albert_cli.tokenization.tokenizer import AlbertTokenizer

# Examples that a held-out measurement looks at, so that it stays short beside the training.
_HELD_OUT_EXAMPLES = 8192
_HELD_OUT_BATCH = 64
_ENDLESS = 1 << 40


@dataclass(frozen=True)
class Team:
    """How a step is divided.

    Attributes:
        batch_size: examples of a micro-batch.
        accumulate: micro-batches of a step on each process.
        rank: number of this process.
        world_size: processes.
    """

    batch_size: int
    accumulate: int
    rank: int
    world_size: int

    def settings(self) -> dict[str, int]:
        """As the sources take them."""
        return dict(vars(self))


@dataclass(frozen=True)
class PretrainingData:
    """The text of a run.

    Attributes:
        make_source: training batches of this process for a number of steps.
        held_out: batches to measure on; empty when nothing is held out.
        unigram: (V,) log-probability of each piece in the text, one added to each count.
        fingerprint: changes when the training examples do.
        epoch_size: examples of an epoch, over the phases of the run; None where nobody knows beforehand.
        facts: for the model card and the result.
        remarks: what should be said before training.
    """

    make_source: Callable[[int], PretrainingSource | PhasedSource | LiveSource]
    held_out: list[PackedBatch]
    unigram: torch.Tensor
    fingerprint: str
    epoch_size: int | None
    facts: Mapping[str, Any]
    remarks: list[str] = field(default_factory=list)


def open_text(recipe: PretrainRecipe, tokenizer: AlbertTokenizer, talk: Talk) -> Shards | None:
    """Token shards of a recipe's text, made now if need be; None for text that is read while training."""
    return None if recipe.data.order == "as_read" else token_shards(recipe.data, tokenizer, talk)


def pretraining_data(
    recipe: PretrainRecipe, tokenizer: AlbertTokenizer, shards: Shards | None, team: Team
) -> PretrainingData:
    """Cut the text into what is trained on and what is measured on.

    Args:
        recipe: what to do.
        tokenizer: of the text.
        shards: from ``open_text``.
        team: how a step is divided.
    """
    law = example_law(recipe, tokenizer)
    if shards is None:
        return _live_data(recipe, tokenizer, law, team)
    train, kept = split_documents(shards, held_out=recipe.data.held_out, seed=recipe.seed)
    weights = source_weights(recipe)
    mixture = mix_sources(shards, train, weights)
    sources = _phases(recipe, shards, mixture, law, team)
    shares = [phase.share for phase in _schedule(recipe)]
    manifest = shards.manifest
    return PretrainingData(
        make_source=lambda steps: _source(recipe, sources, steps),
        held_out=_held_out(shards, kept, law, team),
        unigram=_unigram(shards.piece_counts(train)),
        fingerprint=manifest.key,
        epoch_size=max(1, round(1 / sum(share / s.epoch_size for share, s in zip(shares, sources, strict=True)))),
        facts={"documents": manifest.documents, "sentences": manifest.sentences, "tokens": manifest.tokens}
        | {"unknown pieces": f"{manifest.unknown_rate:.4%}"},
        remarks=[*_mask_remarks(recipe, sources), *_mixture_remarks(shards, mixture, weights)],
    )


def source_weights(recipe: PretrainRecipe) -> list[float] | None:
    """Weight of each source; None where every document is seen once."""
    if recipe.data.sources is None or recipe.data.sources[0].weight is None:
        return None
    return [source.weight or 0.0 for source in recipe.data.sources]


def _schedule(recipe: PretrainRecipe) -> list[Phase]:
    if recipe.data.length_schedule is None:
        return [Phase(recipe.data.max_length, 1.0)]
    return [Phase(phase.length, phase.share) for phase in recipe.data.length_schedule]


def _phases(
    recipe: PretrainRecipe, shards: Shards, mixture: Mixture, law: ExampleLaw, team: Team
) -> list[PretrainingSource]:
    laws = phase_laws(law, _schedule(recipe))
    return [PretrainingSource(shards, mixture, law=each, max_steps=_ENDLESS, **team.settings()) for each in laws]


def _source(recipe: PretrainRecipe, sources: list[PretrainingSource], steps: int) -> PretrainingSource | PhasedSource:
    """The batches of a run; twice as many as it has steps, as some may have to be left out."""
    if len(sources) > 1:
        return PhasedSource(sources, first_steps(_schedule(recipe), steps), max_steps=2 * steps)
    sources[0].max_steps = 2 * steps
    return sources[0]


def _held_out(text: Shards | Block, documents: np.ndarray, law: ExampleLaw, team: Team) -> list[PackedBatch]:
    size = min(team.batch_size, _HELD_OUT_BATCH)
    return held_out_batches(text, documents, law=law, batch_size=size, limit=_HELD_OUT_EXAMPLES)


def _unigram(counts: np.ndarray) -> torch.Tensor:
    smoothed = counts + 1.0
    return torch.from_numpy(np.log(smoothed / smoothed.sum())).float()


def _mask_remarks(recipe: PretrainRecipe, sources: list[PretrainingSource]) -> list[str]:
    most = recipe.objective.max_predictions
    bound = f", at most {most} in a sequence" if most is not None else ""
    rates = [f"{effective_mask_rate(source):.1%} of the tokens at length {source.law.max_length}" for source in sources]
    return [f"masks: {', '.join(rates)}{bound}"]


def _mixture_remarks(shards: Shards, mixture: Mixture, weights: list[float] | None) -> list[str]:
    if weights is None or mixture.rates is None:
        return []
    ends = np.cumsum([source["documents"] for source in shards.manifest.sources])
    number = np.searchsorted(shards.document_offsets, mixture.documents[:, 0], side="right") - 1
    owner = np.searchsorted(ends, number, side="right")
    remarks = []
    for place, source in enumerate(shards.manifest.sources):
        rates = mixture.rates[owner == place]
        seen = f"{rates[0]:.3g} times in an epoch" if len(rates) else "no document is left to train on"
        remarks.append(f"source {source['name']}: {weights[place] / sum(weights):.1%} of the text, {seen}")
    return remarks


def _live_data(recipe: PretrainRecipe, tokenizer: AlbertTokenizer, law: ExampleLaw, team: Team) -> PretrainingData:
    corpora = corpora_of(recipe.data)
    digests = FileDigests(cache_folder(recipe.data) / "files.json")
    key = [tokenizer.fingerprint, *(corpus.key(digests) for corpus in corpora)]
    digests.save()
    text = LiveText(corpora, tokenizer)
    blocks = text.blocks(text.start())
    first = next(blocks, None)
    if first is None or not len(first.documents):
        raise DataError("the text begins with nothing that the tokenizer gives ids for", hint="check data.path")
    held_out: list[PackedBatch] = []
    if recipe.data.held_out:
        if next(blocks, None) is None:
            raise DataError(
                "the text is too short to be read while training with a part held out",
                hint="--set data.order=shuffled, or --set data.held_out=0",
            )
        held_out = _held_out(first, first.documents, law, team)
        text.skip = first.documents_read
    counts = np.bincount(first.ids, minlength=tokenizer.vocab_size).astype(np.int64)
    remarks = [f"text: read while training, in its own order; held out: {len(held_out) and text.skip:,} documents"]
    return PretrainingData(
        make_source=lambda steps: LiveSource(text, law=law, max_steps=2 * steps, **team.settings()),
        held_out=held_out,
        unigram=_unigram(counts),
        fingerprint=hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest(),
        epoch_size=None,
        facts={"text": ", ".join(corpus.name() for corpus in corpora), "order": "as read"},
        remarks=remarks,
    )
