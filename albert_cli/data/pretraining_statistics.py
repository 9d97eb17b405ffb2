"""What pretraining will see, in numbers: read before hours are spent on it (`albert data inspect`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from albert_cli.data.pretraining import Packed, PretrainingSource, mask_packed, slice_packed
from albert_cli.data.segments import InstancePlan

_AT_ONCE = 512


@dataclass(frozen=True)
class PretrainingStatistics:
    """Counts of the corpus and laws of a sample of examples.

    Attributes:
        documents: of the whole corpus, held-out ones included.
        sentences: of the whole corpus.
        tokens: of the whole corpus.
        unknown_rate: share of <unk> among them.
        single_sentence_documents: documents of one sentence.
        examples: examples in the first epoch.
        sampled: examples that the numbers below are of.
        length_histogram: examples by length in tokens.
        mask_rate: share of tokens to predict, special tokens counted among the tokens.
        replaced: what the model sees at predicted places: shares of ``mask``, ``random`` and ``kept``.
        ngram_histogram: chosen spans by number of words.
        swapped_fraction: share of examples labelled 1; 0 where there is no such task.
        single_segment_fraction: share of examples cut out of a single sentence.
        dropped: chunks of the first epoch too short for two segments.
    """

    documents: int
    sentences: int
    tokens: int
    unknown_rate: float
    single_sentence_documents: int
    examples: int
    sampled: int
    length_histogram: dict[int, int]
    mask_rate: float
    replaced: dict[str, float]
    ngram_histogram: dict[int, int]
    swapped_fraction: float
    single_segment_fraction: float
    dropped: int


def statistics(source: PretrainingSource, count: int = 2000) -> PretrainingStatistics:
    """Look at the first examples of the shuffled stream.

    Args:
        source: of the run.
        count: examples to look at; not more than an epoch has.
    """
    plan = source.plan(0)
    examples = source.take(0, max(min(count, len(plan)), 1))
    hidden, kept, shown = 0, 0, 0
    ngrams = np.zeros(source.law.masking.ngram + 1, dtype=np.int64)
    for start in range(0, len(examples.lengths), _AT_ONCE):
        part = slice_packed(examples, start, start + _AT_ONCE)
        masked, spans = mask_packed(part, source.law)
        hidden += len(masked.positions)
        shown += int(masked.shown_as_mask.sum())
        kept += int((masked.input_ids[masked.positions] == masked.labels)[~masked.shown_as_mask].sum())
        ngrams += np.bincount(spans.taken, minlength=len(ngrams))
    return _report(source, plan, examples, ngrams, hidden=hidden, shown=shown, kept=kept)


def effective_mask_rate(source: PretrainingSource, count: int = 512) -> float:
    """Share of the tokens that is predicted, special tokens counted, in the first examples of the shuffled stream."""
    examples = source.take(0, min(count, source.epoch_size))
    masked, _ = mask_packed(examples, source.law)
    return len(masked.positions) / int(examples.lengths.sum())


def _report(
    source: PretrainingSource,
    plan: InstancePlan,
    examples: Packed,
    ngrams: np.ndarray,
    *,
    hidden: int,
    shown: int,
    kept: int,
) -> PretrainingStatistics:
    manifest = source.shards.manifest
    lengths, counts = np.unique(examples.lengths, return_counts=True)
    return PretrainingStatistics(
        documents=manifest.documents,
        sentences=manifest.sentences,
        tokens=manifest.tokens,
        unknown_rate=manifest.unknown_rate,
        single_sentence_documents=manifest.single_sentence_documents,
        examples=len(plan),
        sampled=len(examples.lengths),
        length_histogram=dict(zip(lengths.tolist(), counts.tolist(), strict=True)),
        mask_rate=hidden / int(examples.lengths.sum()),
        replaced={
            "mask": shown / hidden,
            "random": (hidden - shown - kept) / hidden,
            "kept": kept / hidden,
        },
        ngram_histogram={size: int(ngrams[size]) for size in range(1, len(ngrams))},
        swapped_fraction=float(examples.labels.mean()),
        single_segment_fraction=float(examples.single.mean()),
        dropped=plan.dropped,
    )
