"""`albert run`: inference from arguments, a file or stdin, one JSON object per input line."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from albert_cli.cli.completion import complete_model, complete_task
from albert_cli.cli.options import (
    CompileOption,
    DebugOption,
    DeviceOption,
    Int8Option,
    OnnxOption,
    PrecisionOption,
    QuietOption,
    ThreadsOption,
    VerboseOption,
)
from albert_cli.cli.task_options import (
    AlignOption,
    DocStrideOption,
    FunctionOption,
    IgnoreLabelsOption,
    ImpossibleOption,
    JointOption,
    LabelsOption,
    MaxAnswerLenOption,
    MaxQuestionLenOption,
    MaxSeqLenOption,
    MultiLabelOption,
    StrideOption,
    TemplateOption,
    check_task_options,
    task_parameters,
)
from albert_cli.errors import UsageError

TextsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="TEXT", help="Inputs; without any, --input or stdin.", show_default=False),
]
TaskOption = Annotated[
    str | None,
    typer.Option(
        "--task",
        metavar="TASK",
        help="fill-mask, text-classification, token-classification (ner), ...",
        autocompletion=complete_task,
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="Model directory, run directory or hub id; else $ALBERT_MODEL.",
        autocompletion=complete_model,
    ),
]
TokenizerOption = Annotated[
    str | None, typer.Option("--tokenizer", metavar="DIR", help="Tokenizer; without it the model's.")
]
InputOption = Annotated[Path | None, typer.Option("--input", metavar="FILE", help="Read the inputs from a file.")]
OutputOption = Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Write there, not to stdout.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", metavar="", help="Replace the file of --output.")]
FormatOption = Annotated[
    Literal["infer", "text", "tsv", "jsonl", "json", "csv"],
    typer.Option("--format", help="Form of the inputs; infer looks at the file's name and at the line."),
]
ColumnOption = Annotated[
    str | None,
    typer.Option("--column", metavar="NAMES", help="Input columns: NAME, or ARGUMENT=NAME,ARGUMENT=NAME."),
]
TopKOption = Annotated[
    int | None,
    typer.Option(
        "--top-k", metavar="N", help="Answers per input (fill-mask, text-classification, question-answering).", min=1
    ),
]
TargetsOption = Annotated[
    str | None, typer.Option("--targets", metavar="A,B,...", help="Words that may fill the mask (fill-mask).")
]
QuestionOption = Annotated[
    str | None, typer.Option("--question", metavar="TEXT", help="What to ask every input (question-answering).")
]
ContextOption = Annotated[
    str | None,
    typer.Option("--context", metavar="TEXT", help="Text in which to look; inputs are questions (question-answering)."),
]
PoolingOption = Annotated[
    Literal["none", "cls", "mean"] | None,
    typer.Option("--pooling", help="One vector per text, or none: one per token (feature-extraction)."),
]
AggregationOption = Annotated[
    Literal["none", "simple", "first", "average", "max"] | None,
    typer.Option(
        "--aggregation", help="How tags of pieces are joined (token-classification; first).", show_default=False
    ),
]
BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        metavar="TOKENS",
        min=1,
        help="Tokens computed together at most (1024, on a GPU 16384); a longer line is alone.",
        show_default=False,
    ),
]
PrettyOption = Annotated[
    bool,
    typer.Option("--pretty", metavar="", help="Tables, bars and coloured text for people, in place of JSON."),
]


def run(
    texts: TextsArgument = None,
    task: TaskOption = None,
    model: ModelOption = None,
    tokenizer: TokenizerOption = None,
    input_: InputOption = None,
    output: OutputOption = None,
    overwrite: OverwriteOption = False,
    format_: FormatOption = "infer",
    column: ColumnOption = None,
    top_k: TopKOption = None,
    targets: TargetsOption = None,
    question: QuestionOption = None,
    context: ContextOption = None,
    pooling: PoolingOption = None,
    aggregation: AggregationOption = None,
    joint: JointOption = False,
    function: FunctionOption = None,
    ignore_labels: IgnoreLabelsOption = None,
    stride: StrideOption = None,
    doc_stride: DocStrideOption = None,
    max_seq_len: MaxSeqLenOption = None,
    max_answer_len: MaxAnswerLenOption = None,
    max_question_len: MaxQuestionLenOption = None,
    handle_impossible_answer: ImpossibleOption = None,
    align_to_words: AlignOption = None,
    labels: LabelsOption = None,
    template: TemplateOption = None,
    multi_label: MultiLabelOption = False,
    batch_size: BatchSizeOption = None,
    pretty: PrettyOption = False,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    int8: Int8Option = False,
    onnx: OnnxOption = False,
    compile_: CompileOption = False,
    threads: ThreadsOption = None,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int | None:
    """Answer input lines, one JSON object each, as they come."""
    from albert_cli.recipe.requests import Engine, RunRequest

    if texts and input_ is not None:
        raise UsageError("TEXT and --input exclude each other (albert run)", hint="give one of them")
    if question is not None and context is not None and (texts or input_ is not None):
        raise UsageError("--question and --context leave nothing for the inputs (albert run)", hint="leave one out")
    checked_task = check_task(task)
    options = {
        "--top-k": top_k,
        "--targets": targets,
        "--pooling": pooling,
        "--aggregation": aggregation,
        "--question": question,
        "--context": context,
        "--joint": joint or None,
        "--function": function,
        "--ignore-labels": ignore_labels,
        "--stride": stride,
        "--doc-stride": doc_stride,
        "--max-seq-len": max_seq_len,
        "--max-answer-len": max_answer_len,
        "--max-question-len": max_question_len,
        "--handle-impossible-answer": handle_impossible_answer,
        "--align-to-words": align_to_words,
        "--labels": labels,
        "--template": template,
        "--multi-label": multi_label or None,
    }
    check_task_options(checked_task, options)
    request = RunRequest(
        task=checked_task,
        model=choose_model(model, quiet=quiet),
        tokenizer=tokenizer,
        texts=tuple(texts or ()),
        input=input_,
        output=output,
        overwrite=overwrite,
        format=format_,
        column=column,
        device=read_device_option(device),
        precision=precision or "fp32",
        threads=threads,
        top_k=top_k,
        targets=tuple(word.strip() for word in targets.split(",")) if targets else (),
        question=question,
        context=context,
        pooling=pooling or "none",
        aggregation=aggregation,
        parameters=task_parameters(options),
        batch_size=batch_size,
        engine=Engine(int8=int8, onnx=onnx, compile=compile_, verbose=verbose),
        quiet=quiet,
        debug=debug,
    )
    from albert_cli.inference.run import run as answer

    if not pretty:
        return answer(request)
    from albert_cli.report.answers import Pretty

    return answer(request, sink=partial(Pretty, task=checked_task))


def check_task(task: str | None, *, command: str = "albert run") -> str:
    """Return a task that exists, under its own name (``ner`` is token-classification).

    Raises:
        UsageError: none was named, or one that does not exist.
    """
    from albert_cli.recipe.problems import nearest
    from albert_cli.recipe.requests import RUN_ALIASES, RUN_TASKS

    task = RUN_ALIASES.get(task or "", task)
    listed = f"--task is one of {', '.join(RUN_TASKS)}"
    if task is None:
        raise UsageError(f"no task named ({command})", hint=listed)
    if task not in RUN_TASKS:
        near = nearest(task, RUN_TASKS, count=1)
        raise UsageError(f"no task {task!r} ({command})", hint=f"did you mean {near[0]}? {listed}" if near else listed)
    return task


def choose_model(model: str | None, *, quiet: bool) -> str:
    """Return the model to use: the option's, else $ALBERT_MODEL, else the released base model; say so unless given."""
    from albert_cli.recipe.requests import DEFAULT_MODEL
    from albert_cli.report.console import Talk

    if model is not None:
        return model
    from_environment = os.environ.get("ALBERT_MODEL")
    chosen = from_environment or DEFAULT_MODEL
    Talk(quiet=quiet).say(
        f"model: {chosen} ({'$ALBERT_MODEL' if from_environment else 'default; --model names another'})"
    )
    return chosen


def read_device_option(device: str | None) -> str:
    """Return the device in torch's words.

    Raises:
        UsageError: it is no device.
    """
    from albert_cli.recipe.devices import read_device

    try:
        return read_device(device or "auto")
    except ValueError as error:
        raise UsageError(f"--device {error}", hint="--device cpu") from None
