"""Which of several choices is right: RACE, SWAG, HellaSwag and own questions.

Shapes: N questions, C choices of a question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from albert_cli.data import choice_features
from albert_cli.data.choice_features import ChoiceExamples, encode_choices
from albert_cli.data.choice_predictions import (
    answer_lines,
    answer_rows,
    label_name,
    leaderboard_column,
    read_answers,
)
from albert_cli.data.examples import Examples
from albert_cli.data.feature_cache import FeatureCache, kept_features
from albert_cli.data.tasks.race import ChoiceData, load_choice_file, load_choice_records, load_choices
from albert_cli.errors import ModelError
from albert_cli.files.atomic import write_file
from albert_cli.files.text import json_line
from albert_cli.metrics.choices import choice_accuracy, rows_by_subset
from albert_cli.metrics.classification import accuracy
from albert_cli.metrics.stats import bootstrap_interval, majority_share
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForMultipleChoice
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.report.card import Score
from albert_cli.stages.tasks.facts import Comparison, Facts, word_counts
from albert_cli.stages.tasks.protocol import Answers, Baseline, Form, Mistake
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.evaluation import Evaluation
from albert_cli.training.objectives import Objective
from albert_cli.training.objectives_choices import ChoiceObjective

ROLES = ("context", "question", "choices", "label", "id")
_TEXT_SHOWN = 300
_LEAST_SHARE = 1e-7  # saved probabilities have six decimals


@dataclass(frozen=True)
class ChoiceSettings:
    """How questions become tokens.

    Attributes:
        max_length: most tokens of a sequence.
        max_qa_length: most tokens of a question with a choice.
        fills_blanks: whether a "_" in a question stands for the choice.
    """

    max_length: int
    max_qa_length: int
    fills_blanks: bool


@dataclass(frozen=True)
class ChoiceAnswers(Answers):
    """Answers to questions.

    Attributes:
        predictions: (N,) int64, numbers of the choices that were taken.
        logits: for each question the (C,) scores of its choices; None where predictions without any were read.
    """

    predictions: np.ndarray
    logits: list[np.ndarray] | None = None


class ChoiceTask:
    """A multiple-choice task with its questions (a `protocol.Task`).

    Args:
        name: as in the recipe.
        data: the questions.
        settings: how they become tokens.
    """

    model_class = AlbertForMultipleChoice
    smaller_is_better: frozenset[str] = frozenset()
    best_metric = "accuracy"
    cache: FeatureCache | None = None

    def __init__(self, name: str, data: ChoiceData, settings: ChoiceSettings) -> None:
        self.name = name
        self.data = data
        self.settings = settings

    @property
    def splits(self) -> Mapping[str, Any]:
        """``datasets.Dataset`` by split."""
        return self.data.splits

    @property
    def dev_splits(self) -> tuple[str, ...]:
        """``dev``; in its place, where it is not there, a test split that has answers, as RACE's has."""
        if "dev" in self.splits:
            return ("dev",)
        return ("test",) if "test" in self.splits and bool((self._labels("test") >= 0).all()) else ()

    @property
    def test_splits(self) -> tuple[str, ...]:
        """``test``, unless it stands for ``dev``."""
        return tuple(name for name in ("test",) if name in self.splits and name not in self.dev_splits)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was guessed and found."""
        return (*self.data.notes, *self._part_notes())

    def _part_notes(self) -> list[str]:
        notes = []
        for split, rows in self.splits.items():
            parts = rows_by_subset(self._subsets(split), size=len(rows))
            if len(parts) > 1:
                notes.append(f"{split}: " + ", ".join(f"{len(found):,} {part}" for part, found in parts.items()))
        return notes

    def _labels(self, split: str) -> np.ndarray:
        return np.asarray(self._column(split, "label"), dtype=np.int64)

    def _subsets(self, split: str) -> list[str]:
        return self._column(split, "subset")

    def _column(self, split: str, name: str) -> list[Any]:
        return list(self.splits[split].select_columns([name])[:][name])

    def head_fields(self) -> dict[str, Any]:
        """None: the head gives one score to each choice, whatever their number."""
        return {}

    def check_head(self, config: AlbertConfig, folder: Path) -> None:
        """Refuse a model whose one output is something else than the score of a choice."""
        made_as = config.architectures or []
        if made_as and AlbertForMultipleChoice.__name__ not in made_as:
            raise ModelError(
                f"{folder} is an {made_as[0]}: it does not choose among answers",
                hint="use a model that was fine-tuned on multiple choice: albert finetune race --set model=DIR",
            )

    def encode(self, tokenizer: AlbertTokenizer, splits: Sequence[str]) -> dict[str, Examples]:
        """Token ids of some splits."""
        return {name: self._encoded(self.splits[name], tokenizer) for name in splits}

    def _encoded(self, rows: Any, tokenizer: AlbertTokenizer) -> ChoiceExamples:
        settings = asdict(self.settings)
        return kept_features(
            self.cache,
            ChoiceExamples,
            rows,
            tokenizer=tokenizer,
            settings=settings,
            code=choice_features,
            build=lambda: encode_choices(rows, tokenizer, **settings),
        )

    def objective(self) -> Objective:
        """Cross-entropy over the choices of a question."""
        return ChoiceObjective()

    def answers(self, split: str, examples: Examples, evaluation: Evaluation) -> ChoiceAnswers:
        """The choice with the highest score for each question; the first of equals."""
        assert isinstance(examples, ChoiceExamples)
        counts = examples.choice_counts.tolist()
        logits = [np.asarray(row[:count]) for row, count in zip(evaluation.rows["logits"], counts, strict=True)]
        return ChoiceAnswers(evaluation.loss, _best(logits), logits)

    def settle(self, split: str, answers: ChoiceAnswers) -> dict[str, Any]:
        """How the questions became tokens, so that `albert run` asks the same way."""
        how = self.settings
        return {"multiple_choice": {"max_qa_length": how.max_qa_length, "fills_blanks": how.fills_blanks}}

    def scores(self, split: str, answers: ChoiceAnswers) -> dict[str, float]:
        """Accuracy, of all questions and of each part (middle, high)."""
        return choice_accuracy(answers.predictions, self._labels(split), self._subsets(split))

    def scores_with_intervals(self, split: str, answers: ChoiceAnswers) -> list[Score]:
        """The same with their intervals."""
        labels = self._labels(split)
        parts = rows_by_subset(self._subsets(split), size=len(labels))
        rows = {"accuracy": np.arange(len(labels)), **{f"accuracy_{part}": found for part, found in parts.items()}}
        found = []
        for name, value in self.scores(split, answers).items():
            mine = rows[name]
            interval = bootstrap_interval(accuracy, answers.predictions[mine], labels[mine])
            found.append(Score(name, value, split, len(mine), interval.low, interval.high))
        return found

    def baseline(self, split: str) -> Baseline | None:
        """Accuracy of always naming the place that is most often right."""
        return Baseline("always the most frequent place", "accuracy", majority_share(self._labels(split)))

    def records(self, split: str, answers: ChoiceAnswers) -> list[dict[str, Any]]:
        """``prediction`` (a letter for RACE, else a number), the ``choice``, and ``scores`` of all choices."""
        shares = None if answers.logits is None else [_shares(row) for row in answers.logits]
        return answer_rows(self.splits[split], answers.predictions, scores=shares, letters=self._has_letters)

    @property
    def _has_letters(self) -> bool:
        return self.name == "race"

    def write(self, folder: Path, split: str, answers: ChoiceAnswers) -> None:
        """Write ``<split>.jsonl``, and for a test split of SWAG or HellaSwag the leaderboard's column beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = self.records(split, answers)
        write_file(folder / f"{split}.jsonl", "".join(f"{json_line(row)}\n" for row in rows))
        if split in self.test_splits and self.name in ("swag", "hellaswag"):
            write_file(folder / f"{split}.csv", leaderboard_column(answers.predictions))

    def official(self, suffix: str) -> Form | None:
        """The leaderboard's column for .csv of SWAG and HellaSwag, a table for .tsv; RACE has no form of its own."""
        if suffix == ".csv" and self.name in ("swag", "hellaswag"):
            return lambda records: (f"{row['prediction']}\n" for row in records())
        return answer_lines if suffix == ".tsv" else None

    def part(self, split: str, rows: Any, *, first: int) -> ChoiceTask:
        """Some questions of a split; they know their numbers."""
        return ChoiceTask(self.name, replace(self.data, splits={split: rows}), self.settings)

    def saved_answers(self, split: str, path: Path) -> ChoiceAnswers:
        """Read answers that we or a leaderboard's form wrote."""
        said, shares = read_answers(path, self.splits[split])
        logits = None
        if shares is not None:
            logits = [np.log(np.clip(row, _LEAST_SHARE, 1.0)).astype(np.float32) for row in shares]
        return ChoiceAnswers(float("nan"), said, logits)

    def facts(self, split: str, answers: ChoiceAnswers) -> Facts:
        """Lengths of context and question, and how sure the model was."""
        labels = self._labels(split)
        right = np.asarray(answers.predictions == labels)
        lengths = word_counts(self.splits[split].select_columns(["context", "question"]), "context", "question")
        sure = None
        if answers.logits is not None:
            sure = np.asarray([float(_shares(row).max()) for row in answers.logits])
        return Facts(lengths, right.astype(np.float64), "accuracy", sure, None if sure is None else right)

    def comparison(self, split: str, answers: ChoiceAnswers) -> Comparison:
        """Numbers of choices."""
        return Comparison(("accuracy",), answers.predictions.tolist(), self._labels(split).tolist())

    def worst(self, split: str, answers: ChoiceAnswers, limit: int) -> list[Mistake]:
        """Questions answered wrongly, by their loss."""
        labels = self._labels(split)
        wrong = answers.predictions != labels
        losses = wrong.astype(np.float64)
        if answers.logits is not None:
            shares = [_shares(row)[label] for row, label in zip(answers.logits, labels, strict=True)]
            losses = -np.log(np.maximum(shares, np.finfo(np.float64).tiny))
        order = [int(row) for row in np.argsort(-losses, kind="stable") if wrong[row]][:limit]
        found = []
        for row in order:
            question = self.splits[split][row]
            said, truth = (self._spoken(question, number) for number in (answers.predictions[row], labels[row]))
            found.append(Mistake(row, float(losses[row]), said, truth, _text(question)))
        return found

    def _spoken(self, question: Mapping[str, Any], number: int) -> str:
        return f"{label_name(int(number), letters=self._has_letters)}: {question['choices'][int(number)]}"

    def label_counts(self, split: str, examples: Examples) -> dict[str, Any]:
        """How often each place is right."""
        labels = self._labels(split)
        counts = np.bincount(labels[labels >= 0])
        return {str(label_name(number, letters=self._has_letters)): int(count) for number, count in enumerate(counts)}


