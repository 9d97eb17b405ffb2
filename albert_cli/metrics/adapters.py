"""Our metrics for users of the ``evaluate`` library.

``evaluate.load("accuracy")`` downloads and runs a script (or runs one found in the working directory); these are the
same scores as objects, which need neither network nor disk. The import of ``evaluate`` waits until one is asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from albert_cli.metrics.glue import METRICS
from albert_cli.metrics.squad import official_percent

_REAL_VALUED = frozenset({"pearson", "spearmanr", "mse"})
_SQUAD = ("squad", "squad_v2")
_LABEL_SETS = frozenset({"exact_match", "multilabel_micro_f1", "multilabel_macro_f1"})


def evaluate_metric(name: str) -> Any:
    """One of our metrics as an ``evaluate.Metric``.

    Args:
        name: a key of ``metrics.glue.METRICS``, ``squad`` or ``squad_v2``. These two take and give what the scripts of
            those names take and give: predictions and references with ids, percent.

    Returns:
        An object with ``compute(predictions=, references=)`` and ``add_batch``; it keeps everything in memory and can
        be given to ``evaluate.combine``.

    Raises:
        ValueError: an unknown name.
    """
    if name in _SQUAD:
        return _squad_class(name)(keep_in_memory=True)
    if name not in METRICS:
        raise ValueError(f"no metric {name!r}; known: {', '.join([*METRICS, *_SQUAD])}")
    return _metric_class(name)(keep_in_memory=True)


def _metric_class(name: str) -> Any:
    """Subclass of ``evaluate.Metric`` whose class name, in camel case, is where that library takes the name from."""
    import datasets
    import evaluate

    metric = METRICS[name]

    def info(_: Any) -> Any:
        value: Any = datasets.Value("float64" if name in _REAL_VALUED else "int64")
        feature = datasets.Sequence(value) if name in _LABEL_SETS else value
        return evaluate.MetricInfo(
            description=(metric.__doc__ or "").strip(),
            citation="",
            inputs_description="predictions, references",
            features=datasets.Features({"predictions": feature, "references": feature}),
        )

    def compute(_: Any, predictions: Any, references: Any) -> dict[str, float]:
        return {name: float(metric(np.asarray(predictions), np.asarray(references)))}

    camel = "".join(part.capitalize() for part in name.split("_"))
    return type(camel, (evaluate.Metric,), {"_info": info, "_compute": compute, "__doc__": metric.__doc__})


def _squad_class(name: str) -> Any:
    """Subclass of ``evaluate.Metric`` with the columns of SQuAD."""
    import datasets
    import evaluate

    text = datasets.Value("string")
    prediction: dict[str, Any] = {"id": text, "prediction_text": text}
    if name == "squad_v2":
        prediction["no_answer_probability"] = datasets.Value("float64")
    answers = datasets.Sequence({"text": text, "answer_start": datasets.Value("int32")})

    def info(_: Any) -> Any:
        return evaluate.MetricInfo(
            description=(official_percent.__doc__ or "").strip(),
            citation="",
            inputs_description="predictions, references",
            features=datasets.Features({"predictions": prediction, "references": {"id": text, "answers": answers}}),
        )

    def compute(_: Any, predictions: Any, references: Any, no_answer_threshold: float = 1.0) -> dict[str, float]:
        return official_percent(predictions, references, version_2=name == "squad_v2", limit=no_answer_threshold)

    camel = "".join(part.capitalize() for part in name.split("_"))
    return type(camel, (evaluate.Metric,), {"_info": info, "_compute": compute, "__doc__": official_percent.__doc__})
