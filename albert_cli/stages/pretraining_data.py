"""The text of a pretraining run: what is trained on, what is measured on, and what there is to say of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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
from albert_cli.stages.each_node import Machines, Told, agree, seed_of, share_of
from albert_cli.stages.example_law import example_law
from albert_cli.tokenization.tokenizer import AlbertTokenizer

# Examples that a held-out measurement looks at, so that it stays short beside the training.
_HELD_OUT_EXAMPLES = 8192
_HELD_OUT_BATCH = 64
_ENDLESS = 1 << 40


@dataclass(frozen=True)
class Team:
    """How a step is divided among the processes that read the same text.

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
        counts: (V,) int64, how often each piece occurs in the text.
        fingerprint: changes when the training examples do.
        text: key of the text that this process reads; the fingerprint, unless machines have texts of their own.
        epoch_size: examples of an epoch, over the phases of the run; None where nobody knows beforehand.
        totals: documents, sentences, tokens and unknown tokens; empty where nobody knows.
        origin: where the text is from, for one that is not counted.
        remarks: what should be said before training.
    """

    make_source: Callable[[int], PretrainingSource | PhasedSource | LiveSource]
    held_out: list[PackedBatch]
    counts: np.ndarray
    fingerprint: str
    text: str
    epoch_size: int | None
    totals: dict[str, int] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def unigram(self) -> torch.Tensor:
        """(V,) log-probability of each piece in the text, one added to each count."""
        smoothed = self.counts + 1.0
        return torch.from_numpy(np.log(smoothed / smoothed.sum())).float()

    @property
    def facts(self) -> dict[str, Any]:
        """For the model card and the result."""
        if not self.totals:
            return dict(self.origin)
        counted = {name: self.totals[name] for name in ("documents", "sentences", "tokens")}
        return {**counted, "unknown pieces": f"{self.totals['unknown_tokens'] / self.totals['tokens']:.4%}"}


def open_text(
    recipe: PretrainRecipe, tokenizer: AlbertTokenizer, talk: Talk, place: Machines | None = None
) -> Shards | None:
    """Token shards of a recipe's text, made now if need be; None for text that is read while training."""
    if recipe.data.order == "as_read":
        return None
    return token_shards(recipe.data, tokenizer, talk, share=share_of(recipe.data, place))


def pretraining_data(
    recipe: PretrainRecipe,
    tokenizer: AlbertTokenizer,
    shards: Shards | None,
    team: Team,
    place: Machines | None = None,
) -> PretrainingData:
    """Cut the text into what is trained on and what is measured on.

    Args:
        recipe: what to do.
        tokenizer: of the text.
        shards: from ``open_text``.
        team: how a step is divided.
        place: among machines that have texts of their own; then all processes must call this. None where all read the
            same text.
    """
    law = example_law(recipe, tokenizer)
    key = _live_key(recipe, tokenizer, place) if shards is None else shards.manifest.key
    if place is not None:
        law = replace(law, seed=seed_of(law.seed, key))
        team = replace(team, rank=place.process, world_size=place.processes)
    read = _Text(recipe, tokenizer, law, team, key, place)
    data = _live_data(read) if shards is None else _stored_data(read, shards)
    if place is None:
        return data
    speaks = place.process == 0
    counts, held_out = (data.counts, data.held_out) if speaks else (None, [])
    agreed = agree(Told(place, key, data.epoch_size, counts, held_out, data.totals))
    return replace(
        data,
        held_out=agreed.held_out,
        counts=agreed.counts,
        fingerprint=agreed.fingerprint,
        epoch_size=agreed.epoch_size,
        totals=agreed.totals,
        remarks=[agreed.remark, *data.remarks],
    )


@dataclass(frozen=True)
class _Text:
    """What this machine reads, and how: ``key`` of the text; ``place`` is None where all read the same."""

    recipe: PretrainRecipe
    tokenizer: AlbertTokenizer
    law: ExampleLaw
    team: Team
    key: str
    place: Machines | None

    def held_out(self, text: Shards | Block, documents: np.ndarray) -> list[PackedBatch]:
        """Batches to measure on; machines with texts of their own put together as many as one would have."""
        size = min(self.team.batch_size, _HELD_OUT_BATCH)
        limit = _HELD_OUT_EXAMPLES // (1 if self.place is None else self.place.count)
        return held_out_batches(text, documents, law=self.law, batch_size=size, limit=limit)


def _stored_data(read: _Text, shards: Shards) -> PretrainingData:
    recipe, manifest = read.recipe, shards.manifest
    train, kept = split_documents(shards, held_out=recipe.data.held_out, seed=recipe.seed)
    weights = source_weights(recipe)
    mixture = mix_sources(shards, train, weights)
    sources = _phases(recipe, shards, mixture, read.law, read.team)
    shares = [phase.share for phase in _schedule(recipe)]
    return PretrainingData(
        make_source=lambda steps: _source(recipe, sources, steps),
        held_out=read.held_out(shards, kept),
        counts=shards.piece_counts(train),
        fingerprint=read.key,
        text=read.key,
        epoch_size=max(1, round(1 / sum(share / s.epoch_size for share, s in zip(shares, sources, strict=True)))),
        totals={name: getattr(manifest, name) for name in ("documents", "sentences", "tokens", "unknown_tokens")},
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


def _live_key(recipe: PretrainRecipe, tokenizer: AlbertTokenizer, place: Machines | None) -> str:
    digests = FileDigests(cache_folder(recipe.data) / "files.json")
    corpora = corpora_of(recipe.data, share_of(recipe.data, place))
    key = [tokenizer.fingerprint, *(corpus.key(digests) for corpus in corpora)]
    digests.save()
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def _live_data(read: _Text) -> PretrainingData:
    recipe, team = read.recipe, read.team
    corpora = corpora_of(recipe.data, share_of(recipe.data, read.place))
    text = LiveText(corpora, read.tokenizer)
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
        held_out = read.held_out(first, first.documents)
        text.skip = first.documents_read
    remarks = [f"text: read while training, in its own order; held out: {len(held_out) and text.skip:,} documents"]
    return PretrainingData(
        make_source=lambda steps: LiveSource(text, law=read.law, max_steps=2 * steps, **team.settings()),
        held_out=held_out,
        counts=np.bincount(first.ids, minlength=read.tokenizer.vocab_size).astype(np.int64),
        fingerprint=read.key,
        text=read.key,
        epoch_size=None,
        origin={"text": ", ".join(corpus.name() for corpus in corpora), "order": "as read"},
        remarks=remarks,
    )
