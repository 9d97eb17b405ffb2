"""Does `albert run` answer an endless pipe in order, broken lines among the good ones, in constant memory?

``python tests/smoke/run_stream.py [--task TASK] [--lines N] [FILE...]``. Files are texts (a line each) or tables with a
column ``sentence``; their lines are repeated until there are enough. Without files, made-up reviews are taken.
The model is tiny and has random weights: how lines travel does not depend on what it says.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps import Failed, albert, check, documents, end, reviews

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tiny_models

HEADS = {"fill-mask": "AlbertForMaskedLM", "text-classification": "AlbertForSequenceClassification"}
BROKEN = ('{"text": "cut in the', '{"txt": "another name"}', '{"text": 7}', "no JSON at all")
FIRST = 1000  # the longest line is among so many
MOST_GROWTH = 1.1
SAMPLE = 50


@dataclass(frozen=True)
class Lines:
    """What is asked: every line, and the numbers of those that have no answer."""

    lines: list[str]
    broken: frozenset[int]


@dataclass(frozen=True)
class Travelled:
    """What came of it: memory in MB after a tenth and after all lines, seconds of the clock and of processors."""

    early: float
    late: float
    seconds: float
    processor: float


def main(arguments: Sequence[str]) -> int:
    """Run the tasks and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=[*HEADS], action="append")
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--vocabulary", type=int, default=4000)
    parser.add_argument("files", nargs="*", type=Path)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        try:
            texts = list(read_texts(asked.files)) or [text for text, _ in reviews(2000, seed=1)]
            tokenizer = make_tokenizer(texts, Path(folder), asked.vocabulary if asked.files else 120)
            for task in asked.task or HEADS:
                model = tiny_models.make_model(
                    HEADS[task], Path(folder) / task, tokenizer=tokenizer, max_position_embeddings=512
                )
                say(task, asked.lines, travel(task, model, make_lines(task, texts, asked.lines)))
        except Failed as error:
            return end(error)
    return end(None)


def say(task: str, number: int, found: Travelled) -> None:
    """Print the figures of a task."""
    print(
        f"{task}\t{number} lines\t{found.early:.1f} MB after a tenth\t{found.late:.1f} MB at the end\t"
        f"ratio {found.late / found.early:.3f}\t{found.seconds:.0f} s\t{found.processor:.0f} s of processors",
        flush=True,
    )


def read_texts(files: Sequence[Path]) -> Iterator[str]:
    """Lines that are no heading and not empty."""
    for file in files:
        heading: list[str] | None = None
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            cells = line.split("\t")
            if file.suffix == ".tsv" and heading is None:
                heading = cells
            elif line.strip():
                yield cells[heading.index("sentence")] if heading else line.strip()


def make_tokenizer(texts: Sequence[str], folder: Path, size: int) -> Path:
    """Train a tokenizer on some of the texts."""
    sample = folder / "sample.txt"
    known = texts[:: max(1, len(texts) // 20_000)]
    sample.write_text("\n".join([*known, *itertools.islice(documents(20, seed=2), 20)]), encoding="utf-8")
    out = folder / "tokenizer"
    albert("train-tokenizer", "--input", sample, "--set", f"tokenizer.vocab_size={size}", "--out", out, "--quiet")
    return out


def make_lines(task: str, texts: Sequence[str], number: int) -> Lines:
    """JSON lines, one in a hundred broken, the longest text early."""
    draw = random.Random(3)
    chosen = [text for text, _ in zip(itertools.cycle(draw.sample(texts, len(texts))), range(number), strict=False)]
    longest = max(range(number), key=lambda row: len(chosen[row]))
    place = min(FIRST, number) // 2
    chosen[longest], chosen[place] = chosen[place], chosen[longest]
    broken = set(draw.sample([row for row in range(number) if row != place], number // 100))
    kinds = (*BROKEN, None) if task == "fill-mask" else BROKEN  # None: whole, but nothing to fill
    lines = []
    for row, text in enumerate(chosen):
        bad = draw.choice(kinds) if row in broken else None
        masked = task == "fill-mask" and row not in broken
        lines.append(bad if bad is not None else json.dumps({"text": mask(text, draw) if masked else text}))
    return Lines(lines, frozenset(broken))


def mask(text: str, draw: random.Random) -> str:
    """Put a mask in the place of a word; near the beginning, where the model surely reads."""
    words = text.replace("[MASK]", "").split() or [""]
    words[draw.randrange(min(len(words), 40))] = "[MASK]"
    return " ".join(words)


def travel(task: str, model: Path, asked: Lines) -> Travelled:
    """Send all lines through a pipe and check every answer as it comes."""
    command = ["run", "--task", task, "--model", str(model), "--format", "jsonl", "--threads", "1"]
    number, start = len(asked.lines), time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        [sys.executable, "-m", "albert_cli", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    threading.Thread(target=feed, args=(process.stdin, asked.lines), daemon=True).start()
    memory: list[float] = []
    draw = random.Random(4)
    sample: dict[int, dict[str, Any]] = {
        row: {} for row in draw.sample(sorted(set(range(number)) - asked.broken), min(SAMPLE, number // 2))
    }
    for row in range(number):
        answer = json.loads(process.stdout.readline() or b"{}")
        check(answer.get("index") == row, f"answer {answer.get('index')} where {row} belongs")
        check(("error" in answer) == (row in asked.broken), f"line {row}: {asked.lines[row][:200]!r}: {answer}")
        if row in sample:
            sample[row] = answer
        if row + 1 in (number // 10, number):
            memory.append(resident(process.pid))
    process.stdin.close()
    check(process.stdout.read() == b"", "more answers than lines")
    said = process.stderr.read().decode()
    check(process.wait() == 3, f"exit code {process.returncode}: {said}")
    check(f"error: {len(asked.broken):,} of {number:,} inputs have no answer\n" in said, said)
    seconds = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    check(memory[1] <= MOST_GROWTH * memory[0], f"memory grew from {memory[0]:.1f} to {memory[1]:.1f} MB")
    compare(task, model, asked, sample)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Travelled(memory[0], memory[1], seconds, used)


def feed(pipe: Any, lines: Sequence[str]) -> None:
    """Write all lines and leave the pipe open: its end would end the process before its memory is read."""
    for line in lines:
        pipe.write(f"{line}\n".encode())
    pipe.flush()


def resident(process: int) -> float:
    """MB of memory that a process holds now."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def compare(task: str, model: Path, asked: Lines, sample: dict[int, dict[str, Any]]) -> None:
    """Ask some lines by themselves: the answers are those of the crowd."""
    lines = [asked.lines[row] for row in sample]
    alone = albert(
        "run", "--task", task, "--model", model, "--format", "jsonl", "--batch-size", "1",
        input_text="".join(f"{line}\n" for line in lines),
    )  # fmt: skip
    for line, (row, crowd) in zip(alone.splitlines(), sample.items(), strict=True):
        for one, other in zip(json.loads(line)["results"], crowd["results"], strict=True):
            names = set(one) - {"score"}
            same = all(one[name] == other[name] for name in names) and abs(one["score"] - other["score"]) < 1e-4
            check(same, f"line {row} alone: {one}, among others: {other}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
