"""Texts and pairs of texts with a class, a number, or any number of classes: GLUE, own tables, python-docs.

Shapes: N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from albert_cli.data import features
from albert_cli.data.examples import Examples
from albert_cli.data.feature_cache import FeatureCache, kept_features
from albert_cli.data.features import EncodedTask, encode_task
from albert_cli.data.label_report import count_labels
from albert_cli.data.tasks.catalogue import find_task
from albert_cli.data.tasks.glue import write_submission
from albert_cli.data.tasks.load import TaskData, load_records, load_rows, load_task
from albert_cli.data.tasks.predictions import (
    prediction_rows,
    predictions_lines,
    read_class_scores,
    read_predictions,
    references,
    write_predictions,
)
from albert_cli.data.tasks.spec import TaskSpec, metric_suffix
from albert_cli.errors import ModelError
from albert_cli.metrics.glue import METRICS, SMALLER_IS_BETTER, TASK_METRICS, compute_metrics
from albert_cli.metrics.stats import bootstrap_interval, majority_share
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForSequenceClassification
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.report.card import Score
from albert_cli.stages.tasks.facts import Comparison, Facts
from albert_cli.stages.tasks.protocol import (
    GENERAL_SUFFIXES,
    Answers,
    Baseline,
    Form,
    Mistake,
    Records,
    labels_of,
)
from albert_cli.stages.tasks.text_facts import logits_of, text_facts, word_baseline
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.evaluation import Evaluation
from albert_cli.training.objectives import ClassificationObjective, Objective

_LABELS_SHOWN = 20
_TEXT_SHOWN = 300


@dataclass(frozen=True)
class TextAnswers(Answers):
    """Answers to texts.

    Attributes:
        predictions: classification (N,) class numbers; regression (N,) scores; multi-label (N, C) of 0 and 1.
        logits: (N, C) float32, in the order of the rows; None where predictions were read from a file.
    """

    predictions: np.ndarray
    logits: np.ndarray | None = None


class TextTask:
    """A text task with its rows (a `protocol.Task`).

    Args:
        data: the rows.
        max_length: most tokens of a row; the rest is cut.
        threads: that encoding may take; None means every core.
    """

    model_class = AlbertForSequenceClassification
    smaller_is_better = SMALLER_IS_BETTER

    cache: FeatureCache | None = None

    def __init__(self, data: TaskData, *, max_length: int, threads: int | None = None) -> None:
        self.data = data
        self.max_length = max_length
        self.threads = threads

    @property
    def spec(self) -> TaskSpec:
        """What is known of the task."""
        return self.data.spec

    @property
    def name(self) -> str:
        """As in the recipe."""
        return self.spec.name

    @property
    def splits(self) -> Mapping[str, Any]:
        """``datasets.Dataset`` by split."""
        return self.data.splits

    @property
    def dev_splits(self) -> tuple[str, ...]:
        """Dev splits that are there."""
        return tuple(name for name in self.spec.dev_splits if name in self.splits)

    @property
    def test_splits(self) -> tuple[str, ...]:
        """Test splits that are there."""
        return tuple(name for name in self.spec.test_splits if name in self.splits)

    @property
    def best_metric(self) -> str:
        """Score that chooses the best checkpoint."""
        return self.spec.best_metric

    @property
    def notes(self) -> tuple[str, ...]:
        """What was guessed, left out and found."""
        columns = [f"columns of {split}: {taken}" for split, taken in list(self.data.columns.items())[:1]]
        return (*self.data.notes, *columns, *self._label_note())

    def _label_note(self) -> list[str]:
        names = self.data.label_names
        if not names:
            return []
        shown = ", ".join(f"{number} = {name}" for number, name in enumerate(names[:_LABELS_SHOWN]))
        return [f"labels: {shown}{', ...' if len(names) > _LABELS_SHOWN else ''}"]

    def head_fields(self) -> dict[str, Any]:
        """Config fields of the classifier."""
        names = self.data.label_names or ("LABEL_0",)
        return {
            "num_labels": self.data.num_labels,
            "id2label": dict(enumerate(names)),
            "label2id": {name: number for number, name in enumerate(names)},
            "problem_type": self.spec.problem_type,
        }

    def check_head(self, config: AlbertConfig, folder: Path) -> None:
        """Refuse another number of classes or another kind of problem."""
        wanted = self.head_fields()
        kind = config.problem_type or wanted["problem_type"]
        if config.num_labels != wanted["num_labels"] or kind != wanted["problem_type"]:
            raise ModelError(
                f"{folder} answers {config.num_labels} classes ({kind}), "
                f"{self.name} asks for {wanted['num_labels']} ({wanted['problem_type']})",
                hint="use a model that was fine-tuned on this task",
            )

    def encode(self, tokenizer: AlbertTokenizer, splits: Sequence[str]) -> dict[str, Examples]:
        """Token ids of some splits."""
        return {name: self._encoded(self.splits[name], tokenizer) for name in splits}

    def _encoded(self, rows: Any, tokenizer: AlbertTokenizer) -> EncodedTask:
        return kept_features(
            self.cache,
            EncodedTask,
            rows,
            tokenizer=tokenizer,
            settings={"max_length": self.max_length},
            code=features,
            build=lambda: encode_task(rows, tokenizer, max_length=self.max_length, threads=self.threads),
        )

    def objective(self) -> Objective:
        """Cross-entropy, squared error, or a binary cross-entropy for each class."""
        return ClassificationObjective(self.spec.problem_type)

    def answers(self, split: str, examples: Examples, evaluation: Evaluation) -> TextAnswers:
        """One answer for each row."""
        logits = np.asarray(evaluation.rows["logits"], dtype=np.float32).reshape(len(examples), -1)
        return TextAnswers(evaluation.loss, decide(self.spec, logits), logits)

    def settle(self, split: str, answers: TextAnswers) -> dict[str, Any]:
        """Nothing is learnt on dev."""
        return {}

    def _labels(self, split: str) -> np.ndarray:
        return references(self.splits[split], spec=self.spec)

    def scores(self, split: str, answers: TextAnswers) -> dict[str, float]:
        """Official scores; those of MNLI's mismatched set end in ``_mm``."""
        suffix = metric_suffix(self.spec, split)
        values = compute_metrics(self.name, answers.predictions, self._labels(split))
        return {name + suffix: value for name, value in values.items()}

    def scores_with_intervals(self, split: str, answers: TextAnswers) -> list[Score]:
        """Every score with its interval; a mean of scores has none."""
        labels, suffix = self._labels(split), metric_suffix(self.spec, split)
        measured = (*TASK_METRICS[self.name].official, *TASK_METRICS[self.name].extra)
        found = []
        for name, value in self.scores(split, answers).items():
            plain = name.removesuffix(suffix) if suffix else name
            is_share = plain not in SMALLER_IS_BETTER
            if plain not in measured:
                found.append(Score(name, value, split, len(labels), is_share=is_share))
                continue
            interval = bootstrap_interval(METRICS[plain], answers.predictions, labels)
            found.append(Score(name, value, split, len(labels), interval.low, interval.high, is_share))
        return found

    def baseline(self, split: str) -> Baseline | None:
        """Accuracy of always naming the most frequent class."""
        if self.spec.kind != "classification":
            return None
        return Baseline("always the most frequent class", "accuracy", majority_share(self._labels(split)))

    def word_baseline(self, split: str) -> Baseline | None:
        """Naive Bayes on words, or the similarity of the words of both texts."""
        return word_baseline(self.spec, self.splits.get("train"), self.splits[split])

    def records(self, split: str, answers: TextAnswers) -> list[dict[str, Any]]:
        """``prediction`` by name and ``scores`` of the classes."""
        scores = None if answers.logits is None else class_scores(self.spec, answers.logits)
        return prediction_rows(
            self.splits[split], answers.predictions, spec=self.spec, label_names=self.data.label_names, scores=scores
        )

    def write(self, folder: Path, split: str, answers: TextAnswers) -> None:
        """Write ``<split>.jsonl`` and, for an official test split, the leaderboard's file beside it."""
        write_predictions(self.records(split, answers), folder / f"{split}.jsonl")
        if split in self.spec.submission_files:
            write_submission(self.spec, self.splits[split][:]["idx"], answers.predictions, folder, split=split)

    def official(self, suffix: str) -> Form | None:
        """The benchmark's table for a GLUE task, unless the name says something else; else a table for .tsv."""
        if self.spec.is_official and suffix not in GENERAL_SUFFIXES:
            return official_lines
        return predictions_lines if suffix == ".tsv" else None

    def part(self, split: str, rows: Any, *, first: int) -> TextTask:
        """Some rows of a split; they know their numbers."""
        data = replace(self.data, splits={split: rows})
        return TextTask(data, max_length=self.max_length, threads=self.threads)

    def saved_answers(self, split: str, path: Path) -> TextAnswers:
        """Read predictions that we or the leaderboard's form wrote."""
        rows = self.splits[split]
        said = read_predictions(path, rows, spec=self.spec, label_names=self.data.label_names)
        shares = read_class_scores(path, rows, label_names=self.data.label_names)
        return TextAnswers(float("nan"), said, None if shares is None else logits_of(self.spec, shares))

    def facts(self, split: str, answers: TextAnswers) -> Facts:
        """Lengths, confidence and confusions."""
        shares = None if answers.logits is None else class_scores(self.spec, answers.logits)
        return text_facts(self.spec, self.splits[split], self._labels(split), answers.predictions, shares)

    def comparison(self, split: str, answers: TextAnswers) -> Comparison:
        """Class numbers, scores, or rows of 0 and 1."""
        chosen = TASK_METRICS[self.name]
        suffix = metric_suffix(self.spec, split)
        said, true = answers.predictions.tolist(), self._labels(split).tolist()
        return Comparison((*chosen.official, *chosen.extra), said, true, suffix)

    def worst(self, split: str, answers: TextAnswers, limit: int) -> list[Mistake]:
        """Rows answered wrongly (numbers: farthest off), by their loss."""
        rows, labels = self.splits[split], self._labels(split)
        losses = row_losses(self.spec, answers, labels)
        wrong = losses > 0 if self.spec.kind == "regression" else _differ(answers.predictions, labels)
        order = [int(row) for row in np.argsort(-losses, kind="stable") if wrong[row]][:limit]
        said = prediction_rows(rows, answers.predictions, spec=self.spec, label_names=self.data.label_names)
        truth = prediction_rows(rows, labels, spec=self.spec, label_names=self.data.label_names)
        return [
            Mistake(
                row,
                float(losses[row]),
                _words(said[row]["prediction"]),
                _words(truth[row]["prediction"]),
                _text(rows[row]),
            )
            for row in order
        ]

    def label_counts(self, split: str, examples: Examples) -> dict[str, Any]:
        """Rows of each class, or range and mean of the numbers."""
        assert isinstance(examples, EncodedTask)
        return count_labels(examples.labels, self.data.label_names)


