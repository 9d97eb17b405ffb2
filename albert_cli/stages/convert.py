"""`albert convert`: one checkpoint format in, another out, and a report that says whether anything was lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from torch import Tensor

from albert_cli.convert import tf1
from albert_cli.convert.cells import refusal
from albert_cli.convert.config_findings import Facts, Finding, file_values, look
from albert_cli.convert.content import Content, LeftOut
from albert_cli.convert.formats import FORMATS, read_checkpoint, recognise
from albert_cli.convert.tokenizer_files import (
    TokenizerReport,
    ask_the_peers,
    send,
    special_ids,
    tokenizer_place,
)
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
from albert_cli.models.config import CONFIG_FILE
from albert_cli.models.heads import MODEL_CLASSES
from albert_cli.recipe.requests import ConvertRequest
from albert_cli.report.console import Talk, result_json, result_text
from albert_cli.report.tables import Table

ONNX_LIMIT = 1e-4


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


@dataclass
class _Job:
    """A conversion under way: what was read, and what was asked for."""

    request: ConvertRequest
    source: Path
    from_: str
    content: Content
    tokenizer: str | Path | None
    findings: list[Finding]


def convert(request: ConvertRequest) -> Report:
    """Do the work of `run`."""
    target = Path(request.target)
    _check_target(target, overwrite=request.overwrite)
    _check_head(request.head)
    job = _read(request)
    if request.to == "onnx":
        return _to_onnx(job, target)
    content = job.content
    before, seen = outputs(content, place=job.source), marks(content)
    with new_directory(target) as folder:
        left_out = FORMATS[request.to].write(content, folder)
        tokenizer = _send_tokenizer(job, folder)
        content.state.clear()  # two copies of a large model are one too many
        again = read_checkpoint(folder, request.to, head=content.head)
        lines = compare(seen, again, left_out=left_out)
        difference = largest_difference(before, outputs(again, place=folder))
        again.state.clear()
        tokenizer = _ask_the_peers(job, tokenizer, folder)
    return _report(job, tokenizer, tensors=lines, difference=difference, left_out=left_out)


def _read(request: ConvertRequest) -> _Job:
    """Read the source; refuse what the target cannot hold; look at its configuration."""
    source = resolve_model(request.source)
    from_ = recognise(source) if request.from_ == "auto" else request.from_
    content = read_checkpoint(source, from_, head=request.head)
    if request.hidden_act is not None:
        content.config = content.config.changed(hidden_act=request.hidden_act)
    check_complete(content, place=source)
    if (reason := refusal(content, request.to)) is not None:
        raise ModelError(f"{content.head} cannot be written as {request.to}: {reason}", hint="albert convert --help")
    tokenizer = tokenizer_place(source, request.tokenizer)
    values = file_values(source, tf1.CONFIG_FILE if from_ == "tf1" else CONFIG_FILE)
    facts = Facts(values, content.config, from_, request.to, content.head, special_ids(tokenizer))
    findings, content.config = look(facts)
    return _Job(request, source, from_, content, tokenizer, findings)


def _report(
    job: _Job,
    tokenizer: TokenizerReport | None,
    *,
    tensors: list[TensorLine],
    difference: float,
    left_out: list[LeftOut],
) -> Report:
    return Report(
        source=str(job.source),
        source_format=job.from_,
        target=job.request.target,
        target_format=job.request.to,
        head=job.content.head,
        parameters=sum(prod(line.shape) for line in tensors),
        tensors=tensors,
        largest_difference=difference,
        left_out_of_source=job.content.left_out,
        left_out_of_target=left_out,
        notes=job.content.notes,
        config=job.findings,
        tokenizer=tokenizer,
    )


def _to_onnx(job: _Job, target: Path) -> Report:
    """Export, and run the file: there is no way back, so its outputs must speak for it.

    Raises:
        ModelError: they differ from the model's.
    """
    from albert_cli.convert import onnx_export

    content, int8 = job.content, job.request.int8
    before, inputs = outputs(content, place=job.source), fixed_inputs(content)
    with new_directory(target) as folder:
        onnx_export.write(content, folder, example=inputs, int8=int8)
        tokenizer = _send_tokenizer(job, folder)
        difference = largest_difference(before, onnx_export.run(folder, inputs))
        lines = _exported_lines(content, onnx_export.weights(folder))
        if not int8 and not difference <= ONNX_LIMIT:
            raise ModelError(
                f"the exported model's outputs differ by {difference:.3g}", hint="this is a defect: please report it"
            )
        tokenizer = _ask_the_peers(job, tokenizer, folder)
    if int8:
        content.notes.append("weights in 8 bits: measure the score of your task before you use it")
    return _report(job, tokenizer, tensors=lines, difference=difference, left_out=[])


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
    above = next((folder for folder in target.absolute().parents if folder.exists()), None)
    if above is not None and not above.is_dir():
        raise UsageError(f"{safe_line(str(above))} is a file, no directory", hint="choose another directory")


def _check_head(head: str | None) -> None:
    if head is not None and head not in MODEL_CLASSES:
        raise UsageError(f"no model class {safe_line(head)!r}", hint=f"--head is one of {', '.join(MODEL_CLASSES)}")


def _send_tokenizer(job: _Job, folder: Path) -> TokenizerReport | None:
    """Write the tokenizer beside the weights."""
    if job.tokenizer is None:
        job.content.notes.append("no tokenizer beside the weights; name one with --tokenizer")
        return None
    return send(job.tokenizer, folder, job.content.config, to=job.request.to)


def _ask_the_peers(job: _Job, sent: TokenizerReport | None, folder: Path) -> TokenizerReport | None:
    return None if sent is None or job.tokenizer is None else ask_the_peers(sent, job.tokenizer, folder)


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
    lines += [_finding_line(one) for one in report.config]
    lines += _tokenizer_lines(report.tokenizer)
    lines += [f"note: {note}" for note in report.notes]
    equal = sum(line.is_equal for line in report.tensors)
    lines.append(
        f"{report.head}, {report.parameters:,} parameters: {report.source_format} to {report.target_format}, "
        f"{equal} of {len(report.tensors)} tensors the same bits, "
        f"largest difference of a forward pass {report.largest_difference:.3g}"
    )
    lines.append(f"written: {report.target}")
    return lines


def _finding_line(one: Finding) -> str:
    """`config: KEY FOUND (written: OTHER): what is odd`."""
    found = "missing" if one.found is None else _short(one.found)
    written = "" if one.found == one.written else f", written as {_short(one.written)}"
    return f"config: {safe_line(one.key, limit=120)} is {found}{written}: {one.says}"


def _short(value: object) -> str:
    return safe_line(json.dumps(value, ensure_ascii=False, default=str), limit=80)


def _tokenizer_lines(report: TokenizerReport | None) -> list[str]:
    if report is None:
        return []
    lines = [f"tokenizer: {report.kind}, {report.pieces:,} pieces, written as {', '.join(report.files)}"]
    for one in report.differences:
        shown = ", ".join(_short(text) for text in one.examples)
        tried = f" ({one.differing} of {one.tried} strings tried: {shown})" if one.tried else ""
        lines.append(f"tokenizer: {one.peer} differs, {one.key}: {one.says}{tried}")
    return lines + [f"tokenizer: {note}" for note in report.notes]
