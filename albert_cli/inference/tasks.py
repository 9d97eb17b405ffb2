"""What may be said about each task, under which names, and how does a loaded model become what answers it?

One place for Python's `pipeline`, the command line and the server: their parameters have the names of those of the
`transformers` pipelines, and only the defaults differ (`RUN_DEFAULTS`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from albert_cli.errors import ModelError, UsageError
from albert_cli.inference.device import Compute, Warn
from albert_cli.inference.loading import Loaded
from albert_cli.inference.queries import Answer, Cut, Query, Task
from albert_cli.models.config import AlbertConfig
from albert_cli.recipe.requests import AGGREGATIONS, POOLINGS, RunRequest

ALIASES = {"sentiment-analysis": "text-classification", "ner": "token-classification"}
"""Other names of tasks."""

PARAMETERS = {
    "fill-mask": ("top_k", "targets", "joint", "tokenizer_kwargs"),
    "text-classification": ("top_k", "function_to_apply", "truncation", "max_length", "padding"),
    "token-classification": ("aggregation_strategy", "ignore_labels", "stride", "is_split_into_words", "delimiter"),
    "question-answering": (
        "top_k",
        "doc_stride",
        "max_answer_len",
        "max_seq_len",
        "max_question_len",
        "handle_impossible_answer",
        "align_to_words",
        "shares_windows",
        "padding",
    ),
    "multiple-choice": (),
    "sentence-order": (),
    "feature-extraction": ("pooling", "return_tensors", "truncation", "tokenize_kwargs"),
    "zero-shot-classification": ("candidate_labels", "hypothesis_template", "multi_label"),
}
"""Parameters of each task. ``padding`` is taken for the sake of `transformers`: nothing is ever padded here."""

RUN_DEFAULTS: dict[str, dict[str, Any]] = {
    "text-classification": {"truncation": True, "top_k": 1},
    "token-classification": {"aggregation_strategy": "first"},
    "question-answering": {"shares_windows": True, "handle_impossible_answer": None},
    "feature-extraction": {"truncation": True},
}
"""What the command line takes where Python's `pipeline` takes what `transformers` does."""

TOKENIZER_PARAMETERS = ("truncation", "max_length", "padding")

_CUTS: dict[str, Cut | None] = {
    "longest_first": "longest",
    "only_first": "first",
    "only_second": "second",
    "do_not_truncate": None,
}
_ARCHITECTURES = {
    "AlbertForMaskedLM": "fill-mask",
    "AlbertForPreTraining": "fill-mask",
    "AlbertForSequenceClassification": "text-classification",
    "AlbertForTokenClassification": "token-classification",
    "AlbertForQuestionAnswering": "question-answering",
    "AlbertForQuestionAnsweringBeam": "question-answering",
    "AlbertForMultipleChoice": "multiple-choice",
    "AlbertModel": "feature-extraction",
}


def task_of(config: AlbertConfig) -> str:
    """The task that a model was trained for, by the class that its config names.

    Raises:
        ModelError: it names none that is known.
    """
    for name in config.architectures or ():
        if name in _ARCHITECTURES:
            return _ARCHITECTURES[name]
    raise ModelError(
        "the model's config.json does not say what it was trained for (architectures)", hint="name the task"
    )


def check_parameters(task: str, parameters: Mapping[str, Any]) -> None:
    """Refuse what a task does not know.

    Raises:
        UsageError: a parameter of another task, or of none.
    """
    unknown = [name for name in parameters if name not in PARAMETERS[task]]
    if unknown:
        known = ", ".join(PARAMETERS[task]) or "none"
        raise UsageError(f"the {task} pipeline has no parameter {', '.join(unknown)}", hint=f"it has: {known}")


def parameters_of(request: RunRequest) -> dict[str, Any]:
    """Parameters of a call of the command line: what it names, else the command line's defaults."""
    given = {
        "top_k": request.top_k,
        "targets": list(request.targets) or None,
        "pooling": request.pooling,
        "aggregation_strategy": request.aggregation,
        **request.parameters,
    }
    named = {name: value for name, value in given.items() if value is not None and name in PARAMETERS[request.task]}
    return {**RUN_DEFAULTS.get(request.task, {}), **named}


