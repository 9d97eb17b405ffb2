"""What does `albert run` do, from its request to its exit code?"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from albert_cli.errors import DataError, UsageError
from albert_cli.files.text import safe_line, safe_text
from albert_cli.inference.device import Compute, Warn
from albert_cli.inference.queries import Query, Refusal, Task
from albert_cli.inference.records import Reader, infer_format, read_json_document, reader_for
from albert_cli.inference.stream import (
    JsonLines,
    Pause,
    Sink,
    answer_stream,
    chunks_from_descriptor,
    chunks_from_file,
    chunks_from_stdin,
    is_regular,
    queries_from_lines,
    split_lines,
    stdin_is_terminal,
    whole_stdin,
)
from albert_cli.recipe.requests import RunRequest

if TYPE_CHECKING:
    from albert_cli.inference.loading import Loaded


def run(request: RunRequest, *, sink: Callable[[BinaryIO], Sink] = JsonLines, warn: Warn | None = None) -> int:
    """Answer the inputs of a request on stdout or in its output file.

    Everything that can be checked without the model is checked before it is loaded.

    Args:
        request: what the command line asked for.
        sink: makes what writes or shows the answers.
        warn: takes a warning of one line; None writes it to stderr.

    Returns:
        Exit code 0.

    Raises:
        UsageError: options that do not go together, an output that exists.
        DataError: an input that cannot be read; at the end, when some lines got an ``error`` instead of an answer.
        ModelError: no such model, or one that is not trained for the task.
    """
    warn = _warn_on_stderr if warn is None else warn
    format_ = _check(request)
    with ExitStack() as stack:
        source = stack.enter_context(_open_input(request))
        queries = _queries(request, format_, source)
        loaded, compute = load_model(request, warn)
        task = task_for(request, loaded, compute, warn)
        if source is None and not request.texts and stdin_is_terminal() and not _is_complete(request):
            sys.stderr.write("reading lines from the terminal; Ctrl-D ends them\n")
        out = stack.enter_context(_open_output(request))
        num_lines, num_errors = answer_stream(queries, task, sink(out), batch_tokens=compute.batch_tokens)
    if num_errors:
        raise DataError(
            f"{num_errors:,} of {num_lines:,} inputs have no answer", hint='their "error" in the output says why'
        )
    return 0


def _is_complete(request: RunRequest) -> bool:
    """Whether nothing need be said of waiting for lines: none are read, or nobody wants to hear it."""
    return request.quiet or (request.question is not None and request.context is not None)


def load_model(request: RunRequest, warn: Warn) -> tuple[Loaded, Compute]:
    """Load the model of a request with what computes its answers."""
    import torch

    from albert_cli.inference.engine import load_engine

    if request.threads is not None:
        torch.set_num_threads(request.threads)
    return load_engine(
        request.task,
        request.model,
        tokenizer=request.tokenizer,
        device=request.device,
        precision=request.precision,
        engine=request.engine,
        warn=warn,
        say=_say_on_stderr if request.engine.verbose else _say_nothing,
        batch_tokens=request.batch_size,
    )


def task_for(request: RunRequest, loaded: Loaded, compute: Compute, warn: Warn) -> Task:
    """Make what answers the task of a request with a model that is there already."""
    from albert_cli.inference.tasks import make_task, parameters_of

    return make_task(request.task, loaded, compute, parameters_of(request), warn=warn)


def _check(request: RunRequest) -> str:
    """Check what needs no model, and return the input format."""
    format_ = request.format
    if format_ == "infer" and request.input is not None:
        format_ = infer_format(request.input)
    if format_ == "csv" and request.texts:
        raise UsageError(
            "--format csv needs a heading, so a file or stdin", hint="give --input FILE, or another --format"
        )
    _check_output(request)
    return format_


def _check_output(request: RunRequest) -> None:
    if request.output is None:
        if request.overwrite:
            raise UsageError("--overwrite without --output", hint="name the file with --output FILE")
        return
    shown = safe_line(str(request.output))
    if request.output.exists():
        if not request.overwrite or not request.output.is_file():
            raise UsageError(f"{shown} exists", hint="--overwrite replaces a file; or choose another --output")
        if request.input is not None and request.input.exists() and request.output.samefile(request.input):
            raise UsageError(f"--output is the input itself ({shown})", hint="choose another --output")
    elif not request.output.absolute().parent.is_dir():
        raise UsageError(f"no directory for --output {shown}", hint="make it first, or choose another --output")


@contextmanager
def _open_input(request: RunRequest) -> Iterator[BinaryIO | None]:
    """The file of ``--input``, decompressed on the way if its name ends in .gz; None without ``--input``."""
    if request.input is None:
        yield None
        return
    try:
        raw = request.input.open("rb")
    except OSError as error:
        raise DataError(
            f"cannot read {safe_line(str(request.input))}: {error.strerror}", hint="check --input"
        ) from error
    with raw, gzip.open(raw) if request.input.suffix == ".gz" else raw as file:
        yield cast(BinaryIO, file)


@contextmanager
def _open_output(request: RunRequest) -> Iterator[BinaryIO]:
    """The file of ``--output``, or stdout."""
    if request.output is None:
        if sys.stdout is None:
            raise UsageError("stdout is closed (albert run)", hint="add --output FILE")
        yield cast(BinaryIO, sys.stdout.buffer)
        return
    try:
        file = request.output.open("wb" if request.overwrite else "xb")
    except OSError as error:
        shown = safe_line(str(request.output))
        raise UsageError(f"cannot write {shown}: {error.strerror}", hint="choose another --output") from error
    with file:
        yield cast(BinaryIO, file)


def _queries(request: RunRequest, format_: str, source: BinaryIO | None) -> Iterable[Query | Refusal | Pause]:
    """The queries of a request, read as they are asked for; the format's options are checked now."""
    if request.question is not None and request.context is not None:
        return [Query(_decode_argument(request.question), _decode_argument(request.context))]
    found = _read_queries(request, format_, source)
    if request.question is None and request.context is None:
        return found
    return (_completed(query, request) if isinstance(query, Query) else query for query in found)


