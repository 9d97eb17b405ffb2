"""How is a whole file predicted: in parts that fit into memory, and on from where a stopped command left off?

Where a part ends follows from the rows alone, so that every row is computed in the same company whatever happened
before: a resumed file is the file of an uninterrupted run, byte by byte.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from albert_cli import __version__
from albert_cli.data.prediction_tables import csv_lines, json_lines, write_parquet
from albert_cli.errors import AlbertError, DataError, UsageError
from albert_cli.files.atomic import new_file
from albert_cli.files.checksum import file_sha256
from albert_cli.files.text import safe_line
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.report.console import Talk
from albert_cli.report.progress import Progress
from albert_cli.stages.input_columns import input_columns
from albert_cli.stages.tasks.facts import Accompanied
from albert_cli.stages.tasks.protocol import Form, Records, Task
from albert_cli.stages.unfinished import Unfinished, open_unfinished

SPLIT = "test"  # what rows to predict are called

CHARACTERS_AT_ONCE = 500_000  # of a part: about 125,000 tokens, a minute of a processor or an instant of a GPU
ROWS_AT_ONCE = 4096
_TEXTS = ("text", "text_pair", "question", "context")
_LISTS = ("choices", "tokens")
_UNUSED = {"out", "trackers", "runtime", "train", "description", "seed", "init", "model", "tokenizer"}  # by predict


@dataclass(frozen=True)
class Job:
    """What is to be predicted, and where it goes.

    Attributes:
        recipe: of the task.
        model: directory of the model.
        input: file or folder of the rows.
        out: file to write; None is stdout.
        resume: go on with what a stopped command left.
    """

    recipe: FinetuneRecipe
    model: Path
    input: Path
    out: Path | None
    resume: bool


def predict_file(job: Job, task: Task, answer: Callable[[Task], Any], *, accelerator: Accelerator, talk: Talk) -> int:
    """Predict all rows of a file; call it on all processes.

    Args:
        job: what and where to.
        task: with the rows.
        answer: asks the model about a task with some of the rows.
        accelerator: the processes.
        talk: the command's voice.

    Returns:
        How many rows there are.

    Raises:
        DataError: what was begun was begun with something else, or the file cannot be written.
    """
    rows = task.splits[SPLIT]
    ends = part_ends(costs_of(rows))
    with ExitStack() as stack:
        unfinished, done = _begin(job, ends, accelerator)
        if unfinished is not None:
            stack.enter_context(unfinished)
        if job.resume:
            talk.say(f"{done:,} of {len(rows):,} predictions are there" if done else "nothing is there: from the start")
        left = [end for end in ends if end > done]
        try:
            _predict_parts(job, task, answer, unfinished, first=done, ends=left, talk=talk)
        except KeyboardInterrupt:
            if job.out is not None:
                talk.say("stopped; what is done is kept, and --resume goes on with it")
            raise
        if unfinished is not None:
            _deliver(job.out, task, unfinished.records)
            unfinished.discard()
    return len(rows)


def _predict_parts(
    job: Job,
    task: Task,
    answer: Callable[[Task], Any],
    unfinished: Unfinished | None,
    *,
    first: int,
    ends: Sequence[int],
    talk: Talk,
) -> None:
    """Predict the rows from ``first`` in parts, and keep what is done."""
    rows = task.splits[SPLIT]
    columns = input_columns(job.recipe, job.input, rows) if unfinished is not None and _is_table(job, task) else None
    with Progress(talk, total=len(rows), start=first, unit="row") as progress:
        for last in ends:
            part = task.part(SPLIT, rows.select(range(first, last)), first=first)
            records = part.records(SPLIT, answer(part))
            if unfinished is not None:
                unfinished.append(records if columns is None else columns.add_to(records, first=first))
            first = last
            progress.update(last)


def costs_of(rows: Any) -> Iterator[int]:
    """Characters that a model reads for each row: with choices the text is read for each of them."""
    names = [name for name in (*_TEXTS, *_LISTS) if name in rows.column_names]
    for row in rows.select_columns(names):
        once = sum(len(row[name] or "") for name in names if name in _TEXTS)
        lists = [row[name] or [] for name in names if name in _LISTS]
        times = max([1, *(len(row["choices"]) for _ in names[:1] if "choices" in row)])
        yield once * times + sum(len(item) for one in lists for item in one)


def part_ends(costs: Iterator[int]) -> list[int]:
    """Cut rows into parts: the row behind the last of each.

    Args:
        costs: characters of each row.
    """
    ends: list[int] = []
    rows = characters = total = 0
    for cost in costs:
        if rows and (rows == ROWS_AT_ONCE or characters + cost > CHARACTERS_AT_ONCE):
            ends.append(total)
            rows = characters = 0
        rows += 1
        total += 1
        characters += cost
    return [*ends, total] if rows else ends


def _begin(job: Job, ends: Sequence[int], accelerator: Accelerator) -> tuple[Unfinished | None, int]:
    """Open what is there on the main process; every process learns how many rows are done, or that none can be."""
    unfinished: Unfinished | None = None
    said: list[Any] = [0]
    if accelerator.is_main_process:
        try:
            unfinished = open_unfinished(job.out, _made_with(job, accelerator), resume=job.resume)
            count = unfinished.count()
            said = [max([0, *(end for end in ends if end <= count)])]
            unfinished.keep(said[0])
        except AlbertError as error:
            said = [error]
    if accelerator.num_processes > 1:
        broadcast_object_list(said)
    if isinstance(said[0], AlbertError):
        raise said[0]
    return unfinished, int(said[0])


def _made_with(job: Job, accelerator: Accelerator) -> dict[str, str]:
    """Digests of everything that a prediction depends on, by what a user would call it."""
    runtime = job.recipe.runtime
    how = {
        "device": accelerator.device.type,
        "precision": runtime.precision,
        "processes": accelerator.num_processes,
        "threads": torch.get_num_threads(),
        "attention": runtime.attention,
    }
    asked = job.recipe.model_dump(mode="json", exclude=_UNUSED)
    return {
        "version of albert": __version__,
        "model": _digest(_files(job.model)),
        "recipe": _digest([("recipe", asked)]),
        "input": _digest(_files(job.input)),
        "set of runtime options": _digest([("runtime", how)]),
    }


def _files(place: Path) -> Iterator[tuple[str, str]]:
    paths = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
    return ((path.name, file_sha256(path)) for path in paths)


def _digest(parts: Any) -> str:
    return hashlib.sha256(json.dumps(list(parts), sort_keys=True).encode()).hexdigest()


def _is_table(job: Job, task: Task) -> bool:
    """Whether rows of the input go beside their predictions: wherever the task has no form of its own."""
    return task.official(_suffix(job.out)) is None


def _suffix(out: Path | None) -> str:
    return "" if out is None else out.suffix.lower()


def _deliver(out: Path | None, task: Task, records: Records) -> None:
    """Write the predictions where they belong, in the form that the name asks for."""
    form = task.official(_suffix(out)) or (csv_lines if _suffix(out) == ".csv" else json_lines)
    if out is None:
        for text in form(records):
            sys.stdout.write(text)
        sys.stdout.flush()
        return
    beside: Mapping[str, Form] = task.beside(out.name) if isinstance(task, Accompanied) else {}
    try:
        for name, other in beside.items():
            with new_file(out.with_name(name)) as file:
                _write(file, other(records))
        with new_file(out) as file:
            if _suffix(out) == ".parquet":
                write_parquet(records, file)
            else:
                _write(file, form(records))
    except OSError as error:
        raise DataError(
            f"cannot write {safe_line(str(out))}: {error.strerror or error}", hint="choose another --out"
        ) from error


def _write(file: BinaryIO, texts: Iterator[str]) -> None:
    for text in texts:
        file.write(text.encode())


def check_options(input_: str, *, out: Path | None, resume: bool) -> None:
    """Refuse what cannot be, before anything is loaded.

    Raises:
        UsageError: nothing to resume, or an output that is a directory.
    """
    if resume and (out is None or input_ == "-"):
        lacking = "a file to read" if input_ == "-" else "--out FILE"
        raise UsageError(f"--resume needs {lacking} (albert predict)", hint="leave --resume out")
    if out is not None and out.is_dir():
        raise UsageError(f"--out {safe_line(str(out))} is a directory (albert predict)", hint="name a file in it")
