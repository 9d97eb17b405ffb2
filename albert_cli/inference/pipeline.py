"""How does a Python program ask a model, in the words that `transformers` users know?"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from albert_cli.errors import DataError, UsageError
from albert_cli.files.hub import resolve_model
from albert_cli.inference.device import Compute, Warn, choose_device
from albert_cli.inference.loading import MODEL_CLASSES, Loaded, check_fit, load_for_task
from albert_cli.inference.pipeline_inputs import groups_of, is_single, iterate, query_of, questions_of
from albert_cli.inference.queries import Answer, Task
from albert_cli.inference.tasks import ALIASES, check_parameters, make_task, task_of
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForQuestionAnsweringBeam
from albert_cli.recipe.requests import DEFAULT_MODEL
from albert_cli.tokenization.tokenizer import AlbertTokenizer

_BATCH = 32


def pipeline(
    task: str | None = None,
    model: str | Path | AlbertPreTrainedModel | None = None,
    tokenizer: str | Path | AlbertTokenizer | None = None,
    dtype: str | torch.dtype | None = None,
    torch_dtype: str | torch.dtype | None = None,
    device: int | str | torch.device | None = None,
    *,
    revision: str | None = None,
    batch_size: int | None = None,
    **parameters: Any,
) -> Pipeline:
    """Make a callable that answers texts as the `transformers` pipeline of that task does.

    Args:
        task: fill-mask, text-classification (= sentiment-analysis), token-classification (= ner), question-answering,
            feature-extraction, zero-shot-classification, or our own multiple-choice and sentence-order. None takes what
            the model was trained for.
        model: directory, run directory or hub id, or a loaded model of the task's class. None takes ``$ALBERT_MODEL``,
            else the released base model, and says so.
        tokenizer: another than the model's; required with a loaded model.
        dtype: type of the weights; None takes the file's.
        torch_dtype: older name of ``dtype``.
        device: number of a GPU, -1 for the processor, a name or a torch device; None takes the GPU if there is one.
        revision: branch, tag or commit of a hub id.
        batch_size: texts of a list that are taken at once (32); the answers do not depend on it.
        parameters: defaults of the call's parameters. fill-mask: ``top_k``, ``targets``, ``joint`` (fill several masks
            together), ``tokenizer_kwargs``. text-classification: ``top_k`` (None gives all), ``function_to_apply``,
            ``truncation``, ``max_length``. token-classification: ``aggregation_strategy`` (none), ``ignore_labels``,
            ``stride`` (tokens that the windows of a long text share), ``is_split_into_words``, ``delimiter``.
            question-answering: ``top_k``, ``max_answer_len``, ``max_seq_len``, ``doc_stride``, ``max_question_len``,
            ``handle_impossible_answer``, ``align_to_words``; as in `transformers` each window of a long text has
            probabilities of its own, unless ``shares_windows``. feature-extraction: ``pooling``, ``return_tensors``,
            ``truncation``, ``tokenize_kwargs``. zero-shot-classification: ``candidate_labels``,
            ``hypothesis_template``, ``multi_label``.

    Raises:
        UsageError: a task or parameter that does not exist, a loaded model without a tokenizer.
        ModelError: no such model, or one without a trained head for the task.
    """
    if model is None:
        model = os.environ.get("ALBERT_MODEL") or DEFAULT_MODEL
        _warner(3)(f"no model named; taking {model}")
    name = _task_name(task, model, revision)
    check_parameters(name, parameters)
    place = choose_device(_device_name(device), _warner(4))
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
        self, task: str, loaded: Loaded, compute: Compute, *, batch_size: int | None, parameters: Mapping[str, Any]
    ) -> None:
        self.task = task
        self.model = loaded.model
        self.tokenizer = loaded.tokenizer
        self.device = compute.device
        self._loaded = loaded
        self._compute = compute
        self._batch_size = batch_size
        self._parameters = dict(parameters)

    def __call__(
        self, inputs: Any = None, *more: Any, batch_size: int | None = None, num_workers: int = 0, **parameters: Any
    ) -> Any:
        """Answer.

        Args:
            inputs: a text, a dict with ``text`` and ``text_pair`` (multiple-choice: ``context``, ``question`` and
                ``choices``), a list of such, or another iterable of them or a dataset (then the answers come as an
                iterator, computed as they are asked for).
            more: zero-shot-classification: the labels. question-answering: the context, after the question.
            batch_size: overrides the pipeline's own for this call.
            num_workers: taken for the sake of `transformers`; texts become tokens in this process.
            parameters: override the pipeline's own for this call. question-answering also takes its inputs here, as
                ``question`` and ``context``, texts or lists of texts.

        Returns:
            For one input what `transformers` gives for one, for a list a list of those.

        Raises:
            UsageError: a parameter that the task does not have, or an input that is no text.
            DataError: a text that cannot be answered: no mask in it, or too long for the model.
        """
        self._take_more(more, parameters)
        if self.task == "question-answering":
            inputs = questions_of(inputs, parameters)
        check_parameters(self.task, parameters)
        settings = {**self._parameters, **parameters}
        task = make_task(
            self.task,
            self._loaded,
            self._compute,
            _for_task(self.task, settings),
            warn=_warner(6),
            warns_of_cuts=not _asks_for_cuts(settings),
        )
        if self.task == "zero-shot-classification" and not settings.get("candidate_labels"):
            raise UsageError("no labels to choose from", hint="pass candidate_labels=")
        if is_single(inputs, self.task, settings):
            answer = self._shape(task.answer([query_of(inputs, self.task, settings)])[0], settings)
            # Theirs gives a list for one text, unless the call itself speaks of top_k; and words are a list already.
            is_wrapped = self.task == "text-classification" and isinstance(inputs, str) and "top_k" not in parameters
            return [answer] if is_wrapped or not isinstance(inputs, str | Mapping) else answer
        answers = self._answers(iterate(inputs), task, settings, batch_size or self._batch_size or _BATCH)
        if not isinstance(inputs, list | tuple):
            return answers
        results = list(answers)
        if self.task in ("question-answering", "fill-mask") and len(results) == 1:
            return results[0]
        return results

    def _take_more(self, more: tuple[Any, ...], parameters: dict[str, Any]) -> None:
        """Put what stands behind the inputs under its name.

        Raises:
            UsageError: the task takes nothing there.
        """
        names = {"zero-shot-classification": "candidate_labels", "question-answering": "context"}
        name = names.get(self.task)
        if more and (name is None or name in parameters or len(more) > 1):
            raise UsageError(f"{self.task} takes nothing behind its inputs", hint="parameters have names: top_k=3")
        if more and name is not None:
            parameters[name] = more[0]

    def _answers(self, inputs: Iterator[Any], task: Task, settings: Mapping[str, Any], size: int) -> Iterator[Any]:
        for group in groups_of(inputs, max(1, size)):
            for answer in task.answer([query_of(value, self.task, settings) for value in group]):
                yield self._shape(answer, settings)

    def _shape(self, answer: Answer, settings: Mapping[str, Any]) -> Any:
        """One answer in the form of the `transformers` pipeline."""
        if "error" in answer:
            raise DataError(answer["error"], hint="see the input; long texts need truncation=True")
        if self.task == "zero-shot-classification":
            return {name: answer[name] for name in ("sequence", "labels", "scores")}
        if self.task == "feature-extraction":
            vectors = [answer["vectors"] if "vectors" in answer else answer["vector"]]  # (1, L, H), or (1, H)
            return torch.tensor(vectors) if settings.get("return_tensors") else vectors
        if self.task == "question-answering" and len(answer["results"]) == 1:
            return answer["results"][0]
        if self.task == "text-classification" and not _wants_list(settings):
            return answer["results"][0]
        return answer["results"]


def _for_task(task: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters without those that only say how inputs and answers look."""
    kept = dict(settings)
    if task == "text-classification" and not _wants_list(settings):
        kept.pop("top_k", None)
    return kept