def read(recipe: FinetuneRecipe, config: AlbertConfig | None) -> TextTask:
    """Load the rows that a recipe names.

    Raises:
        DataError: they cannot be read or are not what the task takes.
    """
    data, spec = recipe.data, find_task(recipe.task)
    loaded = load_task(
        recipe.task,
        path=data.path,
        dataset=data.dataset,
        config=data.config,
        revision=data.revision,
        split={name: value for name, value in data.split.model_dump().items() if value is not None},
        columns=_columns(recipe),
        limit=data.limit,
        label_names=_label_names(spec, config) or None,
    )
    return TextTask(loaded, max_length=_max_length(recipe, config), threads=recipe.runtime.threads)


def read_input(recipe: FinetuneRecipe, path: Path, config: AlbertConfig) -> TextTask:
    """Load one file to predict."""
    names = _label_names(find_task(recipe.task), config)
    loaded = load_rows(recipe.task, path, columns=_columns(recipe), label_names=names, limit=recipe.data.limit)
    return TextTask(loaded, max_length=_max_length(recipe, config))


def from_records(recipe: FinetuneRecipe, records: Sequence[Mapping[str, Any]], config: AlbertConfig) -> TextTask:
    """Texts of JSON objects: ``text`` and, for a pair, ``text_pair``."""
    names = _label_names(find_task(recipe.task), config)
    return TextTask(load_records(recipe.task, records, label_names=names), max_length=_max_length(recipe, config))