def make_task(
    task: str,
    loaded: Loaded,
    compute: Compute,
    parameters: Mapping[str, Any],
    *,
    warn: Warn,
    warns_of_cuts: bool = True,
) -> Task:
    """Make what answers.

    Args:
        task: a key of `PARAMETERS`.
        loaded: model and tokenizer.
        compute: where to compute.
        parameters: those of `PARAMETERS` that shall differ from the defaults of `transformers`.
        warn: takes a warning of one line.
        warns_of_cuts: whether to say once when texts are not read as a whole.

    Raises:
        UsageError: a value that means nothing.
        ModelError: a model that cannot do what is asked.
    """
    check_parameters(task, parameters)
    common = {"compute": compute, "max_length": loaded.max_length}
    made = _MAKERS[task](loaded, common, dict(parameters), warn)
    return _Outspoken(made, warn) if warns_of_cuts else made


class _Outspoken:
    """A task that says once when texts are not read as a whole."""

    def __init__(self, task: Task, warn: Warn) -> None:
        self._task = task
        self._warn = warn
        self._has_said = False

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        """Answer some queries at once, in their order."""
        answers = self._task.answer(queries)
        if not self._has_said and any("truncated" in answer for answer in answers):
            self._has_said = True
            self._warn("a text is longer than the model reads: only a part of it was read (said once)")
        return answers


def _fill_mask(loaded: Loaded, common: dict[str, Any], given: dict[str, Any], warn: Warn) -> Task:
    from albert_cli.inference.fill_mask import DEFAULT_TOP_K, FillMask, target_ids

    targets, top_k = given.get("targets"), given.get("top_k")
    targets = [targets] if isinstance(targets, str) else targets
    length, cut = _truncation(loaded, given, "tokenizer_kwargs")
    return FillMask(
        loaded.model,
        loaded.tokenizer,
        **{**common, "max_length": length},
        top_k=DEFAULT_TOP_K if top_k is None else _positive("top_k", top_k),
        targets=None if targets is None else target_ids(targets, loaded.tokenizer, warn),
        joint=bool(given.get("joint", False)),
        truncates=cut is not None,
    )


def _text_classification(loaded: Loaded, common: dict[str, Any], given: dict[str, Any], warn: Warn) -> Task:
    from albert_cli.inference.text_classification import ScoreFunction, TextClassification

    function, top_k = given.get("function_to_apply"), given.get("top_k", 1)
    function = None if function is None else str(getattr(function, "value", function)).lower()
    if function not in (None, "sigmoid", "softmax", "none"):
        raise UsageError(f"no function {function!r} to apply", hint="sigmoid, softmax or none")
    length, cut = _truncation(loaded, given, None)
    return TextClassification(
        loaded.model,
        loaded.tokenizer,
        **{**common, "max_length": length},
        top_k=None if top_k is None else _positive("top_k", top_k),
        function=cast("ScoreFunction | None", function),
        truncates=cut is not None,
        cut=cut or "longest",
    )


def _token_classification(loaded: Loaded, common: dict[str, Any], given: dict[str, Any], warn: Warn) -> Task:
    from albert_cli.data.tag_features import DEFAULT_OVERLAP
    from albert_cli.inference.token_classification import Aggregation, TokenClassification

    aggregation, ignored = given.get("aggregation_strategy"), given.get("ignore_labels")
    aggregation = "none" if aggregation is None else str(getattr(aggregation, "value", aggregation)).lower()
    if aggregation not in AGGREGATIONS:
        raise UsageError(f"no aggregation_strategy {aggregation!r}", hint=f"there are: {', '.join(AGGREGATIONS)}")
    stride = given.get("stride")
    if stride is not None and not 0 <= stride < loaded.max_length:
        raise UsageError(f"stride is {stride}, the model reads {loaded.max_length} tokens", hint="give less")
    return TokenClassification(
        loaded.model,
        loaded.tokenizer,
        **common,
        aggregation=cast(Aggregation, aggregation),
        ignored=("O",) if ignored is None else tuple(ignored),
        overlap=DEFAULT_OVERLAP if stride is None else int(stride),
    )


