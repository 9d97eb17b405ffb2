"""Text classification tasks: their rows, the model that answers them, and what its answers are worth."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from accelerate import Accelerator

from albert_cli.data.features import EncodedTask, encode_task
from albert_cli.data.finetuning import evaluation_batches
from albert_cli.data.tasks.load import TaskData, load_task
from albert_cli.data.tasks.spec import TaskSpec, metric_suffix
from albert_cli.errors import DataError
from albert_cli.metrics.glue import METRICS, SMALLER_IS_BETTER, TASK_METRICS, compute_metrics
from albert_cli.metrics.stats import bootstrap_interval, majority_share
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.report.card import Score
from albert_cli.report.console import Talk
from albert_cli.training.evaluation import evaluate
from albert_cli.training.interrupt import StopFlag
from albert_cli.training.objectives import ClassificationObjective

EVALUATION_TOKENS = 8192  # of a batch: enough to fill a processor's caches, little enough for any machine


@dataclass(frozen=True)
class Answers:
    """What a model says of every row of a split.

    Attributes:
        logits: (N, C) float32, in the order of the rows.
        predictions: classification (N,) class numbers; regression (N,) scores; multi-label (N, C) of 0 and 1.
        loss: mean loss; nan without labels.
    """

    logits: np.ndarray
    predictions: np.ndarray
    loss: float


def read_task(recipe: FinetuneRecipe, talk: Talk, *, label_names: tuple[str, ...] | None = None) -> TaskData:
    """Load the rows that a recipe names and say what was found.

    Raises:
        DataError: they cannot be read or are not what the task takes.
    """
    data = recipe.data
    task = load_task(
        recipe.task,
        path=data.path,
        dataset=data.dataset,
        config=data.config,
        revision=data.revision,
        split={name: value for name, value in data.split.model_dump().items() if value is not None},
        columns={name: value for name, value in data.columns.model_dump().items() if value is not None},
        limit=data.limit,
        label_names=label_names,
    )
    for note in task.notes:
        talk.say(note)
    sizes = ", ".join(f"{name} {len(rows):,}" for name, rows in task.splits.items())
    talk.say(f"task: {task.spec.name}; rows: {sizes}")
    for split, columns in list(task.columns.items())[:1]:
        talk.say(f"columns of {split}: {columns}")
    if task.label_names:
        shown = ", ".join(f"{number} = {name}" for number, name in enumerate(task.label_names[:20]))
        talk.say(f"labels: {shown}{', ...' if len(task.label_names) > 20 else ''}")
    return task


def head_fields(task: TaskData) -> dict[str, Any]:
    """Config fields of the head of a task."""
    names = task.label_names or ("LABEL_0",)
    return {
        "num_labels": task.num_labels,
        "id2label": dict(enumerate(names)),
        "label2id": {name: number for number, name in enumerate(names)},
        "problem_type": task.spec.problem_type,
    }


def encode_splits(task: TaskData, tokenizer: Any, *, max_length: int) -> dict[str, EncodedTask]:
    """Token ids of every split."""
    return {name: encode_task(rows, tokenizer, max_length=max_length) for name, rows in task.splits.items()}


def fingerprint(encoded: EncodedTask) -> str:
    """Changes when any id or label of a split does."""
    digest = hashlib.sha256()
    for array in (encoded.ids, encoded.offsets, encoded.first_lengths, np.ascontiguousarray(encoded.labels)):
        digest.update(array.tobytes())
    return digest.hexdigest()


def answer(
    model: AlbertPreTrainedModel,
    spec: TaskSpec,
    encoded: EncodedTask,
    *,
    accelerator: Accelerator,
    stop: StopFlag | None = None,
) -> Answers:
    """Ask the model about every row; call it on all processes."""
    batches = evaluation_batches(encoded, max_tokens=EVALUATION_TOKENS)
    objective = ClassificationObjective(spec.problem_type)
    outcome = evaluate(model, objective, batches=batches, accelerator=accelerator, stop=stop)
    logits = np.asarray(outcome.rows["logits"], dtype=np.float32)
    return Answers(logits, decide(spec, logits), outcome.loss)


def decide(spec: TaskSpec, logits: np.ndarray) -> np.ndarray:
    """Predictions from (N, C) logits: the likeliest class, the score, or every class above one half."""
    if spec.kind == "classification":
        return np.asarray(logits.argmax(axis=-1))
    if spec.kind == "regression":
        return logits[:, 0]
    return (logits > 0).astype(np.int64)


def score(spec: TaskSpec, split: str, predictions: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Scores of a split under their official names."""
    suffix = metric_suffix(spec, split)
    return {name + suffix: value for name, value in compute_metrics(spec.name, predictions, labels).items()}


def scored_splits(task: TaskData, encoded: Mapping[str, EncodedTask]) -> dict[str, EncodedTask]:
    """The dev splits that are there.

    Raises:
        DataError: none is, or one has rows without a label.
    """
    splits = {name: encoded[name] for name in task.spec.dev_splits if name in encoded}
    if not splits:
        raise DataError(
            f"the data of {task.spec.name} has no {' or '.join(task.spec.dev_splits)} rows to score",
            hint="add the file, or name a split with --set data.split.dev=NAME",
        )
    for name, rows in splits.items():
        if not rows.is_labelled:
            raise DataError(f"the {name} split has rows without a label", hint="score a labelled split")
    return splits


def smaller_is_better(spec: TaskSpec) -> bool:
    """Direction of the score that picks the best checkpoint."""
    return spec.best_metric in SMALLER_IS_BETTER


def scores_with_intervals(spec: TaskSpec, split: str, predictions: np.ndarray, labels: np.ndarray) -> list[Score]:
    """Every score of a split with its 95 % bootstrap interval; a mean of scores has none."""
    values = score(spec, split, predictions, labels)
    suffix = metric_suffix(spec, split)
    chosen = TASK_METRICS[spec.name]
    found = []
    for name, value in values.items():
        plain = name.removesuffix(suffix) if suffix else name
        is_share = plain not in SMALLER_IS_BETTER
        if plain not in (*chosen.official, *chosen.extra):
            found.append(Score(name, value, split, len(labels), is_share=is_share))
            continue
        interval = bootstrap_interval(METRICS[plain], predictions, labels)
        found.append(Score(name, value, split, len(labels), interval.low, interval.high, is_share))
    return found


def baseline(spec: TaskSpec, labels: np.ndarray) -> float | None:
    """Accuracy of always naming the most frequent class; None where there are no classes."""
    return majority_share(labels) if spec.kind == "classification" else None
