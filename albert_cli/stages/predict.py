"""`albert predict`: answers over a data file, in the task's official format."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from albert_cli.errors import DataError, UsageError
from albert_cli.files.atomic import write_file
from albert_cli.files.text import json_line
from albert_cli.models.config import AlbertConfig
from albert_cli.recipe.requests import RunOptions
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.report.console import Talk, result_json
from albert_cli.stages.answering import ask
from albert_cli.stages.target import Target, load_trained, read_target
from albert_cli.stages.tasks.facts import Accompanied
from albert_cli.stages.tasks.open import is_text_task, open_input, open_records
from albert_cli.stages.tasks.protocol import Task
from albert_cli.training.device import leave_processes, make_accelerator, set_threads
from albert_cli.training.launch import check_world

_SPLIT = "test"  # what rows to predict are called
# Lines of stdin that are answered together: many enough to fill a processor, few enough to answer soon.
_LINES_AT_ONCE = 64


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
) -> int:
    """Predict a file, or the lines of stdin.

    Returns:
        Exit code 0, or 3 when lines of stdin could not be read; those that could are answered.

    Raises:
        AlbertError: with the exit code that its kind has.
    """
    if options.json and out is None:
        raise UsageError("--json and the predictions would share stdout (albert predict)", hint="add --out FILE")
    with Talk(quiet=options.quiet) as talk:
        found = read_target(
            target, model=model, recipe=recipe, overrides=overrides, shortcuts=shortcuts, inputs_may_be_open=True
        )
        runtime = found.recipe.runtime
        check_world(runtime.nproc)
        set_threads(runtime.threads)
        placement = make_accelerator(runtime.device, runtime.precision, for_inference=True)
        if placement.warning:
            talk.warn(placement.warning)
        assert found.model is not None
        try:
            config, asked = AlbertConfig.from_pretrained(found.model), _of_all_rows(found)
            if input_ == "-":
                nothing = open_records(asked, [], config=config)
                return _Predictor(asked, found.model, nothing, placement.accelerator).stream(out)
            task = open_input(asked, Path(input_), config=config)
            count = _Predictor(asked, found.model, task, placement.accelerator).file(task, out, talk)
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


class _Predictor:
    """A trained model with its task."""

    def __init__(
        self,
        recipe: FinetuneRecipe,
        folder: Path,
        task: Task,
        accelerator: Accelerator,
    ) -> None:
        self.recipe, self.accelerator = recipe, accelerator
        self.model, self.tokenizer = load_trained(folder, task.model_class)
        self.model.set_attention(recipe.runtime.attention)
        task.check_head(self.model.config, folder)

    def file(self, task: Task, out: Path | None, talk: Talk) -> int:
        """Predict all rows of a file; returns how many."""
        for note in task.notes:
            talk.say(note)
        answers = self._answers(task)
        count = len(task.splits[_SPLIT])
        if talk.is_main:
            text = task.official(_SPLIT, answers, out.suffix.lower() if out is not None else "")
            if text is None:
                text = "".join(json_line(row) + "\n" for row in task.records(_SPLIT, answers))
            _deliver(text, out)
            if out is not None and isinstance(task, Accompanied):
                for name, content in task.beside(_SPLIT, answers, out.name).items():
                    _deliver(content, out.with_name(name))
            talk.say(f"{count:,} predictions" + (f": {out}" if out is not None else ""))
        return count

    def _answers(self, task: Task) -> Any:
        encoded = task.encode(self.tokenizer, [_SPLIT])
        return ask(self.model, task, encoded, accelerator=self.accelerator)[_SPLIT]

    def stream(self, out: Path | None) -> int:
        """Answer the lines of stdin as they come, one JSON object each."""
        lines = (line.decode("utf-8", "replace") for line in sys.stdin.buffer)
        answers = self._answered(lines)
        if out is not None:
            records = list(answers)
            _deliver("".join(json_line(record) + "\n" for record in records), out)
            return 3 if any("error" in record for record in records) else 0
        failed = False
        for record in answers:
            failed |= "error" in record
            sys.stdout.write(json_line(record) + "\n")
            sys.stdout.flush()
        return 3 if failed else 0

    def _answered(self, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
        numbered = enumerate(lines)
        # At a terminal somebody waits for the answer to each line.
        at_once = 1 if sys.stdin.isatty() else _LINES_AT_ONCE
        while group := list(islice(numbered, at_once)):
            yield from self._answer_lines(group)

    def _answer_lines(self, group: list[tuple[int, str]]) -> Iterator[dict[str, Any]]:
        read: dict[int, dict[str, Any]] = {}
        errors: dict[int, str] = {}
        for number, line in group:
            try:
                read[number] = read_line(line, plain_text=is_text_task(self.recipe))
            except DataError as error:
                errors[number] = error.message
        try:
            task = self._opened(list(read.values()))
        except DataError:  # what is wrong with one line is no other line's fault
            errors |= self._refused(read)
            task = self._opened([record for number, record in read.items() if number not in errors])
        said = iter(task.records(_SPLIT, self._answers(task)) if len(task.splits[_SPLIT]) else ())
        for number, _ in group:
            yield {"index": number, "error": errors[number]} if number in errors else {**next(said), "index": number}

    def _refused(self, read: Mapping[int, dict[str, Any]]) -> dict[int, str]:
        errors = {}
        for number, record in read.items():
            try:
                self._opened([record])
            except DataError as error:
                errors[number] = error.message
        return errors

    def _opened(self, records: list[dict[str, Any]]) -> Task:
        return open_records(self.recipe, records, config=self.model.config)


def read_line(line: str, *, plain_text: bool) -> dict[str, Any]:
    """An input line as a JSON object.

    Args:
        line: a JSON object, or text.
        plain_text: whether a line of plain or TAB-separated text will do.

    Raises:
        DataError: an empty line, or no JSON object where one is needed.
    """
    line = line.rstrip("\r\n")
    if not line.strip():
        raise DataError("an empty line")
    if plain_text and not line.startswith("{"):
        first, _, second = line.partition("\t")
        return {"text": first, "text_pair": second}
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError("not a JSON object") from error
    if not isinstance(record, dict):
        raise DataError("not a JSON object")
    return record


def _deliver(text: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        write_file(out, text)
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror or error}", hint="choose another --out") from error
