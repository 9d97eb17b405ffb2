"""Which piece of a text answers a question: SQuAD v1.1, SQuAD v2.0 and own questions.

Shapes: N questions, W windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from albert_cli.data import span_contexts, span_features, span_places, span_predictions, span_windows
from albert_cli.data.examples import Examples
from albert_cli.data.feature_cache import FeatureCache, kept_features
from albert_cli.data.span_decoding import Candidate, RowAnswers, decode_beam, decode_plain
from albert_cli.data.span_features import SpanExamples, encode_spans
from albert_cli.data.squad_tables import build_span_dataset
from albert_cli.data.tasks.squad import SpanData, load_span_file, load_span_records, load_spans
from albert_cli.errors import DataError, ModelError
from albert_cli.files.atomic import write_file
from albert_cli.files.text import json_line
from albert_cli.metrics import squad
from albert_cli.metrics.squad import QuestionScores
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForQuestionAnswering, AlbertForQuestionAnsweringBeam
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.report.card import Score
from albert_cli.stages.tasks.facts import Comparison, Facts, word_counts
from albert_cli.stages.tasks.protocol import GENERAL_SUFFIXES, Answers, Baseline, Form, Mistake
from albert_cli.stages.tasks.span_settings import THRESHOLD, SpanSettings, span_settings
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.evaluation import Evaluation
from albert_cli.training.objectives import Objective
from albert_cli.training.objectives_spans import BeamObjective, SpanObjective

ROLES = ("question", "context", "answers", "answer_start", "id")
NO_ANSWER = "(no answer)"
_TEXT_SHOWN = 300
_BEFORE_ANSWER = 120  # characters of the text shown before a right answer


@dataclass(frozen=True)
class SpanAnswers(Answers):
    """Answers to questions.

    Attributes:
        rows: what was found for each of the N questions.
        decided: whether it was read from a file, where an empty answer already says "no answer".
    """

    rows: Sequence[RowAnswers]
    decided: bool = False


class SpanTask:
    """Questions about texts (a `protocol.Task`).

    Args:
        data: the questions.
        settings: how they are asked and answered.
        threads: that encoding may take; None means every core.
        first: number of the first question.
    """

    smaller_is_better: frozenset[str] = frozenset()
    best_metric = "f1"
    cache: FeatureCache | None = None

    def __init__(self, data: SpanData, settings: SpanSettings, *, threads: int | None = None, first: int = 0) -> None:
        self.data = data
        self.threads = threads
        self.settings = settings
        self._first = first
        self._threshold = settings.threshold
        self._golds: dict[str, list[list[str]]] = {}

    @property
    def name(self) -> str:
        """As in the recipe."""
        return self.data.name

    @property
    def model_class(self) -> type[AlbertPreTrainedModel]:
        """With the plain or the beam head."""
        return AlbertForQuestionAnsweringBeam if self.settings.is_beam else AlbertForQuestionAnswering

    @property
    def splits(self) -> Mapping[str, Any]:
        """``datasets.Dataset`` by split."""
        return self.data.splits

    @property
    def dev_splits(self) -> tuple[str, ...]:
        """``dev``, if it is there."""
        return tuple(name for name in ("dev",) if name in self.splits)

    @property
    def test_splits(self) -> tuple[str, ...]:
        """``test``, if it is there."""
        return tuple(name for name in ("test",) if name in self.splits)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found in the data."""
        return self.data.notes

    def head_fields(self) -> dict[str, Any]:
        """None: the heads have no classes."""
        return {}

    def check_head(self, config: AlbertConfig, folder: Path) -> None:
        """Refuse a model with another head."""
        made_as = (config.architectures or [self.model_class.__name__])[0]
        if made_as != self.model_class.__name__:
            raise ModelError(
                f"{folder} is an {made_as}, {self.name} asks an {self.model_class.__name__}",
                hint="leave question_answering.head out, or use a model that was fine-tuned on questions about texts",
            )

    def encode(self, tokenizer: AlbertTokenizer, splits: Sequence[str]) -> dict[str, Examples]:
        """Windows of some splits."""
        return {name: self._windows(name, tokenizer) for name in splits}

    def _windows(self, split: str, tokenizer: AlbertTokenizer) -> SpanExamples:
        how, rows = self.settings.windows, self.splits[split]
        settings: dict[str, Any] = {
            "max_length": self.settings.max_length,
            "max_query_length": how.max_query_length,
            "stride": how.stride,
            "stride_is": how.stride_is,
        }
        return kept_features(
            self.cache,
            SpanExamples,
            rows,
            tokenizer=tokenizer,
            settings=settings,
            code=(span_features, span_contexts, span_places, span_windows),
            build=lambda: encode_spans(rows, tokenizer, threads=self.threads, **settings),
        )

    def objective(self) -> Objective:
        """Start and end; for the beam head also answerability."""
        how = self.settings.windows
        if self.settings.is_beam:
            return BeamObjective(start_n_top=how.start_n_top, end_n_top=how.end_n_top)
        return SpanObjective()

    def answers(self, split: str, examples: Examples, evaluation: Evaluation) -> SpanAnswers:
        """The best pieces of each question's text."""
        assert isinstance(examples, SpanExamples)
        contexts = self._column(split, "context")
        limits = {"n_best": self.settings.windows.n_best, "max_length": self.settings.windows.max_answer_length}
        if self.settings.is_beam:
            rows = decode_beam(examples, evaluation.rows, contexts, **limits)
        else:
            rows = decode_plain(
                examples,
                evaluation.rows["start_logits"],
                evaluation.rows["end_logits"],
                contexts,
                **limits,
                may_be_unanswered=self.settings.may_be_unanswered,
            )
        return SpanAnswers(evaluation.loss, rows)

    def _column(self, split: str, name: str) -> list[Any]:
        return list(self.splits[split].select_columns([name])[:][name])

    def _right(self, split: str) -> list[list[str]]:
        """Right answers of each question; none where the text has none.

        Raises:
            DataError: by the rules of SQuAD v1.1 every question has one.
        """
        if split not in self._golds:
            answers, impossible = self._column(split, "answers"), self._column(split, "is_impossible")
            golds = [[] if none else list(one["text"]) for one, none in zip(answers, impossible, strict=True)]
            without = sum(not texts for texts in golds)
            if without and not self.settings.may_be_unanswered:
                raise DataError(
                    f"{without:,} of {len(golds):,} questions of the {split} split have no answer, which the rules of "
                    f"{self.name} do not know",
                    hint="score them with the recipe squad2",
                )
            self._golds[split] = golds
        return self._golds[split]

    def _scored(self, split: str, texts: Sequence[str]) -> QuestionScores:
        return squad.question_scores(texts, self._right(split), version_2=self.settings.may_be_unanswered)

    def _texts(self, split: str, answers: SpanAnswers) -> list[str]:
        """Answers as they count: empty where the odds of "no answer" are above the threshold."""
        if answers.decided or not self.settings.may_be_unanswered:
            return [row.best for row in answers.rows]
        threshold = self._threshold
        if threshold is None:  # while training: what the split itself would choose
            threshold = self._best_threshold(split, answers) if self._is_labelled(split) else 0.0
        return [row.text(threshold) for row in answers.rows]

    def _is_labelled(self, split: str) -> bool:
        return None not in self._column(split, "is_impossible")

    def _best_threshold(self, split: str, answers: SpanAnswers) -> float:
        """Limit with the best F1, as the original chooses it."""
        texts = [row.best for row in answers.rows]
        found = self._scored(split, texts)
        answered = np.array([bool(text) for text in texts])
        return squad.usable_threshold(found.f1, answered, _odds(answers), found.has_answer).threshold

    def settle(self, split: str, answers: SpanAnswers) -> dict[str, Any]:
        """The threshold of "no answer", and how broad the beam was."""
        fields: dict[str, Any] = {}
        if self.settings.is_beam:
            how = self.settings.windows
            fields |= {"start_n_top": how.start_n_top, "end_n_top": how.end_n_top}
        if self.settings.may_be_unanswered:
            self._threshold = self._best_threshold(split, answers)
            fields[THRESHOLD] = self._threshold
        return fields

    def scores(self, split: str, answers: SpanAnswers) -> dict[str, float]:
        """Official scores: ``exact_match`` and ``f1``, or those of v2.0 with the best thresholds."""
        found = self._scored(split, self._texts(split, answers))
        if not self.settings.may_be_unanswered:
            return squad.scores_v1(found)
        scores = squad.scores_v2(found)
        if any(row.odds is None for row in answers.rows):
            return scores
        best = [row.best for row in answers.rows]
        return {**scores, **squad.best_scores(self._scored(split, best), best, _odds(answers))}

    def scores_with_intervals(self, split: str, answers: SpanAnswers) -> list[Score]:
        """The same with their intervals; what is searched on the split itself has none."""
        found = self._scored(split, self._texts(split, answers))
        everyone = np.ones_like(found.has_answer)
        parts = {"HasAns": found.has_answer, "NoAns": ~found.has_answer}
        scores = []
        for name, value in self.scores(split, answers).items():
            is_share = not name.endswith("_thresh")
            chosen = parts.get(name.split("_")[0], everyone)
            if name.startswith("best_"):
                scores.append(Score(name, value, split, int(chosen.sum()), is_share=is_share))
                continue
            interval = squad.mean_interval((found.f1 if name.endswith("f1") else found.exact)[chosen])
            scores.append(Score(name, value, split, int(chosen.sum()), interval.low, interval.high))
        return scores

    def baseline(self, split: str) -> Baseline | None:
        """What never answering scores."""
        if not self.settings.may_be_unanswered:
            return None
        found = self._scored(split, [""] * len(self.splits[split]))
        return Baseline("never an answer", "exact", float(found.exact.mean()))

    def records(self, split: str, answers: SpanAnswers) -> list[dict[str, Any]]:
        """``prediction``, its place in the text and its ``score``; ``null_odds`` where there may be no answer."""
        ids, texts = self._column(split, "id"), self._texts(split, answers)
        rows = enumerate(zip(ids, answers.rows, texts, strict=True), self._first)
        return [{"index": n, "id": name, **span_predictions.answer_record(row, text)} for n, (name, row, text) in rows]

    def official_files(self, split: str, answers: SpanAnswers) -> dict[str, str]:
        """Contents of predictions.json, nbest_predictions.json and, for v2.0, null_odds.json by name."""
        rows = answers.rows
        if not self.settings.may_be_unanswered:
            rows = [RowAnswers(row.candidates) for row in rows]
        return span_predictions.official_files(self._column(split, "id"), self._texts(split, answers), rows)

    def write(self, folder: Path, split: str, answers: SpanAnswers) -> None:
        """Write ``<split>.jsonl``, and the official files into a folder of the split beside it."""
        (folder / split).mkdir(parents=True, exist_ok=True)
        lines = (f"{json_line(record)}\n" for record in self.records(split, answers))
        write_file(folder / f"{split}.jsonl", "".join(lines))
        for name, text in self.official_files(split, answers).items():
            write_file(folder / split / name, text)

    def official(self, suffix: str) -> Form | None:
        """The official predictions.json, unless the name says something else."""
        return None if suffix in GENERAL_SUFFIXES else span_predictions.predictions_document

    def beside(self, name: str) -> dict[str, Form]:
        """What the official scripts want beside a file of predictions: the odds of "no answer"."""
        has_odds = self.settings.may_be_unanswered and self.official(Path(name).suffix.lower()) is not None
        return {span_predictions.odds_name(name): span_predictions.odds_document} if has_odds else {}

    def part(self, split: str, rows: Any, *, first: int) -> SpanTask:
        """Some questions of a split."""
        part = replace(self.data, splits={split: rows})
        return SpanTask(part, self.settings, threads=self.threads, first=first)

    def saved_answers(self, split: str, path: Path) -> SpanAnswers:
        """Read predictions.json, with null_odds.json beside it if it is there, or our JSON Lines."""
        saved = span_predictions.read_saved(path, self._column(split, "id"))
        odds = saved.odds or (None,) * len(saved.texts)
        rows = [
            RowAnswers((Candidate(text, 0, 0, 0.0, 0.0),), odds=odd)
            for text, odd in zip(saved.texts, odds, strict=True)
        ]
        return SpanAnswers(float("nan"), rows, decided=True)

    def facts(self, split: str, answers: SpanAnswers) -> Facts:
        """Lengths of question and text, F1, and how sure the model was of the pieces that it gave."""
        texts = self._texts(split, answers)
        found = self._scored(split, texts)
        lengths = word_counts(self.splits[split].select_columns(["question", "context"]), "question", "context")
        if answers.decided:
            return Facts(lengths, found.f1, "f1")
        given = np.array([bool(text) for text in texts])
        sure = np.array([row.ranked()[0][1] for row in answers.rows])
        return Facts(lengths, found.f1, "f1", sure[given], found.exact[given] > 0)

    def comparison(self, split: str, answers: SpanAnswers) -> Comparison:
        """Texts with identifiers, as the ``squad`` metrics take them."""
        ids, texts, golds = self._column(split, "id"), self._texts(split, answers), self._right(split)
        predictions: list[dict[str, Any]] = [
            {"id": name, "prediction_text": text} for name, text in zip(ids, texts, strict=True)
        ]
        if self.settings.may_be_unanswered:
            for one in predictions:
                one["no_answer_probability"] = float(not one["prediction_text"])
        references = [
            {"id": name, "answers": {"text": right, "answer_start": [0] * len(right)}}
            for name, right in zip(ids, golds, strict=True)
        ]
        name = "squad_v2" if self.settings.may_be_unanswered else "squad"
        return Comparison((name,), predictions, references, scale=0.01)  # the metrics speak in percent

    def worst(self, split: str, answers: SpanAnswers, limit: int) -> list[Mistake]:
        """Questions answered wrongly: the least overlap first, and of equals the surest."""
        texts = self._texts(split, answers)
        found = self._scored(split, texts)
        sure = np.array([row.ranked()[0][1] for row in answers.rows])
        order = np.lexsort((-sure, found.f1))
        wrong = [int(row) for row in order if found.exact[row] == 0][:limit]
        return [self._mistake(split, row, texts[row], float(1.0 - found.f1[row])) for row in wrong]

    def _mistake(self, split: str, row: int, said: str, loss: float) -> Mistake:
        question, right = self.splits[split][row], list(dict.fromkeys(self._right(split)[row]))
        place = question["context"].find(right[0] if right else said)
        begin = max(0, place - _BEFORE_ANSWER)
        shown = f"{question['question']} || {'...' if begin else ''}{question['context'][begin:]}"
        text = shown if len(shown) <= _TEXT_SHOWN else shown[: _TEXT_SHOWN - 3] + "..."
        return Mistake(row, loss, said or NO_ANSWER, " | ".join(right) or NO_ANSWER, text)

    def label_counts(self, split: str, examples: Examples) -> dict[str, Any]:
        """How many questions have an answer."""
        flags = self._column(split, "is_impossible")
        counts = {"answerable": flags.count(False), "unanswerable": flags.count(True), "unknown": flags.count(None)}
        return {name: count for name, count in counts.items() if count}


