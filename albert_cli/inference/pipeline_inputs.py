"""What may be given to a pipeline, and how does it become queries?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from albert_cli.errors import UsageError
from albert_cli.inference.choice_records import query_from_record
from albert_cli.inference.queries import Query, Refusal

_TAKE_PAIRS = ("text-classification", "sentence-order", "feature-extraction")


def query_of(value: Any, task: str, settings: Mapping[str, Any]) -> Query:
    """Make a query of one input.

    Args:
        value: a text, or a dict (of a pair; of question and context; of a question with choices), or a list of words.
        task: name of the task.
        settings: parameters of the pipeline.

    Raises:
        UsageError: the task does not take such an input.
    """
    if task == "question-answering":
        return _question(value)
    if task == "multiple-choice":
        choice = query_from_record(value, {})
        if isinstance(choice, Refusal):
            raise UsageError(choice.reason, hint='{"context": ..., "question": ..., "choices": [...]}')
        return choice
    if task == "token-classification" and settings.get("is_split_into_words"):
        return _words(value, settings.get("delimiter"))
    if isinstance(value, str):
        return Query(value)
    keys = {"text", "text_pair"} if task in _TAKE_PAIRS else {"text"}
    if isinstance(value, Mapping) and isinstance(value.get("text"), str) and set(value) <= keys:
        return Query(value["text"], value.get("text_pair"))
    raise UsageError(
        f"an input is a text or a dict with {' and '.join(sorted(keys))}, not {type(value).__name__}",
        hint='for a pair: {"text": ..., "text_pair": ...}' if len(keys) > 1 else f"{task} takes texts",
    )


def _question(value: Any) -> Query:
    if not isinstance(value, Mapping) or not all(isinstance(value.get(key), str) for key in ("question", "context")):
        raise UsageError("an input is a dict with question and context", hint="or pass question= and context=")
    return Query(value["question"], value["context"])


def _words(value: Any, delimiter: str | None) -> Query:
    """A text of given words."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(word, str) for word in value):
        raise UsageError("with is_split_into_words an input is a list of words", hint='["The", "river", "runs"]')
    return Query((" " if delimiter is None else delimiter).join(value), words=tuple(value))


def questions_of(inputs: Any, parameters: dict[str, Any]) -> Any:
    """Inputs of question-answering as dicts; takes ``question`` and ``context`` out of the parameters.

    Raises:
        UsageError: one of the two, or lists of different lengths.
    """
    question, context = parameters.pop("question", None), parameters.pop("context", None)
    if question is None and context is None:
        if inputs is None:
            raise UsageError("no inputs", hint='pass question= and context=, or {"question": ..., "context": ...}')
        return inputs
    if isinstance(inputs, str) and question is None:  # (question, context) in their order
        inputs, question = None, inputs
    if inputs is not None or question is None or context is None:
        raise UsageError(
            "question-answering takes both question= and context=, and then no other inputs",
            hint='pass question= and context=, or {"question": ..., "context": ...}',
        )
    if isinstance(question, str) and isinstance(context, str):
        return {"question": question, "context": context}
    questions = [question] if isinstance(question, str) else list(question)
    contexts = [context] * len(questions) if isinstance(context, str) else list(context)
    if len(questions) != len(contexts):
        raise UsageError(f"{len(questions)} questions for {len(contexts)} contexts", hint="give one context for each")
    return [{"question": one, "context": other} for one, other in zip(questions, contexts, strict=True)]


def is_single(inputs: Any, task: str, settings: Mapping[str, Any]) -> bool:
    """Whether there is one input and no list of them."""
    if isinstance(inputs, str | Mapping):
        return True
    takes_words = task == "token-classification" and bool(settings.get("is_split_into_words"))
    return takes_words and isinstance(inputs, list | tuple) and not all(isinstance(one, list) for one in inputs)


def iterate(inputs: Any) -> Iterator[Any]:
    """Inputs one after the other: of an iterable, or of what has a length and numbers (a dataset of torch).

    Raises:
        UsageError: it is neither.
    """
    if hasattr(inputs, "__iter__"):
        return iter(inputs)
    if hasattr(inputs, "__len__") and hasattr(inputs, "__getitem__"):
        return (inputs[number] for number in range(len(inputs)))
    raise UsageError(f"an input is a text, a list of them, or an iterable, not {type(inputs).__name__}", hint="a text")


def groups_of(inputs: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Neighbours in groups of ``size``, taken as they are asked for."""
    group: list[Any] = []
    for value in inputs:
        group.append(value)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
