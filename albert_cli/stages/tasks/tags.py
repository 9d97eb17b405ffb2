"""Tagging tasks (named entities and the like) for the stages: `protocol.Task` for sentences of tagged words.

Shapes: W words of a split, S sentences, C tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from albert_cli.data import tag_features
from albert_cli.data.conll_files import conll_text
from albert_cli.data.examples import Examples
from albert_cli.data.feature_cache import FeatureCache, kept_features
from albert_cli.data.tag_features import UNLABELLED, TagExamples, encode_tags
from albert_cli.data.tasks.ner import TagData, TagSource, load_tag_file, load_tag_records, load_tags
from albert_cli.errors import ModelError
from albert_cli.files.atomic import write_file
from albert_cli.files.text import json_line
from albert_cli.metrics.ner import SpanCounts, count_spans, macro_f1, span_intervals, span_scores
from albert_cli.metrics.tag_spans import OUTSIDE, TagTable, find_spans
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForTokenClassification
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.report.card import Score
from albert_cli.stages.tasks.facts import Classes, Comparison, Facts
from albert_cli.stages.tasks.protocol import GENERAL_SUFFIXES, Answers, Baseline, Form, Mistake, labels_of
from albert_cli.stages.tasks.tag_answers import column_file, read_saved_tags, word_baseline
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.evaluation import Evaluation
from albert_cli.training.objectives import Objective
from albert_cli.training.objectives_tags import TaggingObjective

_TAGS_SHOWN = 20
_TEXT_SHOWN = 300


@dataclass(frozen=True)
class TagAnswers(Answers):
    """A tag for every word.

    Attributes:
        predictions: (W,) int64 tag numbers, all sentences one after another.
        logits: (W, C) float32; None where predictions were read from a file.
    """

    predictions: np.ndarray
    logits: np.ndarray | None = None


@dataclass(frozen=True)
class _Sentences:
    """A split as Python lists and arrays: words and (W,) tags (-1: none), (S + 1,) offsets, ids where rows have any."""

    words: list[list[str]]
    tags: np.ndarray
    offsets: np.ndarray
    ids: list[str] | None

    @classmethod
    def of(cls, dataset: Any) -> _Sentences:
        rows = dataset[:]
        words: list[list[str]] = rows["tokens"]
        pairs = zip(words, rows["tags"], strict=True)
        tags = [tag for one, known in pairs for tag in (known if known is not None else [UNLABELLED] * len(one))]
        offsets = np.concatenate([[0], np.cumsum([len(one) for one in words])]).astype(np.int64)
        return cls(words, np.asarray(tags, dtype=np.int64), offsets, rows.get("id"))


class TagTask:
    """A tagging task with its sentences.

    Args:
        name: as in the recipe.
        data: the sentences.
        max_length: most tokens of a window.
        overlap: tokens that windows of a long sentence share.
        first: number of the first sentence.
    """

    model_class = AlbertForTokenClassification
    smaller_is_better: frozenset[str] = frozenset()
    cache: FeatureCache | None = None

    def __init__(self, name: str, data: TagData, *, max_length: int, overlap: int, first: int = 0) -> None:
        self.name = name
        self.data = data
        self.max_length = max_length
        self.overlap = overlap
        self._first = first
        self._known: dict[str, _Sentences] = {}

    @property
    def table(self) -> TagTable:
        """The tags and what they mean."""
        return self.data.table

    @property
    def splits(self) -> Mapping[str, Any]:
        """``datasets.Dataset`` by split."""
        return self.data.splits

    @property
    def dev_splits(self) -> tuple[str, ...]:
        """The dev split, if it is there."""
        return tuple(name for name in ("dev",) if name in self.splits)

    @property
    def test_splits(self) -> tuple[str, ...]:
        """The test split, if it is there."""
        return tuple(name for name in ("test",) if name in self.splits)

    @property
    def best_metric(self) -> str:
        """F1 of the spans; accuracy where tags mark none."""
        return "accuracy" if self.data.scheme == "none" else "f1"

    @property
    def notes(self) -> tuple[str, ...]:
        """What was guessed and left out, the scheme, the tags."""
        names = self.table.names
        shown = ", ".join(f"{number} = {name}" for number, name in enumerate(names[:_TAGS_SHOWN]))
        return (*self.data.notes, f"tags: {shown}{', ...' if len(names) > _TAGS_SHOWN else ''}")

    def head_fields(self) -> dict[str, Any]:
        """Config fields of the classifier of words."""
        names = self.table.names
        return {
            "num_labels": len(names),
            "id2label": dict(enumerate(names)),
            "label2id": {name: number for number, name in enumerate(names)},
        }

    def check_head(self, config: AlbertConfig, folder: Path) -> None:
        """Refuse another number of tags."""
        if config.num_labels != len(self.table.names):
            raise ModelError(
                f"{folder} answers {config.num_labels} tags, the data has {len(self.table.names)}",
                hint="use a model that was fine-tuned on these tags",
            )

    def encode(self, tokenizer: AlbertTokenizer, splits: Sequence[str]) -> dict[str, Examples]:
        """Windows of token ids of some splits."""
        return {name: self._windows(self.splits[name], tokenizer) for name in splits}

    def _windows(self, rows: Any, tokenizer: AlbertTokenizer) -> TagExamples:
        settings = {"max_length": self.max_length, "overlap": self.overlap}
        return kept_features(
            self.cache,
            TagExamples,
            rows,
            tokenizer=tokenizer,
            settings=settings,
            code=tag_features,
            build=lambda: encode_tags(rows, tokenizer, **settings),
        )

    def objective(self) -> Objective:
        """Cross-entropy of every word's tag."""
        return TaggingObjective()

    def answers(self, split: str, examples: Examples, evaluation: Evaluation) -> TagAnswers:
        """The likeliest tag of every word."""
        empty = np.empty((0, len(self.table.names)), np.float32)
        rows = [np.asarray(row, dtype=np.float32) for row in evaluation.rows.get("logits", ())]
        logits = np.concatenate([empty, *rows])
        return TagAnswers(evaluation.loss, logits.argmax(axis=-1).astype(np.int64), logits)

    def settle(self, split: str, answers: TagAnswers) -> dict[str, Any]:
        """Nothing is learnt on dev."""
        return {}

    def _split(self, split: str) -> _Sentences:
        """Words and tags of a split as lists and arrays, made once."""
        if split not in self._known:
            self._known[split] = _Sentences.of(self.splits[split])
        return self._known[split]

    def _counts(self, split: str, predictions: np.ndarray) -> SpanCounts:
        known = self._split(split)
        return count_spans(predictions, known.tags, known.offsets, self.table)

    def scores(self, split: str, answers: TagAnswers) -> dict[str, float]:
        """F1, precision and recall of spans, accuracy of words; without spans accuracy and macro F1 of the tags."""
        counts = self._counts(split, answers.predictions)
        values = span_scores(counts)
        return {"accuracy": values["accuracy"], "macro_f1": macro_f1(counts)} if self._has_no_spans else values

    @property
    def _has_no_spans(self) -> bool:
        return self.data.scheme == "none"

    def scores_with_intervals(self, split: str, answers: TagAnswers) -> list[Score]:
        """The same and those of each type, with intervals over sentences; n is spans (accuracy: words)."""
        measured = span_intervals(self._counts(split, answers.predictions))
        left_out = ("f1", "precision", "recall") if self._has_no_spans else ("macro_f1",)
        order = ("accuracy", "macro_f1") if self._has_no_spans else ("f1", "precision", "recall", "accuracy")
        names = [*order, *(name for name in measured if name not in (*order, *left_out))]
        return [
            Score(name, measured[name].value, split, measured[name].support, measured[name].low, measured[name].high)
            for name in names
        ]

    def baseline(self, split: str) -> Baseline | None:
        """Every word's most frequent tag in the training sentences, other words the most frequent tag of all."""
        if "train" not in self.splits:
            return None
        train, words = self._split("train"), self._split(split).words
        said, most_frequent = word_baseline(train.words, train.tags, words, num_tags=len(self.table.names))
        own = span_intervals(self._counts(split, said))[self.best_metric]
        always = np.full_like(said, most_frequent)
        trivial = span_scores(self._counts(split, always))[self.best_metric]
        name = (
            f"the tag that each word most often has in training [{100 * own.low:.2f}, {100 * own.high:.2f}] "
            f"(always {self.table.names[most_frequent]}: {100 * trivial:.2f})"
        )
        return Baseline(name, self.best_metric, own.value)

    def records(self, split: str, answers: TagAnswers) -> list[dict[str, Any]]:
        """``tokens``, ``prediction`` (tags), and the ``entities`` that they mark: type, first and last word, text."""
        known = self._split(split)
        offsets, ids = known.offsets, known.ids
        spans = find_spans(answers.predictions, offsets, self.table)
        first_span = np.searchsorted(spans.starts, offsets)
        records: list[dict[str, Any]] = []
        for number, words in enumerate(known.words):
            begin = int(offsets[number])
            record: dict[str, Any] = {"index": self._first + number}
            record |= {} if ids is None else {"id": ids[number]}
            record["tokens"] = words
            record["prediction"] = self._spoken(answers.predictions[begin : offsets[number + 1]])
            if not self._has_no_spans:
                record["entities"] = [
                    self._entity(words, int(spans.starts[k]) - begin, int(spans.ends[k]) - begin, int(spans.types[k]))
                    for k in range(first_span[number], first_span[number + 1])
                ]
            records.append(record)
        return records

    def _spoken(self, tags: np.ndarray) -> list[str]:
        return [self.table.names[tag] for tag in tags.tolist()]

    def _entity(self, words: Sequence[str], start: int, end: int, kind: int) -> dict[str, Any]:
        text = " ".join(words[start:end])
        return {"type": self.table.type_names[kind], "first": start, "last": end - 1, "text": text}

    def _by_sentence(self, split: str, tags: np.ndarray) -> list[list[str]]:
        """Tags by name, a list for each sentence."""
        offsets = self._split(split).offsets
        return [self._spoken(tags[offsets[row] : offsets[row + 1]]) for row in range(len(offsets) - 1)]

    def write(self, folder: Path, split: str, answers: TagAnswers) -> None:
        """Write ``<split>.jsonl``, and ``<split>.conll``: word, right tag where it is known, predicted tag."""
        lines = "".join(json_line(record) + "\n" for record in self.records(split, answers))
        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / f"{split}.jsonl", lines)
        columns = [self._by_sentence(split, answers.predictions)]
        known = self._split(split)
        if UNLABELLED not in known.tags:
            columns.insert(0, self._by_sentence(split, known.tags))
        write_file(folder / f"{split}.conll", conll_text(known.words, *columns))

    def official(self, suffix: str) -> Form | None:
        """A column file of words and predicted tags, unless the name says something else."""
        return None if suffix in (*GENERAL_SUFFIXES, ".json") else column_file

    def part(self, split: str, rows: Any, *, first: int) -> TagTask:
        """Some sentences of a split."""
        data, how = replace(self.data, splits={split: rows}), {"max_length": self.max_length, "overlap": self.overlap}
        return TagTask(self.name, data, **how, first=first)

    def saved_answers(self, split: str, path: Path) -> TagAnswers:
        """Read our JSON Lines, or a column file whose last column is predicted."""
        said = read_saved_tags(path, self._split(split).words, self.table)
        return TagAnswers(float("nan"), said)

    def facts(self, split: str, answers: TagAnswers) -> Facts:
        """Words are the decisions; a sentence is as good as the share of its tags that are right."""
        truth, lengths = self._split(split).tags, np.diff(self._split(split).offsets)
        counts = self._counts(split, answers.predictions)
        share = counts.right_words / np.maximum(lengths, 1)
        sure = None
        if answers.logits is not None:
            shares = _softmax(answers.logits)
            sure = shares[np.arange(len(truth)), answers.predictions]
        right = np.asarray(answers.predictions == truth)
        classes = Classes(self.table.names, truth, answers.predictions)
        return Facts(lengths, share, "accuracy", sure, None if sure is None else right, classes)

    def comparison(self, split: str, answers: TagAnswers) -> Comparison:
        """Lists of tags, as seqeval takes them."""
        said, true = (self._by_sentence(split, tags) for tags in (answers.predictions, self._split(split).tags))
        return Comparison(() if self._has_no_spans else ("span_f1",), said, true)

    def worst(self, split: str, answers: TagAnswers, limit: int) -> list[Mistake]:
        """Sentences with wrong tags, by their loss."""
        known = self._split(split)
        truth, offsets, words = known.tags, known.offsets, known.words
        wrong = (answers.predictions != truth).astype(np.float64)
        losses = wrong
        if answers.logits is not None:
            losses = -np.log(np.maximum(_softmax(answers.logits)[np.arange(len(truth)), truth], 1e-12))
        sums = np.concatenate([[0.0], np.cumsum(losses)])
        by_sentence = sums[offsets[1:]] - sums[offsets[:-1]]
        mistaken = np.unique(np.searchsorted(offsets, np.flatnonzero(wrong), side="right") - 1)
        order = mistaken[np.argsort(-by_sentence[mistaken], kind="stable")][:limit]
        said, true = self._by_sentence(split, answers.predictions), self._by_sentence(split, truth)
        return [
            Mistake(
                int(row),
                float(by_sentence[row]),
                _marked(words[row], said[row]),
                _marked(words[row], true[row]),
                _short(" ".join(words[row])),
            )
            for row in order
        ]

    def label_counts(self, split: str, examples: Examples) -> dict[str, Any]:
        """Words by tag."""
        assert isinstance(examples, TagExamples)
        labels = examples.labels[examples.labels != UNLABELLED]
        counts = np.bincount(labels, minlength=len(self.table.names))
        return {name: int(count) for name, count in zip(self.table.names, counts, strict=True)}