def read(recipe: FinetuneRecipe, config: AlbertConfig | None) -> SpanTask:
    """Load the questions that a recipe names.

    Raises:
        DataError: they cannot be read.
    """
    data = recipe.data
    loaded = load_spans(
        recipe.task,
        path=data.path,
        dataset=data.dataset,
        config=data.config,
        revision=data.revision,
        split=data.split.model_dump(),
        columns=_columns(recipe),
        limit=data.limit,
    )
    return SpanTask(loaded, span_settings(recipe, config, loaded), threads=recipe.runtime.threads)


def read_input(recipe: FinetuneRecipe, path: Path, config: AlbertConfig) -> SpanTask:
    """Load one file to predict."""
    loaded = load_span_file(recipe.task, path, columns=_columns(recipe), limit=recipe.data.limit)
    return SpanTask(loaded, span_settings(recipe, config, loaded))


def from_records(recipe: FinetuneRecipe, records: Sequence[Mapping[str, Any]], config: AlbertConfig) -> SpanTask:
    """Questions of JSON objects: ``question`` and ``context``."""
    if records:
        loaded = load_span_records(recipe.task, records, columns=_columns(recipe))
    else:  # of a stream that has not begun
        loaded = SpanData(recipe.task, {"test": build_span_dataset([])})
    return SpanTask(loaded, span_settings(recipe, config, loaded))


def _columns(recipe: FinetuneRecipe) -> dict[str, str]:
    named = recipe.data.columns.model_dump()
    return {role: named[role] for role in ROLES if named[role] is not None}


def _odds(answers: SpanAnswers) -> np.ndarray:
    return np.array([row.odds for row in answers.rows], dtype=np.float64)
