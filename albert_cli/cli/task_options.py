"""Options of `albert run` that belong to some tasks only: what they are called, and what the task calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from albert_cli.errors import UsageError

JointOption = Annotated[
    bool,
    typer.Option("--joint", metavar="", help="Fill several masks together: best combined fillings (fill-mask)."),
]
FunctionOption = Annotated[
    Literal["softmax", "sigmoid", "none"] | None,
    typer.Option(
        "--function", help="What makes scores of the model's numbers; else the model's kind says (text-classification)."
    ),
]
IgnoreLabelsOption = Annotated[
    str | None,
    typer.Option(
        "--ignore-labels",
        metavar="A,B,...",
        help="Kinds to leave out, or tags with --aggregation none (token-classification; O).",
    ),
]
StrideOption = Annotated[
    int | None,
    typer.Option(
        "--stride", metavar="N", min=0, help="Tokens that windows of long texts share (token-classification; 32)."
    ),
]
DocStrideOption = Annotated[
    int | None,
    typer.Option(
        "--doc-stride",
        metavar="N",
        min=0,
        help="Tokens that windows of long contexts share (question-answering; 128, or half a window if that is less).",
    ),
]
MaxSeqLenOption = Annotated[
    int | None,
    typer.Option(
        "--max-seq-len",
        metavar="N",
        min=1,
        help="Tokens of a window: question and part of the context (question-answering; 384).",
    ),
]
MaxAnswerLenOption = Annotated[
    int | None,
    typer.Option("--max-answer-len", metavar="N", min=1, help="Most tokens of an answer (question-answering; 15)."),
]
MaxQuestionLenOption = Annotated[
    int | None,
    typer.Option(
        "--max-question-len", metavar="N", min=1, help="Tokens of a question that are read (question-answering; 64)."
    ),
]
ImpossibleOption = Annotated[
    bool | None,
    typer.Option(
        "--handle-impossible-answer/--no-handle-impossible-answer",
        help="Whether no answer may win; else where the model learnt when (question-answering).",
        show_default=False,
    ),
]
AlignOption = Annotated[
    bool | None,
    typer.Option(
        "--align-to-words/--no-align-to-words",
        help="Whether answers grow to whole words (question-answering; yes).",
        show_default=False,
    ),
]
LabelsOption = Annotated[
    str | None,
    typer.Option("--labels", metavar="A,B,...", help="Labels to choose from (zero-shot-classification)."),
]
TemplateOption = Annotated[
    str | None,
    typer.Option(
        "--template",
        metavar="TEXT",
        help='Sentence that a label makes, {} in its place (zero-shot-classification; "This example is {}.").',
    ),
]
MultiLabelOption = Annotated[
    bool,
    typer.Option("--multi-label", metavar="", help="Any number of labels may fit (zero-shot-classification)."),
]

OPTION_TASKS = {
    "--top-k": ("fill-mask", "text-classification", "question-answering"),
    "--targets": ("fill-mask",),
    "--joint": ("fill-mask",),
    "--function": ("text-classification",),
    "--aggregation": ("token-classification",),
    "--ignore-labels": ("token-classification",),
    "--stride": ("token-classification",),
    "--question": ("question-answering",),
    "--context": ("question-answering",),
    "--doc-stride": ("question-answering",),
    "--max-seq-len": ("question-answering",),
    "--max-answer-len": ("question-answering",),
    "--max-question-len": ("question-answering",),
    "--handle-impossible-answer": ("question-answering",),
    "--align-to-words": ("question-answering",),
    "--pooling": ("feature-extraction",),
    "--labels": ("zero-shot-classification",),
    "--template": ("zero-shot-classification",),
    "--multi-label": ("zero-shot-classification",),
}
"""Tasks of each option; other tasks refuse it."""

_NAMES = {
    "--joint": "joint",
    "--function": "function_to_apply",
    "--ignore-labels": "ignore_labels",
    "--stride": "stride",
    "--doc-stride": "doc_stride",
    "--max-seq-len": "max_seq_len",
    "--max-answer-len": "max_answer_len",
    "--max-question-len": "max_question_len",
    "--handle-impossible-answer": "handle_impossible_answer",
    "--align-to-words": "align_to_words",
    "--labels": "candidate_labels",
    "--template": "hypothesis_template",
    "--multi-label": "multi_label",
}


def check_task_options(task: str, given: Mapping[str, object]) -> None:
    """Refuse options that the task would ignore, and a lack of those that it needs.

    Args:
        task: name of the task.
        given: option to value; None where it was not given.

    Raises:
        UsageError: there is such an option.
    """
    for option, tasks in OPTION_TASKS.items():
        if given.get(option) is not None and task not in tasks:
            raise UsageError(f"{option} is for {' and '.join(tasks)}, not for {task}", hint=f"leave {option} out")
    if task == "zero-shot-classification" and not str(given.get("--labels") or "").strip(", "):
        raise UsageError("zero-shot-classification has no labels to choose from", hint="--labels sports,politics,...")


def task_parameters(given: Mapping[str, object]) -> dict[str, Any]:
    """What was given, under the names that the tasks have in Python."""
    found = {_NAMES[option]: value for option, value in given.items() if option in _NAMES and value is not None}
    if "ignore_labels" in found:
        found["ignore_labels"] = [name.strip() for name in str(found["ignore_labels"]).split(",") if name.strip()]
    return found