def _softmax(logits: np.ndarray) -> np.ndarray:
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _marked(words: Sequence[str], tags: Sequence[str]) -> str:
    """The words that have a tag, with it."""
    return _short(" ".join(f"{word}/{tag}" for word, tag in zip(words, tags, strict=True) if tag != OUTSIDE) or "-")


def _short(text: str) -> str:
    return text if len(text) <= _TEXT_SHOWN else text[: _TEXT_SHOWN - 3] + "..."


def read(recipe: FinetuneRecipe, config: AlbertConfig | None) -> TagTask:
    """Load the sentences that a recipe names.

    Raises:
        DataError: they cannot be read or are not what the task takes.
    """
    data = recipe.data
    loaded = load_tags(
        _source(recipe),
        path=data.path,
        dataset=data.dataset,
        config=data.config,
        revision=data.revision,
        split={name: value for name, value in data.split.model_dump().items() if value is not None},
        limit=data.limit,
        tag_names=None if config is None else _tag_names(config),
    )
    return _task(recipe, loaded, config)


def read_input(recipe: FinetuneRecipe, path: Path, config: AlbertConfig) -> TagTask:
    """Load one file to predict."""
    names = labels_of(config, None)
    return _task(recipe, load_tag_file(_source(recipe), path, tag_names=names, limit=recipe.data.limit), config)


