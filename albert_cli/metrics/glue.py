"""Which scores does a task report, under which official names?

GLUE tasks report what the benchmark asks for (the original code left some out: Spearman, F1). A task with several
official scores also has ``combined_score``, their mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from albert_cli.metrics import classification, regression
from albert_cli.metrics.classification import Array, Floats

Metric = Callable[[Array, Array], Floats]

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "accuracy": classification.accuracy,
        "f1": classification.binary_f1,
        "macro_f1": classification.macro_f1,
        "micro_f1": classification.micro_f1,
        "matthews_correlation": classification.matthews_correlation,
        "pearson": regression.pearson,
        "spearmanr": regression.spearman,
        "mse": regression.mean_squared_error,
        "exact_match": classification.exact_match,
        "multilabel_micro_f1": classification.multilabel_micro_f1,
        "multilabel_macro_f1": classification.multilabel_macro_f1,
    }
)


@dataclass(frozen=True)
class TaskMetrics:
    """What a task reports.

    Attributes:
        official: names of the scores that make up ``combined_score`` where there are several.
        best: the score that chooses the best checkpoint.
        extra: names of scores shown besides.
    """

    official: tuple[str, ...]
    best: str
    extra: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every score in the order of the report."""
        combined = ("combined_score",) if len(self.official) > 1 else ()
        return self.official + combined + self.extra


_ACCURACY = TaskMetrics(("accuracy",), "accuracy")
# The original code keeps the checkpoint with the best accuracy (STS-B: Pearson) also where GLUE asks for more.
_ACCURACY_AND_F1 = TaskMetrics(("accuracy", "f1"), "accuracy")

TASK_METRICS: Mapping[str, TaskMetrics] = MappingProxyType(
    {
        "cola": TaskMetrics(("matthews_correlation",), "matthews_correlation", ("accuracy",)),
        "sst2": _ACCURACY,
        "mrpc": _ACCURACY_AND_F1,
        "stsb": TaskMetrics(("pearson", "spearmanr"), "pearson", ("mse",)),
        "qqp": _ACCURACY_AND_F1,
        "mnli": _ACCURACY,
        "qnli": _ACCURACY,
        "rte": _ACCURACY,
        "wnli": _ACCURACY,
        "ax": TaskMetrics(("matthews_correlation",), "matthews_correlation", ("accuracy",)),
        "text-classification": TaskMetrics(("accuracy",), "accuracy", ("macro_f1", "matthews_correlation")),
        "text-regression": TaskMetrics(("pearson", "spearmanr"), "pearson", ("mse",)),
        "multi-label": TaskMetrics(
            ("multilabel_micro_f1",), "multilabel_micro_f1", ("multilabel_macro_f1", "exact_match")
        ),
        "python-docs": TaskMetrics(("accuracy",), "accuracy", ("macro_f1", "matthews_correlation")),
    }
)

# Smaller is better; every other score is better when larger.
SMALLER_IS_BETTER = frozenset({"mse"})


def compute_metrics(
    task: str, predictions: Sequence[object] | Array, references: Sequence[object] | Array
) -> dict[str, float]:
    """Score a task's predictions.

    Args:
        task: name of the task, as in ``TASK_METRICS``.
        predictions: (N,) class numbers or scores; multi-label: (N, C) of 0 and 1.
        references: the truth, in the same form.

    Returns:
        Score by name, fractions of 1 (``mse`` aside), in the order of ``TASK_METRICS[task].names``. A correlation that
        does not exist (constant predictions) is NaN.

    Raises:
        ValueError: an unknown task, no examples, or different numbers of predictions and references.
    """
    if task not in TASK_METRICS:
        raise ValueError(f"no metrics for task {task!r}; known: {', '.join(TASK_METRICS)}")
    predicted, true = np.asarray(predictions), np.asarray(references)
    if predicted.shape != true.shape:
        raise ValueError(f"{predicted.shape} predictions for {true.shape} references")
    if len(predicted) == 0:
        raise ValueError("no examples to score")
    chosen = TASK_METRICS[task]
    scores = {name: float(METRICS[name](predicted, true)) for name in chosen.official}
    if len(chosen.official) > 1:
        scores["combined_score"] = float(np.mean(list(scores.values())))
    scores.update({name: float(METRICS[name](predicted, true)) for name in chosen.extra})
    return scores