def read(recipe: FinetuneRecipe, config: AlbertConfig | None) -> ChoiceTask:
    """Load the questions that a recipe names.

    Raises:
        DataError: they cannot be read or are no questions with choices.
    """
    data = recipe.data
    loaded = load_choices(
        path=data.path,
        dataset=data.dataset,
        config=data.config,
        revision=data.revision,
        split=data.split.model_dump(),
        columns=_columns(recipe),
        subset=recipe.multiple_choice.subset,
        limit=data.limit,
    )
    return ChoiceTask(recipe.task, loaded, _settings(recipe, config))


def read_input(recipe: FinetuneRecipe, path: Path, config: AlbertConfig) -> ChoiceTask:
    """Load one file, folder or archive to predict."""
    loaded = load_choice_file(path, columns=_columns(recipe), limit=recipe.data.limit)
    return ChoiceTask(recipe.task, loaded, _settings(recipe, config))


def from_records(recipe: FinetuneRecipe, records: Sequence[Mapping[str, Any]], config: AlbertConfig) -> ChoiceTask:
    """Questions of JSON objects: ``context``, ``question`` and ``choices``, or the names of the task's own format."""
    loaded = load_choice_records(records, columns=_columns(recipe))
    return ChoiceTask(recipe.task, loaded, _settings(recipe, config))


def _settings(recipe: FinetuneRecipe, config: AlbertConfig | None) -> ChoiceSettings:
    wanted, how = recipe.data.max_length, recipe.multiple_choice
    length = wanted if config is None else min(wanted, config.max_position_embeddings)
    fills = how.blanks == "fill" or (how.blanks == "auto" and recipe.task in ("race", "multiple-choice"))
    return ChoiceSettings(length, how.max_qa_length, fills)


def _columns(recipe: FinetuneRecipe) -> dict[str, str]:
    named = recipe.data.columns.model_dump()
    return {role: named[role] for role in ROLES if named[role] is not None}


def _best(logits: Sequence[np.ndarray]) -> np.ndarray:
    return np.asarray([int(row.argmax()) for row in logits], dtype=np.int64)


def _shares(logits: np.ndarray) -> np.ndarray:
    """(C,) float64 probabilities of (C,) scores."""
    powers = np.exp(logits.astype(np.float64) - float(logits.max()))
    return np.asarray(powers / powers.sum())


def _text(question: Mapping[str, Any]) -> str:
    text = " || ".join(part for part in (question["question"], question["context"]) if part)
    return text if len(text) <= _TEXT_SHOWN else text[: _TEXT_SHOWN - 3] + "..."
