"""What do the stages need of a task: rows, the head that answers them, and what the answers are worth?

Each kind of task is one module beside this one. It offers

- ``read(recipe, talk, config)``: the rows that a recipe names, for training or scoring;
- ``read_input(recipe, path, config)``: one file to predict, labels may be missing;
- ``from_records(recipe, records, config)``: JSON objects to predict, as lines of stdin hold them;

all three give a `Task`. ``config`` is the trained model's, which knows its classes; None while there is none.

Shapes: N rows of a split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from albert_cli.data.examples import Examples
from albert_cli.data.feature_cache import FeatureCache
from albert_cli.errors import DataError
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig
from albert_cli.report.card import Score
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.evaluation import Evaluation
from albert_cli.training.objectives import Objective


@dataclass(frozen=True)
class Answers:
    """What a model says of every row of a split; each kind of task adds its fields.

    Attributes:
        loss: mean loss; nan without labels.
    """

    loss: float


@dataclass(frozen=True)
class Baseline:
    """What a trivial answer scores.

    Attributes:
        name: what is answered ("always the most frequent class").
        metric: name of the score.
        value: its value.
    """

    name: str
    metric: str
    value: float


@dataclass(frozen=True)
class Mistake:
    """A row that the model gets wrong.

    Attributes:
        row: number of the row in its split.
        loss: how wrong; the worst rows have the largest.
        said: the answer, as text.
        truth: the right answer, as text.
        text: the row, as text.
    """

    row: int
    loss: float
    said: str
    truth: str
    text: str


Records = Callable[[], Iterable[Mapping[str, Any]]]
"""Records of a split, from the first, each time they are asked for."""

Form = Callable[[Records], Iterator[str]]
"""How records become the text of a file."""

GENERAL_SUFFIXES = (".jsonl", ".ndjson", ".csv", ".parquet")
"""Ends of names that mean the same for every task, but where one has an official file of that name."""


class Task(Protocol):
    """A task with its rows. ``answers`` of a method are what the task's own `answers` gave."""

    cache: FeatureCache | None
    """Where encoded splits are kept; None keeps none. `stages.tasks.open` sets it for training and scoring."""

    @property
    def name(self) -> str:
        """As in the recipe."""
        ...

    @property
    def model_class(self) -> type[AlbertPreTrainedModel]:
        """Model with the task's head."""
        ...

    @property
    def splits(self) -> Mapping[str, Any]:
        """Rows by split (``train``, ``dev``..., ``test``...), each with a length."""
        ...

    @property
    def dev_splits(self) -> tuple[str, ...]:
        """Splits to score, of those that are there; the first chooses the best checkpoint."""
        ...

    @property
    def test_splits(self) -> tuple[str, ...]:
        """Splits to predict, of those that are there."""
        ...

    @property
    def best_metric(self) -> str:
        """Name of the score that chooses the best checkpoint, as `scores` of the first dev split gives it."""
        ...

    @property
    def smaller_is_better(self) -> frozenset[str]:
        """Names of the scores that are errors."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should hear about the data: guesses, rows left out, columns taken, the labels."""
        ...

    def head_fields(self) -> dict[str, Any]:
        """Config fields of the head: ``num_labels``, ``id2label``, ``label2id``, ``problem_type`` as they apply."""
        ...

    def check_head(self, config: AlbertConfig, folder: Path) -> None:
        """Refuse a trained model that answers another kind of question.

        Raises:
            ModelError: it does.
        """
        ...

    def encode(self, tokenizer: AlbertTokenizer, splits: Sequence[str]) -> dict[str, Examples]:
        """Token ids of some splits."""
        ...

    def objective(self) -> Objective:
        """What training minimises and evaluation asks."""
        ...

    def answers(self, split: str, examples: Examples, evaluation: Evaluation) -> Any:
        """From what the model said of the examples to an answer for each row."""
        ...

    def settle(self, split: str, answers: Any) -> dict[str, Any]:
        """Config fields learnt on a dev split once training is over, such as a threshold; often none."""
        ...

    def scores(self, split: str, answers: Any) -> dict[str, float]:
        """Scores of a labelled split, fractions of 1 (errors aside)."""
        ...

    def scores_with_intervals(self, split: str, answers: Any) -> list[Score]:
        """The same with 95 % bootstrap intervals where there is one."""
        ...

    def baseline(self, split: str) -> Baseline | None:
        """What a trivial answer scores on a labelled split."""
        ...

    def records(self, split: str, answers: Any) -> list[dict[str, Any]]:
        """One JSON object for each row: ``index``, ``id`` where rows have one, ``prediction``, and what explains it."""
        ...

    def write(self, folder: Path, split: str, answers: Any) -> None:
        """Write ``<split>.jsonl`` with the records, and the official files of the split beside it."""
        ...

    def official(self, suffix: str) -> Form | None:
        """How `records` become the task's own file with a name ending in ``suffix``; None: it has none of that name."""
        ...

    def part(self, split: str, rows: Any, *, first: int) -> Task:
        """The same task with some neighbouring rows of a split alone, of which the first has this number."""
        ...

    def saved_answers(self, split: str, path: Path) -> Any:
        """Read saved predictions of a split.

        Raises:
            DataError: located: they are not predictions of these rows.
        """
        ...

    def worst(self, split: str, answers: Any, limit: int) -> list[Mistake]:
        """The worst mistakes on a labelled split, worst first."""
        ...

    def label_counts(self, split: str, examples: Examples) -> dict[str, Any]:
        """How often each label occurs, for `albert data inspect`."""
        ...


def scored_examples(task: Task, encoded: Mapping[str, Examples]) -> dict[str, Examples]:
    """The encoded dev splits.

    Raises:
        DataError: none is there, or one has rows without a label.
    """
    splits = {name: encoded[name] for name in task.dev_splits}
    if not splits:
        raise DataError(
            f"the data of {task.name} has no dev rows to score",
            hint="add the file, or name a split with --set data.split.dev=NAME",
        )
    for name, examples in splits.items():
        if not examples.is_labelled:
            raise DataError(f"the {name} split has rows without a label", hint="score a labelled split")
    return splits


def labels_of(config: AlbertConfig, known: Sequence[str] | None) -> tuple[str, ...]:
    """Class names in the order of a trained model's outputs.

    A model that never learnt names (LABEL_0, LABEL_1) is taken to have the known ones of the task in their order.
    """
    named = config.id2label or {}
    names = tuple(named.get(number, f"LABEL_{number}") for number in range(config.num_labels))
    nameless = all(name == f"LABEL_{number}" for number, name in enumerate(names))
    if nameless and known is not None and len(known) == len(names):
        return tuple(known)
    return names