def from_records(recipe: FinetuneRecipe, records: Sequence[Mapping[str, Any]], config: AlbertConfig) -> TagTask:
    """Sentences of JSON objects: ``tokens``."""
    return _task(recipe, load_tag_records(_source(recipe), records, tag_names=labels_of(config, None)), config)


def _task(recipe: FinetuneRecipe, data: TagData, config: AlbertConfig | None) -> TagTask:
    wanted = recipe.data.max_length
    length = wanted if config is None else min(wanted, config.max_position_embeddings)
    return TagTask(recipe.task, data, max_length=length, overlap=recipe.tagging.overlap)


def _source(recipe: FinetuneRecipe) -> TagSource:
    named = recipe.data.columns.model_dump()
    tagging = recipe.tagging
    return TagSource(
        columns={role: named[role] for role in ("tokens", "tags", "id") if named[role] is not None},
        scheme=tagging.scheme,
        learn_as=tagging.learn_as,
        word_column=tagging.word_column,
        tag_column=tagging.tag_column,
    )


def _tag_names(config: AlbertConfig) -> tuple[str, ...] | None:
    """A trained model's tags; None where it never learnt names: the data's are taken, if they are as many."""
    names = labels_of(config, None)
    return None if all(name == f"LABEL_{number}" for number, name in enumerate(names)) else names
