"""How does a Python program ask a model, in the words that `transformers` users know?"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import torch

from albert_cli.data.tag_features import DEFAULT_OVERLAP
from albert_cli.errors import DataError, UsageError
from albert_cli.inference.choice_records import query_from_record
from albert_cli.inference.device import Compute, choose_device
from albert_cli.inference.feature_extraction import FeatureExtraction
from albert_cli.inference.fill_mask import DEFAULT_TOP_K, FillMask, target_ids
from albert_cli.inference.loading import MODEL_CLASSES, Loaded, check_fit, load_for_task
from albert_cli.inference.multiple_choice import MultipleChoice
from albert_cli.inference.queries import Answer, Query, Refusal, Task
from albert_cli.inference.question_answering import AnswerSettings, QuestionAnswering
from albert_cli.inference.sentence_order import SentenceOrder
from albert_cli.inference.stream import BATCH_LINES
from albert_cli.inference.text_classification import TextClassification
from albert_cli.inference.token_classification import Aggregation, TokenClassification
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.heads import AlbertForQuestionAnsweringBeam
from albert_cli.recipe.requests import AGGREGATIONS
from albert_cli.tokenization.tokenizer import AlbertTokenizer

_ALIASES = {"sentiment-analysis": "text-classification", "ner": "token-classification"}
_PARAMETERS = {
    "fill-mask": ("top_k", "targets", "tokenizer_kwargs"),
    "text-classification": ("top_k", "function_to_apply", "truncation", "max_length", "padding"),
    "token-classification": ("aggregation_strategy", "ignore_labels", "stride"),
    "question-answering": (
        "top_k",
        "doc_stride",
        "max_answer_len",
        "max_seq_len",
        "max_question_len",
        "handle_impossible_answer",
        "align_to_words",
        "padding",
    ),
    "multiple-choice": (),
    "sentence-order": (),
    "feature-extraction": ("return_tensors", "truncation", "tokenize_kwargs"),
}
_TOKENIZER_PARAMETERS = ("truncation", "max_length", "padding")


def pipeline(
    task: str,
    model: str | Path | AlbertPreTrainedModel,
    tokenizer: str | Path | AlbertTokenizer | None = None,
    dtype: str | torch.dtype | None = None,
    torch_dtype: str | torch.dtype | None = None,
    device: int | str | torch.device | None = None,
    *,
    revision: str | None = None,
    batch_size: int = BATCH_LINES,
    **parameters: Any,
) -> Pipeline:
    """Make a callable that answers texts as the `transformers` pipeline of that task does.

    Args:
        task: fill-mask, text-classification (= sentiment-analysis), token-classification (= ner), question-answering,
            feature-extraction, or our own multiple-choice and sentence-order.
        model: directory, run directory or hub id, or a loaded model of the task's class.
        tokenizer: another than the model's; required with a loaded model.
        dtype: type of the weights; None takes the file's.
        torch_dtype: older name of ``dtype``.
        device: number of a GPU, -1 for the processor, a name or a torch device; None takes the GPU if there is one.
        revision: branch, tag or commit of a hub id.
        batch_size: texts of a list that are computed at once; the answers do not depend on it.
        parameters: defaults of the call's parameters. fill-mask: ``top_k``, ``targets``, ``tokenizer_kwargs``.
            text-classification: ``top_k`` (None gives all), ``function_to_apply``, ``truncation``, ``max_length``.
            token-classification: ``aggregation_strategy`` (none), ``ignore_labels``, ``stride`` (tokens that the
            windows of a long text share).
            question-answering: ``top_k``, ``max_answer_len``, ``max_seq_len``, ``doc_stride``, ``max_question_len``,
            ``handle_impossible_answer``, ``align_to_words``; as in `transformers` each window of a long text has
            probabilities of its own. feature-extraction: ``return_tensors``, ``truncation``, ``tokenize_kwargs``.

    Raises:
        UsageError: a task or parameter that does not exist, a loaded model without a tokenizer.
        ModelError: no such model, or one without a trained head for the task.
    """
    name = _ALIASES.get(task, task)
    if name not in MODEL_CLASSES:
        raise UsageError(f"no pipeline for {task!r}", hint=f"there are: {', '.join([*MODEL_CLASSES, *_ALIASES])}")
    _check_parameters(name, parameters)
    place = choose_device(_device_name(device), _warn)
    loaded = _load(name, model, tokenizer, place, dtype if dtype is not None else torch_dtype, revision)
    return Pipeline(name, loaded, Compute(place), batch_size=batch_size, parameters=parameters)


class Pipeline:
    """Texts in, lists of dicts out. Make one with `pipeline`.

    Attributes:
        task: name of the task.
        model: the model that answers.
        tokenizer: its tokenizer.
        device: where it computes.
    """

    def __init__(
        self, task: str, loaded: Loaded, compute: Compute, *, batch_size: int, parameters: Mapping[str, Any]
    ) -> None:
        self.task = task
        self.model = loaded.model
        self.tokenizer = loaded.tokenizer
        self.device = compute.device
        self._loaded = loaded
        self._compute = compute
        self._batch_size = max(1, batch_size)
        self._parameters = dict(parameters)

    def __call__(self, inputs: Any = None, **parameters: Any) -> Any:
        """Answer.

        Args:
            inputs: a text, a dict with ``text`` and ``text_pair`` (multiple-choice: ``context``, ``question`` and
                ``choices``), a list of such, or another iterable of them (then the answers come as an iterator,
                computed as they are asked for).
            parameters: override the pipeline's own for this call. question-answering also takes its inputs here, as
                ``question`` and ``context``, texts or lists of texts.

        Returns:
            For one input what `transformers` gives for one, for a list a list of those.

        Raises:
            UsageError: a parameter that the task does not have, or an input that is no text.
            DataError: a text that cannot be answered: no mask in it, or too long for the model.
        """
        if self.task == "question-answering":
            inputs = _questions(inputs, parameters)
        _check_parameters(self.task, parameters)
        settings = {**self._parameters, **parameters}
        task = _build(self.task, self._loaded, self._compute, settings)
        if isinstance(inputs, str | dict):
            answer = self._shape(task.answer([_query(inputs, self.task)])[0], settings)
            is_wrapped = self.task == "text-classification" and isinstance(inputs, str) and "top_k" not in parameters
            return [answer] if is_wrapped else answer
        answers = self._answers(iter(inputs), task, settings)
        if not isinstance(inputs, list | tuple):
            return answers
        results = list(answers)
        if self.task == "question-answering" and len(results) == 1:
            return results[0]
        return results[0] if self.task == "fill-mask" and len(results) == 1 else results

    def _answers(self, inputs: Iterator[Any], task: Task, settings: Mapping[str, Any]) -> Iterator[Any]:
        for group in _groups(inputs, self._batch_size):
            for answer in task.answer([_query(value, self.task) for value in group]):
                yield self._shape(answer, settings)

    def _shape(self, answer: Answer, settings: Mapping[str, Any]) -> Any:
        """One answer in the form of the `transformers` pipeline."""
        if "error" in answer:
            raise DataError(answer["error"], hint="see the input; long texts need truncation=True")
        if self.task == "feature-extraction":
            vectors = [answer["vectors"]]  # (1, L, H)
            return torch.tensor(vectors) if settings.get("return_tensors") else vectors
        if self.task == "question-answering" and len(answer["results"]) == 1:
            return answer["results"][0]
        if self.task == "text-classification" and not _wants_list(settings):
            return answer["results"][0]
        return answer["results"]


def _build(task: str, loaded: Loaded, compute: Compute, settings: Mapping[str, Any]) -> Task:
    """Make what answers, with the parameters of one call."""
    model, tokenizer = loaded.model, loaded.tokenizer
    words = {**(settings.get("tokenizer_kwargs") or {}), **(settings.get("tokenize_kwargs") or {})}
    _check_tokenizer_parameters(words)
    truncates = bool(settings.get("truncation", words.get("truncation", False)))
    max_length = settings.get("max_length", words.get("max_length"))
    limit = loaded.max_length if max_length is None or not truncates else min(loaded.max_length, max_length)
    if task == "fill-mask":
        targets = settings.get("targets")
        targets = [targets] if isinstance(targets, str) else targets
        ids = None if targets is None else target_ids(targets, tokenizer, _warn)
        top_k = settings.get("top_k")
        top_k = DEFAULT_TOP_K if top_k is None else top_k
        return FillMask(
            model, tokenizer, compute=compute, max_length=limit, top_k=top_k, targets=ids, truncates=truncates
        )
    if task == "text-classification":
        function = settings.get("function_to_apply")
        if function is not None and str(function).lower() not in ("sigmoid", "softmax", "none"):
            raise UsageError(f"no function {function!r} to apply", hint="sigmoid, softmax or none")
        return TextClassification(
            model,
            tokenizer,
            compute=compute,
            max_length=limit,
            top_k=settings["top_k"] if _wants_list(settings) else 1,
            function=None if function is None else str(function).lower(),  # type: ignore[arg-type]
            truncates=truncates,
        )
    if task == "token-classification":
        return _token_classification(loaded, compute, settings)
    if task == "question-answering":
        given = {name: settings[name] for name in _PARAMETERS[task] if name != "padding" and name in settings}
        # As theirs: each window of a long text has probabilities of its own, and no answer wins only when asked for.
        how = {
            "shares_windows": False,
            **given,
            "handle_impossible_answer": bool(given.get("handle_impossible_answer")),
        }
        return QuestionAnswering(model, tokenizer, compute=compute, max_length=limit, settings=AnswerSettings(**how))
    if task == "multiple-choice":
        return MultipleChoice(model, tokenizer, compute=compute, max_length=limit)
    if task == "sentence-order":
        return SentenceOrder(model, tokenizer, compute=compute, max_length=limit)
    return FeatureExtraction(model, tokenizer, compute=compute, max_length=limit, truncates=truncates)


def _token_classification(loaded: Loaded, compute: Compute, settings: Mapping[str, Any]) -> TokenClassification:
    aggregation, ignored = settings.get("aggregation_strategy", "none"), settings.get("ignore_labels")
    aggregation = str(getattr(aggregation, "value", aggregation)).lower()  # their enumeration, too
    if aggregation not in AGGREGATIONS:
        raise UsageError(f"no aggregation_strategy {aggregation!r}", hint=f"there are: {', '.join(AGGREGATIONS)}")
    stride = settings.get("stride")
    return TokenClassification(
        loaded.model,
        loaded.tokenizer,
        compute=compute,
        max_length=loaded.max_length,
        aggregation=cast(Aggregation, aggregation),
        ignored=("O",) if ignored is None else tuple(ignored),
        overlap=DEFAULT_OVERLAP if stride is None else int(stride),
    )


def _load(
    task: str,
    model: str | Path | AlbertPreTrainedModel,
    tokenizer: str | Path | AlbertTokenizer | None,
    device: torch.device,
    dtype: str | torch.dtype | None,
    revision: str | None,
) -> Loaded:
    if isinstance(model, str | Path):
        if isinstance(tokenizer, AlbertTokenizer):
            raise UsageError("a tokenizer object needs a loaded model", hint="give both by name, or both loaded")
        return load_for_task(task, model, device=device, tokenizer=tokenizer, dtype=dtype, revision=revision)
    is_beam = task == "question-answering" and isinstance(model, AlbertForQuestionAnsweringBeam)
    if not isinstance(model, MODEL_CLASSES[task]) and not is_beam:
        raise UsageError(
            f"{task} needs a model of class {MODEL_CLASSES[task].__name__}, not {type(model).__name__}",
            hint="load it with that class, or give its name",
        )
    if tokenizer is None:
        raise UsageError("a loaded model needs its tokenizer, too", hint="pass tokenizer=")
    words = tokenizer if isinstance(tokenizer, AlbertTokenizer) else AlbertTokenizer.from_pretrained(tokenizer)
    return Loaded(model.to(device).eval(), words, check_fit(model, words))


def _questions(inputs: Any, parameters: dict[str, Any]) -> Any:
    """Inputs of question-answering as dicts; takes ``question`` and ``context`` out of the parameters.

    Raises:
        UsageError: one of the two, or lists of different lengths.
    """
    question, context = parameters.pop("question", None), parameters.pop("context", None)
    if question is None and context is None:
        if inputs is None:
            raise UsageError("no inputs", hint='pass question= and context=, or {"question": ..., "context": ...}')
        return inputs
    if inputs is not None or question is None or context is None:
        raise UsageError("question-answering takes both question= and context=, and then no other inputs")
    if isinstance(question, str) and isinstance(context, str):
        return {"question": question, "context": context}
    questions = [question] if isinstance(question, str) else list(question)
    contexts = [context] * len(questions) if isinstance(context, str) else list(context)
    if len(questions) != len(contexts):
        raise UsageError(f"{len(questions)} questions for {len(contexts)} contexts", hint="give one context for each")
    return [{"question": one, "context": other} for one, other in zip(questions, contexts, strict=True)]


def _query(value: Any, task: str) -> Query:
    if task == "question-answering":
        if not isinstance(value, Mapping) or not all(
            isinstance(value.get(key), str) for key in ("question", "context")
        ):
            raise UsageError("an input is a dict with question and context", hint="or pass question= and context=")
        return Query(value["question"], value["context"])
    if task == "multiple-choice":
        question = query_from_record(value, {})
        if isinstance(question, Refusal):
            raise UsageError(question.reason, hint='{"context": ..., "question": ..., "choices": [...]}')
        return question
    if isinstance(value, str):
        return Query(value)
    if isinstance(value, Mapping) and isinstance(value.get("text"), str) and set(value) <= {"text", "text_pair"}:
        return Query(value["text"], value.get("text_pair"))
    raise UsageError(
        f"an input is a text or a dict with text and text_pair, not {type(value).__name__}",
        hint='for a pair: {"text": ..., "text_pair": ...}',
    )


def _groups(inputs: Iterable[Any], size: int) -> Iterator[list[Any]]:
    group: list[Any] = []
    for value in inputs:
        group.append(value)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _wants_list(settings: Mapping[str, Any]) -> bool:
    """Whether text-classification gives a list of classes for each text: as soon as anyone spoke of top_k."""
    return "top_k" in settings and (settings["top_k"] is None or isinstance(settings["top_k"], int))


def _check_parameters(task: str, parameters: Mapping[str, Any]) -> None:
    unknown = [name for name in parameters if name not in _PARAMETERS[task]]
    if unknown:
        known = ", ".join(_PARAMETERS[task]) or "none"
        raise UsageError(f"the {task} pipeline has no parameter {', '.join(unknown)}", hint=f"it has: {known}")


def _check_tokenizer_parameters(words: Mapping[str, Any]) -> None:
    unknown = [name for name in words if name not in _TOKENIZER_PARAMETERS]
    if unknown:
        raise UsageError(
            f"the pipeline passes no {', '.join(unknown)} to the tokenizer",
            hint=f"only {', '.join(_TOKENIZER_PARAMETERS)}",
        )


def _device_name(device: int | str | torch.device | None) -> str:
    if device is None:
        return "auto"
    if isinstance(device, int):
        return "cpu" if device < 0 else f"cuda:{device}"
    return str(device)


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=4)