def _max_length(recipe: FinetuneRecipe, config: AlbertConfig | None) -> int:
    wanted = recipe.data.max_length
    return wanted if config is None else min(wanted, config.max_position_embeddings)


def _columns(recipe: FinetuneRecipe) -> dict[str, str]:
    named = recipe.data.columns.model_dump()
    return {role: named[role] for role in ("text", "text_pair", "label", "id") if named[role] is not None}


def _label_names(spec: TaskSpec, config: AlbertConfig | None) -> tuple[str, ...]:
    if config is None or spec.kind == "regression":
        return ()
    return labels_of(config, spec.label_names)


def decide(spec: TaskSpec, logits: np.ndarray) -> np.ndarray:
    """Predictions from (N, C) logits: the likeliest class, the score, or every class above one half."""
    if spec.kind == "classification":
        return np.asarray(logits.argmax(axis=-1))
    if spec.kind == "regression":
        return logits[:, 0]
    return (logits > 0).astype(np.int64)


def class_scores(spec: TaskSpec, logits: np.ndarray) -> np.ndarray | None:
    """Probabilities (N, C) of the classes, to six decimals; None for regression."""
    if spec.kind == "regression":
        return None
    wide = logits.astype(np.float64)
    if spec.kind == "multi-label":
        return np.asarray(np.round(1.0 / (1.0 + np.exp(-wide)), 6))
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return np.asarray(np.round(powers / powers.sum(axis=-1, keepdims=True), 6))


