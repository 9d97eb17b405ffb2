"""One number for a benchmark of nine tasks: the mean over tasks of the mean over each task's official scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from albert_cli.metrics.glue import TASK_METRICS

BENCHMARK = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")


@dataclass(frozen=True)
class GlueAverage:
    """The average and what it is made of.

    Attributes:
        tasks: score of each task, fractions of 1.
        value: their mean; NaN without tasks.
        missing: tasks of the benchmark that are not in it; with any, the mean is no GLUE score.
    """

    tasks: dict[str, float]
    value: float
    missing: tuple[str, ...]


def glue_average(scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> GlueAverage:
    """Average scores as the benchmark does (Wang et al. 2019, section 3).

    Args:
        scores: by task, split and name; names of MNLI's mismatched split end in ``_mm``. The diagnostic set and other
            tasks do not count.

    Returns:
        A task's score is the mean of its official ones: accuracy and F1 of MRPC and QQP, Pearson and Spearman of STS-B,
        both sets of MNLI (of those that are there).
    """
    tasks = {}
    for task in BENCHMARK:
        values = [
            value
            for split in scores.get(task, {}).values()
            for name, value in split.items()
            if name.removesuffix("_mm") in TASK_METRICS[task].official
        ]
        if values:
            tasks[task] = float(np.mean(values))
    value = float(np.mean(list(tasks.values()))) if tasks else float("nan")
    return GlueAverage(tasks, value, tuple(task for task in BENCHMARK if task not in tasks))
