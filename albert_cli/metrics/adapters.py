"""Our metrics for users of the ``evaluate`` library, and metrics of that library for our recipes.

``evaluate.load("accuracy")`` downloads and runs a script, or runs one found in the working directory. `evaluate_metric`
gives our scores as objects of that library, which need neither network nor disk. `load_metric` runs foreign code where
its place is spelt out, and only there. The import of ``evaluate`` waits until one of them is asked for.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from albert_cli.errors import DataError, UsageError
from albert_cli.files.text import safe_line
from albert_cli.metrics.choices import choice_accuracy
from albert_cli.metrics.glue import METRICS
from albert_cli.metrics.ner import score_tag_lists, span_values
from albert_cli.metrics.squad import official_percent

_REAL_VALUED = frozenset({"pearson", "spearmanr", "mse"})
_SQUAD = ("squad", "squad_v2")
_TAGS = ("span_f1", "seqeval")
_CHOICES = "choice_accuracy"
_OTHERS = (*_SQUAD, *_TAGS, _CHOICES)
_LABEL_SETS = frozenset({"exact_match", "multilabel_micro_f1", "multilabel_macro_f1"})


def evaluate_metric(name: str) -> Any:
    """One of our metrics as an ``evaluate.Metric``.

    Args:
        name: a key of ``metrics.glue.METRICS``, ``squad`` or ``squad_v2``. These two take and give what the scripts of
            those names take and give: predictions and references with ids, percent. So does ``seqeval`` with lists of
            tags; ``span_f1`` gives the same numbers flat, under the names of our scores. ``choice_accuracy`` takes
            references as ``{"label": 2, "subset": "middle"}`` and scores each part as well.

    Returns:
        An object with ``compute(predictions=, references=)`` and ``add_batch``; it keeps everything in memory and can
        be given to ``evaluate.combine``.

    Raises:
        ValueError: an unknown name.
    """
    if name in _SQUAD:
        return _squad_class(name)(keep_in_memory=True)
    if name in _TAGS:
        return _tags_class(name)(keep_in_memory=True)
    if name == _CHOICES:
        return _choices_class()(keep_in_memory=True)
    if name not in METRICS:
        raise ValueError(f"no metric {name!r}; known: {', '.join([*METRICS, *_OTHERS])}")
    return _metric_class(name)(keep_in_memory=True)


def metric_source(name: str) -> Literal["ours", "file", "hub"]:
    """Where a metric that a recipe names comes from.

    Args:
        name: as `evaluate_metric` takes it; a path that begins with ``/``, ``./`` or ``../``; or ``owner/name`` on
            the hub (the library's own ones are ``evaluate-metric/accuracy`` and so on).

    Raises:
        UsageError: none of these. A bare name is never looked up in the working directory.
    """
    if name in METRICS or name in _OTHERS:
        return "ours"
    if name.startswith(("/", "./", "../")):
        if not Path(name).exists():
            raise UsageError(f"no file or folder {safe_line(name)} (metrics)", hint="check the path")
        return "file"
    if name.count("/") != 1 or "\\" in name or not all(name.split("/")):
        raise UsageError(
            f"no metric {safe_line(name)!r} (metrics)",
            hint=f"ours are {', '.join((*METRICS, *_OTHERS))}; others by place: ./my_metric.py, owner/name (hub)",
        )
    if Path(name).exists():
        raise UsageError(
            f"{safe_line(name)} is a folder here and may be a name on the hub (metrics)",
            hint=f"write ./{safe_line(name)} for the folder, or work in another directory",
        )
    return "hub"


def load_metric(name: str) -> Any:
    """A metric that a recipe names, as an ``evaluate`` module. Files and hub names run the code that stands there.

    Raises:
        UsageError: as `metric_source` says.
        DataError: it cannot be loaded.
    """
    source = metric_source(name)
    if source == "ours":
        return evaluate_metric(name)
    import evaluate

    try:
        return _metric_of_file(Path(name)) if source == "file" else evaluate.load(name, keep_in_memory=True)
    except Exception as error:  # code of others may raise anything
        raise DataError(
            f"the metric {safe_line(name)} cannot be loaded: {_reason(error)}",
            hint="check the name; a metric of the hub is downloaded once while online",
        ) from error


def _metric_of_file(path: Path) -> Any:
    """Run a Python file that defines an ``evaluate.Metric``; for a folder, the file of its name inside."""
    import evaluate

    file = path / f"{path.resolve().name}.py" if path.is_dir() else path
    spec = importlib.util.spec_from_file_location(f"metric_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, evaluate.Metric) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise ValueError(f"{file.name} defines {len(found)} metrics (subclasses of evaluate.Metric) instead of one")
    return found[0](keep_in_memory=True)


def metric_values(metric: Any, name: str, *, predictions: Any, references: Any) -> dict[str, float]:
    """Compute a loaded metric.

    Args:
        metric: of `load_metric`.
        name: as the recipe has it.
        predictions: N predictions, in the form that the metric takes.
        references: N right answers.

    Returns:
        Numbers among its results, by ``stem.key``, for ``./my/metric.py`` and ``owner/metric`` alike ``metric.key``.

    Raises:
        DataError: it fails on these predictions, or gives no number.
    """
    try:
        found: Mapping[str, Any] = metric.compute(predictions=predictions, references=references) or {}
    except Exception as error:  # code of others may raise anything
        raise DataError(
            f"the metric {safe_line(name)} failed: {_reason(error)}",
            hint="it may want predictions of another form; take it out of metrics",
        ) from error
    stem = Path(name).stem
    values = {f"{stem}.{key}": _number(value) for key, value in found.items()}
    numbers = {key: value for key, value in values.items() if value is not None}
    if not numbers:
        raise DataError(f"the metric {safe_line(name)} gives no number", hint="take it out of metrics")
    return numbers


def _number(value: Any) -> float | None:
    if isinstance(value, str | bool) or value is None:
        return None
    array = np.asarray(value)
    return float(array.reshape(())) if array.size == 1 and array.dtype.kind in "iuf" else None


def _reason(error: Exception) -> str:
    return safe_line(str(error) or type(error).__name__, limit=200)


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


def _tags_class(name: str) -> Any:
    """Subclass of ``evaluate.Metric`` for lists of tags."""
    import datasets
    import evaluate

    score: Any = score_tag_lists if name == "seqeval" else span_values

    def info(_: Any) -> Any:
        tags = datasets.Sequence(datasets.Value("string"))
        return evaluate.MetricInfo(
            description=(score.__doc__ or "").strip(),
            citation="",
            inputs_description="predictions, references",
            features=datasets.Features({"predictions": tags, "references": tags}),
        )

    def compute(_: Any, predictions: Any, references: Any) -> dict[str, Any]:
        found: dict[str, Any] = score(predictions, references)
        return found

    camel = "".join(part.capitalize() for part in name.split("_"))
    return type(camel, (evaluate.Metric,), {"_info": info, "_compute": compute, "__doc__": score.__doc__})


def _choices_class() -> Any:
    """Subclass of ``evaluate.Metric`` for numbers of choices, with the part of the data that each question is of."""
    import datasets
    import evaluate

    def info(_: Any) -> Any:
        number = datasets.Value("int64")
        return evaluate.MetricInfo(
            description=(choice_accuracy.__doc__ or "").strip(),
            citation="",
            inputs_description="predictions, references",
            features=datasets.Features(
                {"predictions": number, "references": {"label": number, "subset": datasets.Value("string")}}
            ),
        )

    def compute(_: Any, predictions: Any, references: Any) -> dict[str, float]:
        labels = [one["label"] for one in references]
        return choice_accuracy(predictions, labels, [one["subset"] for one in references])

    return type(
        "ChoiceAccuracy", (evaluate.Metric,), {"_info": info, "_compute": compute, "__doc__": choice_accuracy.__doc__}
    )
