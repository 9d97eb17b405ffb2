"""How much does each class count in the training loss? What `train.class_weights` says, in the order of the classes.

Shapes: N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from albert_cli.data.examples import Examples
from albert_cli.data.features import EncodedTask
from albert_cli.errors import UsageError
from albert_cli.report.console import Talk
from albert_cli.stages.tasks.protocol import Task
from albert_cli.training.objectives import ClassificationObjective, Objective


def training_objective(
    task: Task, examples: Examples, asked: Literal["balanced"] | Mapping[str, float] | None, talk: Talk
) -> Objective:
    """What training minimises; scoring does without weights.

    Args:
        task: whose objective it is.
        examples: the training split, for ``balanced``.
        asked: ``train.class_weights``.
        talk: says the weights.

    Raises:
        UsageError: a mapping that leaves a class out or names one that is not there.
    """
    if asked is None:
        return task.objective()
    assert isinstance(examples, EncodedTask)  # recipe/laws.py refuses class weights for other tasks
    names = [name for _, name in sorted(task.head_fields()["id2label"].items())]
    weights = balanced_weights(examples.labels, len(names)) if asked == "balanced" else named_weights(asked, names)
    talk.say("class weights: " + ", ".join(f"{name} {weight:.4g}" for name, weight in zip(names, weights, strict=True)))
    return ClassificationObjective("single_label_classification", class_weights=weights)


def balanced_weights(labels: npt.NDArray[Any], classes: int) -> list[float]:
    """Weights with which all classes of the training rows count the same: N / (C x rows of the class).

    Args:
        labels: (N,) class numbers.
        classes: C.

    Returns:
        C weights, the formula of scikit-learn; 1 for a class without rows, where no row will use it.
    """
    counts = np.bincount(labels, minlength=classes)
    present = int((counts > 0).sum())
    return [float(len(labels) / (present * count)) if count else 1.0 for count in counts]


def named_weights(asked: Mapping[str, float], names: list[str]) -> list[float]:
    """Weights of a mapping, in the order of the classes.

    Raises:
        UsageError: it leaves a class out or names one that is not there.
    """
    wrong = [f"no class {name!r}" for name in asked if name not in names]
    wrong += [f"none for {name!r}" for name in names if name not in asked]
    if wrong:
        raise UsageError(
            f"train.class_weights: {'; '.join(wrong)}", hint=f"give each class a weight: {', '.join(names)}"
        )
    return [asked[name] for name in names]