def row_losses(spec: TaskSpec, answers: TextAnswers, labels: np.ndarray) -> np.ndarray:
    """(N,) cross-entropy of each row, squared error of a number; without logits 1 for a wrong class."""
    if spec.kind == "regression":
        return np.asarray((answers.predictions - labels) ** 2)
    if answers.logits is None:
        return _differ(answers.predictions, labels).astype(np.float64)
    wide = answers.logits.astype(np.float64)
    if spec.kind == "multi-label":
        return np.asarray((np.logaddexp(0.0, wide) - wide * labels).mean(axis=-1))
    shifted = wide - wide.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.exp(shifted).sum(axis=-1)) - shifted[np.arange(len(labels)), labels])


def official_lines(records: Records) -> Iterator[str]:
    """What the benchmark takes: ``index<TAB>prediction`` with a header; scores with three decimals."""
    yield "index\tprediction\n"
    for row in records():
        said = row["prediction"]
        yield f"{int(row['index'])}\t{f'{said:.3f}' if isinstance(said, float) else said}\n"


def _differ(predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    different = np.asarray(predictions != labels)
    return np.asarray(different.any(axis=-1)) if different.ndim == 2 else different


def _words(said: Any) -> str:
    if isinstance(said, float):
        return f"{said:.4g}"
    return ", ".join(said) if isinstance(said, list) else str(said)


def _text(row: Mapping[str, Any]) -> str:
    text = " || ".join(part for part in (row["text"], row.get("text_pair")) if part)
    return text if len(text) <= _TEXT_SHOWN else text[: _TEXT_SHOWN - 3] + "..."
