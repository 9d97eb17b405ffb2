"""`albert convert`: one checkpoint format in, another out, and a report that says whether anything was lost."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path

from torch import Tensor

from albert_cli.convert.cells import refusal
from albert_cli.convert.content import Content, LeftOut
from albert_cli.convert.formats import FORMATS, read_checkpoint, recognise
from albert_cli.convert.verify import (
    Report,
    TensorLine,
    check_complete,
    compare,
    fixed_inputs,
    largest_difference,
    marks,
    outputs,
    same_bits,
)
from albert_cli.errors import ModelError, UsageError
from albert_cli.files.atomic import new_directory
from albert_cli.files.hub import resolve_model
from albert_cli.files.text import safe_line
from albert_cli.recipe.requests import ConvertRequest
from albert_cli.report.console import Talk, result_json, result_text
from albert_cli.report.tables import Table
from albert_cli.tokenization.tokenizer import AlbertTokenizer

ONNX_LIMIT = 1e-4
ORIGINAL_MODEL_FILE = "30k-clean.model"
TOKENIZER_FILES = ("spiece.model", ORIGINAL_MODEL_FILE, "tokenizer.json")


def run(request: ConvertRequest) -> int:
    """Convert and print the report.

    Returns:
        Exit code 0.

    Raises:
        AlbertError: with the exit code that its kind has; nothing is left in the target then.
    """
    with Talk(quiet=request.quiet) as talk:
        report = convert(request)
        talk.say(f"converted {report.source}")
        if request.json:
            result_json({"command": "convert", **report.to_dict()})
        else:
            for line in report_lines(report):
                result_text(line)
    return 0


def convert(request: ConvertRequest) -> Report:
    """Do the work of `run`."""
    source, target = resolve_model(request.source), Path(request.target)
    _check_target(target, overwrite=request.overwrite)
    content, from_ = _read(source, request)
    if (reason := refusal(content, request.to)) is not None:
        raise ModelError(f"{content.head} cannot be written as {request.to}: {reason}", hint="albert convert --help")
    if request.to == "onnx":
        return _to_onnx(content, source, target, from_, request)
    before, seen = outputs(content, place=source), marks(content)
    with new_directory(target) as folder:
        left_out = FORMATS[request.to].write(content, folder)
        _send_tokenizer(source, folder, content, request)
        content.state.clear()  # two copies of a large model are one too many
        again = read_checkpoint(folder, request.to, head=content.head)
        lines = compare(seen, again, left_out=left_out)
        difference = largest_difference(before, outputs(again, place=folder))
    return _report(content, source, from_, request, tensors=lines, difference=difference, left_out=left_out)


def _report(
    content: Content,
    source: Path,
    from_: str,
    request: ConvertRequest,
    *,
    tensors: list[TensorLine],
    difference: float,
    left_out: list[LeftOut],
) -> Report:
    return Report(
        source=str(source),
        source_format=from_,
        target=request.target,
        target_format=request.to,
        head=content.head,
        parameters=sum(prod(line.shape) for line in tensors),
        tensors=tensors,
        largest_difference=difference,
        left_out_of_source=content.left_out,
        left_out_of_target=left_out,
        notes=content.notes,
    )


def _to_onnx(content: Content, source: Path, target: Path, from_: str, request: ConvertRequest) -> Report:
    """Export, and run the file: there is no way back, so its outputs must speak for it.

    Raises:
        ModelError: they differ from the model's.
    """
    from albert_cli.convert import onnx_export

    before, inputs = outputs(content, place=source), fixed_inputs(content)
    with new_directory(target) as folder:
        onnx_export.write(content, folder, example=inputs, int8=request.int8)
        _send_tokenizer(source, folder, content, request)
        difference = largest_difference(before, onnx_export.run(folder, inputs))
        lines = _exported_lines(content, onnx_export.weights(folder))
        if not request.int8 and not difference <= ONNX_LIMIT:
            raise ModelError(
                f"the exported model's outputs differ by {difference:.3g}", hint="this is a defect: please report it"
            )
    if request.int8:
        content.notes.append("weights in 8 bits: measure the score of your task before you use it")
    return _report(content, source, from_, request, tensors=lines, difference=difference, left_out=[])


def _exported_lines(content: Content, exported: Mapping[str, Tensor]) -> list[TensorLine]:
    """The weights, with their names in the file where it holds the same bits; the exporter folds some into others."""
    lines = []
    for name, tensor in content.state.items():
        ours = name.removeprefix("albert.") if content.head == "AlbertModel" else name
        is_equal = ours in exported and same_bits(tensor, exported[ours])
        target = f"model.{ours}" if is_equal else None
        lines.append(TensorLine(name, content.sources.get(name, name), target, tuple(tensor.shape), is_equal))
    return lines


def _check_target(target: Path, *, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        raise UsageError(f"{safe_line(str(target))} exists", hint="choose another directory, or add --overwrite")
    if target.exists() and not target.is_dir():
        raise UsageError(f"{safe_line(str(target))} is a file", hint="choose another directory")


def _read(source: Path, request: ConvertRequest) -> tuple[Content, str]:
    from_ = recognise(source) if request.from_ == "auto" else request.from_
    content = read_checkpoint(source, from_, head=request.head)
    if request.hidden_act is not None:
        content.config = content.config.changed(hidden_act=request.hidden_act)
    check_complete(content, place=source)
    return content, from_


def _send_tokenizer(source: Path, folder: Path, content: Content, request: ConvertRequest) -> None:
    """Write the tokenizer beside the weights, in the files that the target's readers look for."""
    named = request.tokenizer or str(source)
    if request.tokenizer is None and not any((source / name).is_file() for name in TOKENIZER_FILES):
        content.notes.append(
            f"no tokenizer beside the weights; name one with --tokenizer ({', '.join(TOKENIZER_FILES)})"
        )
        return
    tokenizer = AlbertTokenizer.from_pretrained(named)
    if len(tokenizer) != content.config.vocab_size:
        content.notes.append(
            f"the tokenizer has {len(tokenizer)} pieces and the model's vocab_size is {content.config.vocab_size}"
        )
    if request.to == "tf1":
        Path(tokenizer.save_vocabulary(folder)[0]).rename(folder / ORIGINAL_MODEL_FILE)
        content.notes.append("google's code takes lower-casing from a flag (--do_lower_case), no file says it")
    else:
        tokenizer.save_pretrained(folder)


def report_lines(report: Report) -> list[str]:
    """The report as text."""
    rows = [
        (line.source, line.target or "-", "x".join(map(str, line.shape)) or "scalar", "yes" if line.is_equal else "-")
        for line in report.tensors
    ]
    lines = [Table(("source", "target", "shape", "same bits"), rows).text()]
    lines += [
        f"left out: {one.name} ({one.reason})" for one in (*report.left_out_of_source, *report.left_out_of_target)
    ]
    lines += [f"note: {note}" for note in report.notes]
    equal = sum(line.is_equal for line in report.tensors)
    lines.append(
        f"{report.head}, {report.parameters:,} parameters: {report.source_format} to {report.target_format}, "
        f"{equal} of {len(report.tensors)} tensors the same bits, "
        f"largest difference of a forward pass {report.largest_difference:.3g}"
    )
    lines.append(f"written: {report.target}")
    return lines
