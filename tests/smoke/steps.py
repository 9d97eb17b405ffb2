"""What the smoke runs share: calling the command line as a user does, and texts that can be learnt from."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

SUBJECTS = ["the film", "this story", "the acting", "a quiet evening", "the second half", "her new book", "the music"]
GOOD = ["bright", "moving", "clever", "warm", "honest", "fresh", "splendid", "charming"]
BAD = ["dull", "clumsy", "tired", "cold", "hollow", "stale", "dreadful", "tedious"]
ENDINGS = [
    "from start to end",
    "and everyone knew it",
    "as we had hoped",
    "in every scene",
    "on a rainy day",
    "once more",
]
FOLLOW_UPS = [
    "People talked about it for weeks.",
    "The critics wrote long letters.",
    "Nobody in the hall said a word.",
    "The children asked to hear it again.",
    "An old man in the first row fell asleep.",
]


class Failed(Exception):  # noqa: N818 - the step failed, nothing of ours raised it
    """A step did not do what it should."""


def albert(*arguments: str | Path, input_text: str | None = None) -> str:
    """Run a command as users do and return what it wrote to stdout.

    Raises:
        Failed: it ended with another exit code than 0.
    """
    words = [str(argument) for argument in arguments]
    print(f"$ albert {' '.join(words)}", file=sys.stderr, flush=True)
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "albert_cli", *words],
        input=input_text or "",
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    print(f"  {time.monotonic() - start:.1f} s, exit code {done.returncode}", file=sys.stderr, flush=True)
    if done.returncode:
        raise Failed(f"albert {words[0]} ended with {done.returncode}")
    return done.stdout


def check(holds: bool, what: str) -> None:
    """Go on only if something holds.

    Raises:
        Failed: it does not.
    """
    if not holds:
        raise Failed(what)


def settings(**values: object) -> list[str]:
    """Write recipe keys as options: ``train__batch_size=8`` becomes ``--set train.batch_size=8``."""
    return [word for key, value in values.items() for word in ("--set", f"{key.replace('__', '.')}={value}")]


def reviews(number: int, *, seed: int) -> Iterator[tuple[str, int]]:
    """Yield sentences and whether they praise."""
    draw = random.Random(seed)
    for _ in range(number):
        praises = draw.randrange(2)
        word = draw.choice(GOOD if praises else BAD)
        yield f"{draw.choice(SUBJECTS)} was {word} {draw.choice(ENDINGS)}", praises


def documents(number: int, *, seed: int) -> Iterator[str]:
    """Yield documents of several sentences, one a line."""
    draw = random.Random(seed)
    for _ in range(number):
        sentences = [
            f"{text[:1].upper()}{text[1:]}." for text, _ in reviews(draw.randint(14, 22), seed=draw.randrange(10**9))
        ]
        sentences.insert(draw.randrange(1, len(sentences)), draw.choice(FOLLOW_UPS))
        yield "\n".join(sentences)


def end(error: Failed | None) -> int:
    """Say how the run ended and return its exit code."""
    print(f"smoke run failed: {error}" if error else "smoke run passed", file=sys.stderr)
    return 1 if error else 0


LEAST_BY_HEART = 0.98


def by_heart(
    learn: Callable[[str, Path, Path, Path], tuple[float, float]], metrics: Mapping[str, str], arguments: list[str]
) -> int:
    """Learn tasks by heart, print score and seconds of each, and return the exit code.

    Args:
        learn: takes a task, the folder of its data, a tokenizer and a folder to work in; gives score and seconds.
        metrics: name of the score, by task.
        arguments: the folder, the tokenizer, and tasks; all where none is named.
    """
    source, tokenizer = Path(arguments[0]), Path(arguments[1])
    low = []
    with tempfile.TemporaryDirectory() as folder:
        for task in arguments[2:] or metrics:
            try:
                score, seconds = learn(task, source, tokenizer, Path(folder))
            except Failed as error:
                return end(error)
            print(f"{task}\t{metrics[task]}\t{score:.4f}\t{seconds:.0f} s", flush=True)
            if score < LEAST_BY_HEART:
                low.append(task)
    return end(Failed(f"below {LEAST_BY_HEART}: {', '.join(low)}") if low else None)