def _asks_for_cuts(settings: Mapping[str, Any]) -> bool:
    """Whether the caller spoke of truncation; then it is no news."""
    named = [settings, *(settings.get(name) or {} for name in ("tokenizer_kwargs", "tokenize_kwargs"))]
    return any(part.get("truncation") for part in named)


def _wants_list(settings: Mapping[str, Any]) -> bool:
    """Whether text-classification gives a list of classes for each text: as soon as anyone spoke of top_k."""
    return "top_k" in settings and (settings["top_k"] is None or isinstance(settings["top_k"], int))


def _task_name(task: str | None, model: str | Path | AlbertPreTrainedModel, revision: str | None) -> str:
    if task is None:
        if not isinstance(model, str | Path):
            return task_of(AlbertConfig(architectures=[type(model).__name__]))
        return task_of(AlbertConfig.from_pretrained(resolve_model(model, revision=revision)))
    name = ALIASES.get(task, task)
    if name not in MODEL_CLASSES:
        raise UsageError(f"no pipeline for {task!r}", hint=f"there are: {', '.join([*MODEL_CLASSES, *ALIASES])}")
    return name


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


def _device_name(device: int | str | torch.device | None) -> str:
    if device is None:
        return "auto"
    if isinstance(device, int):
        return "cpu" if device < 0 else f"cuda:{device}"
    return str(device)


def _warner(depth: int) -> Warn:
    """What warns in the name of the caller of `pipeline`, so many calls away."""
    return lambda text: warnings.warn(text, stacklevel=depth)