def _question_answering(loaded: Loaded, common: dict[str, Any], given: dict[str, Any], warn: Warn) -> Task:
    from albert_cli.inference.question_answering import AnswerSettings, QuestionAnswering

    named = {name: value for name, value in given.items() if name != "padding" and value is not None}
    for name in ("top_k", "max_answer_len", "max_seq_len", "max_question_len"):
        if name in named:
            _positive(name, named[name])
    # As theirs: each window of a long text has probabilities of its own, and no answer wins only when asked for.
    how: dict[str, Any] = {"shares_windows": False, "handle_impossible_answer": False, **named}
    if "handle_impossible_answer" in given:
        how["handle_impossible_answer"] = given["handle_impossible_answer"]
    return QuestionAnswering(loaded.model, loaded.tokenizer, **common, settings=AnswerSettings(**how))


def _multiple_choice(loaded: Loaded, common: dict[str, Any], given: dict[str, Any], warn: Warn) -> Task:
    from albert_cli.inference.multiple_choice import MultipleChoice

    return MultipleChoice(loaded.model, loaded.tokenizer, **common)


def _sentence_order(loaded: Loaded, common: dict[str, Any], given: dict[str, Any], warn: Warn) -> Task:
    from albert_cli.inference.sentence_order import SentenceOrder

    return SentenceOrder(loaded.model, loaded.tokenizer, **common)


def _feature_extraction(loaded: Loaded, common: dict[str, Any], given: dict[str, Any], warn: Warn) -> Task:
    from albert_cli.inference.feature_extraction import FeatureExtraction, Pooling

    pooling = given.get("pooling") or "none"
    if pooling not in POOLINGS:
        raise UsageError(f"no pooling {pooling!r}", hint=f"there are: {', '.join(POOLINGS)}")
    length, cut = _truncation(loaded, given, "tokenize_kwargs")
    return FeatureExtraction(
        loaded.model,
        loaded.tokenizer,
        **{**common, "max_length": length},
        pooling=cast(Pooling, pooling),
        truncates=cut is not None,
        cut=cut or "longest",
    )


def _zero_shot(loaded: Loaded, common: dict[str, Any], given: dict[str, Any], warn: Warn) -> Task:
    from albert_cli.inference.zero_shot_classification import DEFAULT_TEMPLATE, ZeroShotClassification, parse_labels

    labels = given.get("candidate_labels") or ()
    return ZeroShotClassification(
        loaded.model,
        loaded.tokenizer,
        **common,
        labels=parse_labels(labels) if isinstance(labels, str) else tuple(labels),
        template=given.get("hypothesis_template") or DEFAULT_TEMPLATE,
        multi_label=bool(given.get("multi_label", False)),
    )


_MAKERS = {
    "fill-mask": _fill_mask,
    "text-classification": _text_classification,
    "token-classification": _token_classification,
    "question-answering": _question_answering,
    "multiple-choice": _multiple_choice,
    "sentence-order": _sentence_order,
    "feature-extraction": _feature_extraction,
    "zero-shot-classification": _zero_shot,
}


def _truncation(loaded: Loaded, given: Mapping[str, Any], kwargs: str | None) -> tuple[int, Cut | None]:
    """Tokens to read at most, and what is cut to that; None refuses longer texts (or reads them in windows)."""
    words = dict(given.get(kwargs) or {}) if kwargs else {}
    unknown = [name for name in words if name not in TOKENIZER_PARAMETERS]
    if unknown:
        raise UsageError(
            f"the pipeline passes no {', '.join(unknown)} to the tokenizer",
            hint=f"only {', '.join(TOKENIZER_PARAMETERS)}",
        )
    if "truncation" in words and given.get("truncation") is not None:
        raise UsageError(f"truncation is given twice, by itself and in {kwargs}", hint="give it once")
    how = given.get("truncation", words.get("truncation"))
    how = getattr(how, "value", how)
    if how is not None and not isinstance(how, bool) and how not in _CUTS:
        raise UsageError(f"no truncation {how!r}", hint=f"True, False, {', '.join(_CUTS)}")
    cut: Cut | None = _CUTS[how] if isinstance(how, str) else ("longest" if how else None)
    length = given.get("max_length", words.get("max_length"))
    if length is None or cut is None:
        return loaded.max_length, cut
    return min(loaded.max_length, _positive("max_length", length)), cut


def _positive(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"{name} is {value!r}", hint="a whole number of at least 1")
    return value
