"""`albert predict`: answers over a data file, in the task's official format."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from accelerate import Accelerator

from albert_cli.errors import DataError, UsageError
from albert_cli.files.atomic import new_file
from albert_cli.files.text import json_line
from albert_cli.inference.engine import check_products, equip, runs_onnx
from albert_cli.inference.onnx_model import OnnxModel
from albert_cli.models.config import AlbertConfig
from albert_cli.recipe.requests import Engine, RunOptions
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.recipe.sections import Runtime
from albert_cli.report.console import Talk, result_json
from albert_cli.stages.answering import ask
from albert_cli.stages.predict_file import SPLIT, Job, check_options, predict_file
from albert_cli.stages.predict_lines import Lines
from albert_cli.stages.target import Target, load_trained, read_target
from albert_cli.stages.tasks.open import is_text_task, open_input, open_records
from albert_cli.stages.tasks.protocol import Task
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.device import leave_processes, make_accelerator, set_threads
from albert_cli.training.launch import check_world


def run(
    target: str,
    input_: str,
    *,
    model: str | None,
    recipe: str | None,
    out: Path | None,
    overrides: Sequence[str],
    shortcuts: Mapping[str, Any],
    options: RunOptions,
    engine: Engine | None = None,
) -> int:
    """Predict a file, or the lines of stdin.

    Args:
        target: see `read_target`; so are ``model``, ``recipe``, ``overrides`` and ``shortcuts``.
        input_: data file, or ``-`` for stdin.
        model: ``--model``.
        recipe: ``--recipe``.
        out: file to write; None is stdout.
        overrides: ``--set``.
        shortcuts: values of the recipe that options gave.
        options: how to go about it.
        engine: what computes; None is torch, exact.

    Returns:
        Exit code 0, or 3 when lines of stdin could not be read; those that could are answered.

    Raises:
        AlbertError: with the exit code that its kind has.
    """
    if options.json and out is None:
        raise UsageError("--json and the predictions would share stdout (albert predict)", hint="add --out FILE")
    check_options(input_, out=out, resume=options.resume)
    with Talk(quiet=options.quiet) as talk:
        found = read_target(
            target, model=model, recipe=recipe, overrides=overrides, shortcuts=shortcuts, inputs_may_be_open=True
        )
        runtime = found.recipe.runtime
        check_world(runtime.nproc)
        set_threads(runtime.threads)
        assert found.model is not None
        computing = _computing(runtime, found.model, engine or Engine(), talk)
        try:
            config, asked = AlbertConfig.from_pretrained(found.model), _of_all_rows(found)
            if input_ == "-":
                nothing = open_records(asked, [], config=config)
                return _Predictor(asked, found.model, nothing, computing, talk).stream(out)
            task = open_input(asked, Path(input_), config=config)
            count = _Predictor(asked, found.model, task, computing, talk).file(
                task, Path(input_), out, talk, resume=options.resume
            )
        finally:
            leave_processes()
        if options.json and talk.is_main:
            result_json({"command": "predict", "task": found.recipe.task, "rows": count, "out": str(out)})
    return 0


def _of_all_rows(found: Target) -> FinetuneRecipe:
    """The recipe without its ``data.limit``, which was of the training rows, unless this very command says one."""
    recipe = found.recipe
    if found.loaded.origins.get("data.limit") == "--set":
        return recipe
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"limit": None})})


Precision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class Computing:
    """What computes, and where.

    Attributes:
        accelerator: device and processes.
        precision: fp32, bf16 or fp16.
        engine: what was asked for besides.
        is_onnx: whether onnxruntime computes.
    """

    accelerator: Accelerator
    precision: Precision
    engine: Engine
    is_onnx: bool


def _computing(runtime: Runtime, folder: Path, engine: Engine, talk: Talk) -> Computing:
    """Settle what computes, before anything is loaded.

    Raises:
        UsageError: things that do not go together.
    """
    is_onnx = runs_onnx(folder, engine, device=runtime.device, precision=runtime.precision)
    placement, precision = make_accelerator(runtime.device, for_inference=True), runtime.precision
    if precision == "fp16" or placement.accelerator.device.type != "cpu":  # bf16 needs no arithmetic of its own there
        placement = make_accelerator(runtime.device, precision, for_inference=True)
        precision = precision_of(placement.accelerator)
    if placement.warning:
        talk.warn(placement.warning)
    found = Computing(placement.accelerator, precision, engine, is_onnx)
    if is_onnx:
        return found
    check_products(placement.accelerator.device, found.precision, engine)
    # The model's own products are in the chosen format, so nothing is left to do for autocast.
    return replace(found, accelerator=make_accelerator(runtime.device, for_inference=True).accelerator)


def precision_of(accelerator: Accelerator) -> Precision:
    """The precision that was settled on."""
    named: dict[str, Precision] = {"no": "fp32", "bf16": "bf16", "fp16": "fp16"}
    return named[str(accelerator.mixed_precision)]


class _Predictor:
    """A trained model with its task."""

    def __init__(self, recipe: FinetuneRecipe, folder: Path, task: Task, computing: Computing, talk: Talk) -> None:
        self.recipe, self.folder, self.accelerator = recipe, folder, computing.accelerator
        self._talk = talk
        self.model: Any
        if computing.is_onnx:
            self.model, said = OnnxModel(folder, task.model_class.__name__).eval(), "products: onnxruntime"
            self.tokenizer = AlbertTokenizer.from_pretrained(folder)
        else:
            self.model, self.tokenizer = load_trained(folder, task.model_class)
            place = self.accelerator.device
            said = equip(self.model.to(place), place, computing.precision, computing.engine)
        if computing.engine.verbose:
            talk.say(said)
        self.model.set_attention(recipe.runtime.attention)
        task.check_head(self.model.config, folder)

    def file(self, task: Task, input_: Path, out: Path | None, talk: Talk, *, resume: bool) -> int:
        """Predict all rows of a file; returns how many."""
        for note in task.notes:
            talk.say(note)
        job = Job(self.recipe, self.folder, input_, out, resume)
        count = predict_file(job, task, self.answer, accelerator=self.accelerator, talk=talk)
        talk.say(f"{count:,} predictions" + (f": {out}" if out is not None else ""))
        return count

    def answer(self, task: Task) -> Any:
        """What the model says of a task's rows."""
        encoded = task.encode(self.tokenizer, [SPLIT])
        return ask(self.model, task, encoded, accelerator=self.accelerator)[SPLIT]

    def stream(self, out: Path | None) -> int:
        """Answer the lines of stdin as they come, one JSON object each; returns the exit code."""
        if out is None:
            return self._write_lines(sys.stdout.write, sys.stdout.flush)
        try:
            with new_file(out) as file:
                return self._write_lines(lambda text: file.write(text.encode()), file.flush)
        except OSError as error:
            raise DataError(f"cannot write {out}: {error.strerror or error}", hint="choose another --out") from error

    def _write_lines(self, write: Callable[[str], object], flush: Callable[[], object]) -> int:
        asked = failed = 0
        for group in Lines(self._opened, self.answer, takes_text=is_text_task(self.recipe)).answered():
            asked += len(group)
            failed += sum("error" in record for record in group)
            write("".join(json_line(record) + "\n" for record in group))
            flush()
        if failed:
            self._talk.error(
                DataError(f"{failed:,} of {asked:,} inputs have no answer", hint='their "error" in the output says why')
            )
        return 3 if failed else 0

    def _opened(self, records: list[dict[str, Any]]) -> Task:
        return open_records(self.recipe, records, config=self.model.config)
