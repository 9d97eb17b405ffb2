"""`albert doctor`: does a whole life of a tiny model go well on this machine, and what is slow or missing here?

The parts are those of `make demo`, smaller still: what they learn is of no interest, that they run is.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from albert_cli.data.python_docs import iter_doc_strings
from albert_cli.errors import AlbertError, Interrupted
from albert_cli.inference.run import run as run_inference
from albert_cli.recipe.load import load_recipe
from albert_cli.recipe.requests import ConvertRequest, EvalOptions, RunOptions, RunRequest
from albert_cli.report.checklist import Check, Checklist
from albert_cli.report.console import Talk, error_lines, result_json
from albert_cli.stages import convert, evaluate, finetune, predict, pretrain, train_tokenizer
from albert_cli.stages.demo import TINY, part_recipe
from albert_cli.stages.doctor_machine import machine_checks
from albert_cli.training.launch import usable_cores

_MOST_THREADS = 2  # more do not help so small a model
_LIBRARIES = ("python", "numpy")
_ROWS = 60
_LIFE = {
    "tokenizer": (*TINY["tokenizer"], "data.limit=500", "tokenizer.vocab_size=300"),
    "pretrain": (
        *TINY["pretrain"],
        "data.limit=500",
        "train.max_steps=20",
        "train.eval_every=20",
        "model.embedding_size=64",  # narrower than the layers, as in every released model
    ),
}
_TASK = ("train.epochs=1", "train.batch_size=16", "train.warmup_steps=2", "data.max_length=32", "train.log_every=4")


def run(*, threads: int | None = None, json: bool = False, debug: bool = False) -> int:
    """Look at the machine, then live the whole life in a temporary directory.

    Args:
        threads: of the processor; None takes two, or the one there is.
        json: print one JSON object instead of lines.
        debug: show what a failed step said, and its traceback, on stderr.

    Returns:
        Exit code: 0 when every step went well; that of the first failed step's error where it is one of data, model
        or training; else 1.

    Raises:
        Interrupted: a signal came.
    """
    began = time.monotonic()
    shown = Checklist(silent=json)
    for found in machine_checks():
        shown.add(found)
    with tempfile.TemporaryDirectory(prefix="albert-doctor-") as folder:
        life = _Life(Path(folder), threads or min(_MOST_THREADS, usable_cores()))
        code = _live(life, shown, debug=debug)
    seconds = time.monotonic() - began
    failed = shown.failed
    if json:
        parts = {
            "machine": [check.as_json() for check in shown.checks if check.seconds is None],
            "steps": [check.as_json() for check in shown.checks if check.seconds is not None],
        }
        result_json({"command": "doctor", "ok": not failed, **parts, "seconds": round(seconds, 1)})
    else:
        shown.close(f"{f'{len(failed)} failed: ' + ', '.join(failed) if failed else 'all well'}; {seconds:.0f} s")
    return code


@dataclass(frozen=True)
class _Life:
    """A folder and what happens in it, a method a step; each says in a few words what came of it."""

    out: Path
    threads: int

    def steps(self) -> list[tuple[str, Callable[[Talk], str], tuple[str, ...]]]:
        """Name, work, and the steps it builds on."""
        return [
            ("train-tokenizer", self.tokenizer, ()),
            ("pretrain", self.pretrain, ("train-tokenizer",)),
            ("finetune", self.finetune, ("pretrain",)),
            ("eval", self.evaluate, ("finetune",)),
            ("predict", self.predict, ("finetune",)),
            ("run fill-mask", self.fill_mask, ("pretrain",)),
            ("convert to tf1", self.convert_there, ("pretrain",)),
            ("convert back", self.convert_back, ("convert to tf1",)),
        ]

    def tokenizer(self, talk: Talk) -> str:
        recipe = part_recipe("tokenizer", self.out, _LIFE, threads=self.threads)
        return f"{train_tokenizer.execute(recipe, RunOptions(), talk)['pieces']:,} pieces"

    def pretrain(self, talk: Talk) -> str:
        recipe = part_recipe("pretrain", self.out, _LIFE, threads=self.threads)
        result = pretrain.execute(recipe, RunOptions(), talk)
        return f"{result['steps']} steps, loss on held-out text {result['held_out']['mlm_loss']:.2f}"

    def finetune(self, talk: Talk) -> str:
        data = _labelled_texts(self.out / "data")
        recipe = load_recipe(
            "own/text-classification",
            overrides=[
                f"model={self.out / 'pretrain'}",
                f"data.path={data}",
                f"data.cache={self.out / 'cache'}",
                *_TASK,
            ],
            shortcuts={"out": str(self.out / "task"), "runtime.threads": self.threads},
        )
        result = finetune.execute(recipe, RunOptions(), talk)
        return f"{result['steps']} steps, accuracy {result['scores']['dev']['accuracy']:.0%}"

    def evaluate(self, talk: Talk) -> str:
        evaluate.run(
            [str(self.out / "task")],
            model=None,
            recipe=None,
            overrides=[],
            shortcuts={"runtime.threads": self.threads},
            predictions=None,
            fail_under={},
            shown=EvalOptions(),
            options=RunOptions(),
        )
        return f"{_ROWS} rows scored"

    def predict(self, talk: Talk) -> str:
        written = self.out / "answers.jsonl"
        predict.run(
            str(self.out / "task"),
            str(self.out / "data" / "dev.jsonl"),
            model=None,
            recipe=None,
            out=written,
            overrides=[],
            shortcuts={"runtime.threads": self.threads},
            options=RunOptions(),
        )
        return f"{_lines(written, at_least=_ROWS):,} rows answered"

    def fill_mask(self, talk: Talk) -> str:
        written = self.out / "filled.jsonl"
        run_inference(
            RunRequest(
                task="fill-mask",
                model=str(self.out / "pretrain"),
                texts=("Returns a new [MASK] with the given values.",),
                output=written,
                threads=self.threads,
            )
        )
        answers = json.loads(written.read_text("utf-8").splitlines()[0])["results"]
        return f"{len(answers)} answers, the first with {answers[0]['score']:.0%}"

    def convert_there(self, talk: Talk) -> str:
        report = convert.convert(
            ConvertRequest(source=str(self.out / "pretrain"), target=str(self.out / "tf1"), to="tf1")
        )
        return f"{len(report.tensors)} tensors, {_same(report.largest_difference)}"

    def convert_back(self, talk: Talk) -> str:
        report = convert.convert(ConvertRequest(source=str(self.out / "tf1"), target=str(self.out / "hf"), to="hf"))
        return f"{len(report.tensors)} tensors, {_same(report.largest_difference)}"


def _live(life: _Life, shown: Checklist, *, debug: bool) -> int:
    """Take the steps; the exit code."""
    code = 0
    for name, work, needs in life.steps():
        missing = [need for need in needs if need not in shown.done]
        if missing:
            shown.add(Check(name, "skipped", f"not tried without {missing[0]}", seconds=0.0))
            continue
        began = time.monotonic()
        said = io.StringIO()
        try:
            with _overheard(said) as talk:
                words = work(talk)
        except Interrupted:
            raise
        except Exception as error:
            code = code or _exit_code(error)
            shown.add(Check(name, "failed", _told(error), seconds=time.monotonic() - began))
            if debug:
                sys.stderr.write(said.getvalue() + traceback.format_exc())
        else:
            shown.add(Check(name, "ok", words, seconds=time.monotonic() - began))
    return code


@contextmanager
def _overheard(said: io.StringIO) -> Iterator[Talk]:
    """Take what a step says to either stream; only its outcome is shown."""
    with redirect_stdout(said), redirect_stderr(said), Talk(stream=said) as talk:
        yield talk


def _exit_code(error: Exception) -> int:
    """Usage errors of a command that takes no recipe are ours."""
    return error.exit_code if isinstance(error, AlbertError) and error.exit_code in (3, 4) else 1


def _told(error: Exception) -> str:
    if isinstance(error, AlbertError):
        return "; ".join(error_lines(error))
    return f"error: {type(error).__name__}: {error}"


def _labelled_texts(folder: Path) -> Path:
    """A small table in two splits: documentation strings, and the library that each is from."""
    folder.mkdir()
    for split, first in (("train", 0), ("dev", _ROWS // 2)):
        rows = [
            {"text": doc.text, "label": library}
            for library in _LIBRARIES
            for doc in islice(iter_doc_strings((library,)), first, first + _ROWS // 2)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def _lines(path: Path, *, at_least: int) -> int:
    found: Sequence[str] = path.read_text("utf-8").splitlines()
    if len(found) < at_least:
        raise RuntimeError(f"{len(found)} answers to {at_least} rows")
    return len(found)


def _same(difference: float | None) -> str:
    return "the same answers" if not difference else f"answers differ by up to {difference:.1g}"
