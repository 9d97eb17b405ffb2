"""Several processes at work on the parts of a corpus, and the parts in order."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import albert_cli
from albert_cli.data.parts import Encoder, PartFacts, PartLaw, make_part
from albert_cli.errors import DataError

Task = tuple[Sequence[str], PartLaw]

# For the GNU allocator: large blocks go back to the system at once. Left alone it keeps more of them with every part.
_GIVE_MEMORY_BACK = {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_TRIM_THRESHOLD_": "262144"}
# Not ``-m``: that would look for modules in the working directory first.
_PROGRAM = "import sys; sys.path[0] = sys.argv[1]; from albert_cli.data.encoding_worker import main; sys.exit(main())"


def make_parts(tasks: Iterable[Task], tokenizer: Encoder, *, folder: Path, workers: int) -> Iterator[PartFacts]:
    """Make the parts of a corpus.

    Args:
        tasks: documents and how to encode them; read only as far ahead as there are processes.
        tokenizer: turns sentences into ids; must pickle.
        folder: of the parts.
        workers: processes; 1 works in this one.

    Returns:
        What became of each task, in their order.

    Raises:
        DataError: a process died.
        OSError: the disk does not take the parts.
    """
    if workers <= 1:
        encode, unk = tokenizer.flat_encoder(), tokenizer.unk_token_id
        for texts, law in tasks:
            yield make_part(folder, texts, law, encode=encode, unk=unk)
        return
    with ExitStack() as stack:
        crew = _Crew(pickle.dumps((tokenizer, str(folder))))
        threads = stack.enter_context(ThreadPoolExecutor(workers))
        stack.callback(crew.end)
        stack.callback(lambda: threads.shutdown(wait=False, cancel_futures=True))
        yield from _in_order(tasks, lambda task: threads.submit(crew.ask, task), ahead=workers + 1)


def _in_order(tasks: Iterable[Task], submit: Callable[[Task], Future[PartFacts]], *, ahead: int) -> Iterator[PartFacts]:
    running: deque[Future[PartFacts]] = deque()
    for task in tasks:
        running.append(submit(task))
        del task
        while len(running) >= ahead or (running and running[0].done()):
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


class _Crew:
    """The processes, started when first needed.

    Args:
        start: first message to each.
    """

    def __init__(self, start: bytes) -> None:
        self._start = start
        self._all: list[_Worker] = []
        self._idle: SimpleQueue[_Worker] = SimpleQueue()

    def ask(self, task: Task) -> PartFacts:
        """Let a process do a task; called from as many threads as there may be processes."""
        try:
            worker = self._idle.get_nowait()
        except Empty:
            worker = _Worker(self._start)
            self._all.append(worker)
        try:
            return worker.ask(task)
        finally:
            self._idle.put(worker)

    def end(self) -> None:
        """Stop all at once: what they have not put into its place does not count."""
        for worker in self._all:
            worker.end()


class _Worker:
    """A process that encodes, see ``encoding_worker``."""

    def __init__(self, start: bytes) -> None:
        command = [sys.executable, "-c", _PROGRAM, str(Path(albert_cli.__file__).parents[1])]
        environment = {**_GIVE_MEMORY_BACK, **os.environ}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self._send(start)

    def ask(self, task: Task) -> PartFacts:
        self._send(pickle.dumps(task))
        try:
            kind, content = pickle.load(self._process.stdout)  # type: ignore[arg-type]
        except (EOFError, pickle.UnpicklingError):
            raise self._died() from None
        return _understood(kind, content)

    def end(self) -> None:
        """Stop at once."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what was still to be written cannot be any more
                stream.close()  # type: ignore[union-attr]
        self._process.wait()

    def _send(self, message: bytes) -> None:
        stream = self._process.stdin
        assert stream is not None
        try:
            stream.write(message)
            stream.flush()
        except BrokenPipeError:
            raise self._died() from None

    def _died(self) -> DataError:
        code = self._process.wait()
        return DataError(
            f"a process that encoded text died (exit code {code})",
            hint="there may be too little memory: use fewer, --set data.workers=1; what is done stays done",
        )


def _understood(kind: str, content: Any) -> PartFacts:
    if kind == "disk":
        raise OSError(*content)
    if kind == "defect":
        raise RuntimeError(f"encoding failed in a process of its own:\n{content}")
    facts: PartFacts = content
    return facts
