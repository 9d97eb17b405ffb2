"""`albert predict`: answers over a data file, in the task's official format."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from albert_cli.data.features import encode_task, encode_texts
from albert_cli.data.tasks.catalogue import find_task
from albert_cli.data.tasks.load import load_rows
from albert_cli.data.tasks.predictions import spoken, write_predictions
from albert_cli.data.tasks.spec import TaskSpec
from albert_cli.errors import DataError, UsageError
from albert_cli.files.atomic import write_file
from albert_cli.files.text import json_line
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.recipe.requests import RunOptions
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.report.console import Talk, result_json
from albert_cli.stages.prediction_files import answer_rows, class_scores, official_text
from albert_cli.stages.target import labels_of, load_trained, read_target
from albert_cli.stages.task_model import answer
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.device import leave_processes, make_accelerator, set_threads
from albert_cli.training.launch import check_world

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
            trained, tokenizer = load_trained(found.model)
            trained.set_attention(runtime.attention)
            predictor = _Predictor(found.recipe, trained, tokenizer, placement.accelerator)
            if input_ == "-":
                return predictor.stream(out)
            count = predictor.file(Path(input_), out, talk)
        finally:
            leave_processes()
        if options.json and talk.is_main:
            result_json({"command": "predict", "task": found.recipe.task, "rows": count, "out": str(out)})
    return 0


class _Predictor:
    """A trained model with its task."""

    def __init__(
        self,
        recipe: FinetuneRecipe,
        model: AlbertPreTrainedModel,
        tokenizer: AlbertTokenizer,
        accelerator: Accelerator,
    ) -> None:
        self.recipe, self.model, self.tokenizer, self.accelerator = recipe, model, tokenizer, accelerator
        self.spec: TaskSpec = find_task(recipe.task)
        self.labels = labels_of(model, self.spec)
        self.max_length = min(recipe.data.max_length, model.config.max_position_embeddings)

    def file(self, path: Path, out: Path | None, talk: Talk) -> int:
        """Predict all rows of a file; returns how many."""
        columns = {name: value for name, value in self.recipe.data.columns.model_dump().items() if value is not None}
        task = load_rows(self.recipe.task, path, columns=columns, label_names=self.labels, limit=self.recipe.data.limit)
        for note in task.notes:
            talk.say(note)
        rows = task.splits["test"]
        encoded = encode_task(rows, self.tokenizer, max_length=self.max_length)
        said = answer(self.model, self.spec, encoded, accelerator=self.accelerator)
        if talk.is_main:
            answered = answer_rows(self.spec, self.labels, rows, said)
            self._write(answered, out)
            talk.say(f"{len(rows):,} predictions" + (f": {out}" if out is not None else ""))
        return len(rows)

    def _write(self, answered: list[dict[str, Any]], out: Path | None) -> None:
        """The official file of a GLUE task; JSONL for other tasks, and where the file's name asks for it."""
        suffix = out.suffix.lower() if out is not None else ""
        if self.spec.is_official and suffix != ".jsonl":
            _deliver(official_text(answered), out)
        elif out is not None and suffix == ".tsv":
            write_predictions(answered, out)
        else:
            _deliver("".join(json_line(row) + "\n" for row in answered), out)

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
        read: dict[int, tuple[str, str]] = {}
        errors: dict[int, str] = {}
        for number, line in group:
            try:
                read[number] = read_line(line)
            except DataError as error:
                errors[number] = error.message
        records = self._predict_texts(list(read.values()))
        for number, _ in group:
            yield {"index": number, **({"error": errors[number]} if number in errors else next(records))}

    def _predict_texts(self, texts: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
        if not texts:
            return
        firsts, seconds = zip(*texts, strict=True)
        encoded = encode_texts(firsts, seconds, self.tokenizer, max_length=self.max_length, kind=self.spec.kind)
        said = answer(self.model, self.spec, encoded, accelerator=self.accelerator)
        scores = class_scores(self.spec, said.logits)
        for place, prediction in enumerate(said.predictions):
            row: dict[str, Any] = {"prediction": spoken(prediction, self.spec, self.labels)}
            if scores is not None:
                row["scores"] = dict(zip(self.labels, scores[place].tolist(), strict=True))
            yield row


def read_line(line: str) -> tuple[str, str]:
    """Text and second text (empty for one) of an input line: plain, TAB-separated, or a JSON object.

    Raises:
        DataError: neither.
    """
    line = line.rstrip("\r\n")
    if not line.strip():
        raise DataError("an empty line")
    if line.startswith("{"):
        try:
            record = json.loads(line)
            first, second = record["text"], record.get("text_pair") or ""
        except (ValueError, KeyError) as error:
            raise DataError('not a JSON object with "text"') from error
        if not isinstance(first, str) or not isinstance(second, str):
            raise DataError('"text" and "text_pair" must be strings')
        return first, second
    first, _, second = line.partition("\t")
    return first, second


def _deliver(text: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        write_file(out, text)
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror or error}", hint="choose another --out") from error