def _completed(query: Query, request: RunRequest) -> Query:
    """A query of which the command line gave one half: a question with its context."""
    if request.context is not None:
        return Query(query.text, _decode_argument(request.context))
    return Query(_decode_argument(request.question or ""), query.text)


def _read_queries(request: RunRequest, format_: str, source: BinaryIO | None) -> Iterable[Query | Refusal | Pause]:
    if request.texts:
        reader = _reader("jsonl" if format_ == "json" else format_, request)
        return queries_from_lines(map(_decode_argument, request.texts), reader)
    place = "stdin" if request.input is None else str(request.input)
    if format_ == "json":
        data = source.read() if source is not None else b"".join(whole_stdin())
        if request.task == "multiple-choice":
            from albert_cli.inference.choice_records import read_choice_document

            return read_choice_document(data, column=request.column, place=safe_line(place))
        return read_json_document(
            data, request.task, column=request.column, place=safe_line(place), arguments=_arguments(request)
        )
    return _read_lines(source, _reader(format_, request), place)


def _reader(format_: str, request: RunRequest) -> Reader:
    if request.task == "multiple-choice":
        from albert_cli.inference.choice_records import choice_reader

        return choice_reader(format_, column=request.column)
    return reader_for(format_, request.task, column=request.column, arguments=_arguments(request))


def _arguments(request: RunRequest) -> tuple[str, ...] | None:
    """What the inputs hold where the command line gave the rest; None for all that the task takes."""
    if request.question is not None:
        return ("context",)
    return None if request.context is None else ("question",)


def _read_lines(source: BinaryIO | None, reader: Reader, place: str) -> Iterator[Query | Refusal | Pause]:
    if source is None:
        chunks: Iterator[bytes | Pause] = chunks_from_stdin()
    else:  # a named pipe is read as stdin is
        chunks = chunks_from_file(source) if _is_whole(source) else chunks_from_descriptor(source.fileno())
    try:
        yield from queries_from_lines(split_lines(chunks), reader)
    except (EOFError, gzip.BadGzipFile) as error:
        raise DataError(f"damaged or cut gzip data ({safe_line(place)})", hint="fetch or compress it again") from error


def _is_whole(source: BinaryIO) -> bool:
    return isinstance(cast(Any, source), gzip.GzipFile) or is_regular(source)


def _decode_argument(text: str) -> str:
    """An argument of the command line; bytes that are no UTF-8 are replaced, as in lines."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _say_on_stderr(text: str) -> None:
    sys.stderr.write(f"{safe_text(text)}\n")


def _say_nothing(text: str) -> None:
    """For those who did not ask."""


def _warn_on_stderr(text: str) -> None:
    sys.stderr.write(f"warning: {safe_text(text)}\n")
