"""What a model's answers look like on disk: JSONL that says everything, and the official file of a GLUE split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from albert_cli.data.tasks.glue import write_submission
from albert_cli.data.tasks.load import TaskData
from albert_cli.data.tasks.predictions import prediction_rows, write_predictions
from albert_cli.data.tasks.spec import TaskSpec
from albert_cli.stages.task_model import Answers


def write_split(folder: Path, task: TaskData, split: str, answers: Answers) -> None:
    """Write ``<split>.jsonl`` and, for an official test split, the leaderboard's file beside it."""
    rows = task.splits[split]
    write_predictions(answer_rows(task.spec, task.label_names, rows, answers), folder / f"{split}.jsonl")
    if split in task.spec.submission_files:
        write_submission(task.spec, rows[:]["idx"], answers.predictions, folder, split=split)


def answer_rows(spec: TaskSpec, label_names: Sequence[str], rows: Any, answers: Answers) -> list[dict[str, Any]]:
    """One object for each row: ``index`` (and ``id``), ``prediction`` by name, ``scores`` of the classes."""
    scores = class_scores(spec, answers.logits)
    return prediction_rows(rows, answers.predictions, spec=spec, label_names=label_names, scores=scores)


def class_scores(spec: TaskSpec, logits: np.ndarray) -> np.ndarray | None:
    """Probabilities (N, C) of the classes, to six decimals; None for regression."""
    if spec.kind == "regression":
        return None
    wide = logits.astype(np.float64)
    if spec.kind == "multi-label":
        return np.asarray(np.round(1.0 / (1.0 + np.exp(-wide)), 6))
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return np.asarray(np.round(powers / powers.sum(axis=-1, keepdims=True), 6))


def official_text(rows: Sequence[dict[str, Any]]) -> str:
    """What the benchmark takes: ``index<TAB>prediction`` with a header; scores with three decimals."""
    lines = ["index\tprediction"]
    for row in rows:
        said = row["prediction"]
        lines.append(f"{int(row['index'])}\t{said:.3f}" if isinstance(said, float) else f"{int(row['index'])}\t{said}")
    return "\n".join(lines) + "\n"
