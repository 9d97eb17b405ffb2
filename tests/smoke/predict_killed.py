"""Is a file of predictions the same however often its command was killed? ``python tests/smoke/predict_killed.py``.

``[--kills N] [--nproc N] [--suffix .tsv] [FILE]``: each run is killed with signal 9 after some more predictions are
there and gone on with; the last one ends, and its file is compared with that of an uninterrupted run. FILE is a table
with a column ``sentence``; without one, made-up reviews are taken. The model is tiny and has random weights.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from run_stream import make_tokenizer, read_texts
from steps import Failed, albert, check, end, reviews

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tiny_models

PATIENCE = 300.0  # seconds for the next predictions


def main(arguments: Sequence[str]) -> int:
    """Run and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--nproc", type=int, default=1)
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--suffix", default=".tsv")
    parser.add_argument("files", nargs="*", type=Path)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        try:
            texts = list(read_texts(asked.files)) or [text for text, _ in reviews(asked.rows, seed=1)]
            smoke(Path(folder), texts[: asked.rows], asked)
        except Failed as error:
            return end(error)
    return end(None)


def smoke(folder: Path, texts: Sequence[str], asked: argparse.Namespace) -> None:
    """Predict once in peace, and once with kills."""
    tokenizer = make_tokenizer(texts, folder, 8000 if asked.files else 120)
    model = tiny_models.make_model("AlbertForSequenceClassification", folder / "model", tokenizer=tokenizer)
    table = folder / "rows.tsv"
    table.write_text("index\tsentence\n" + "".join(f"{row}\t{text}\n" for row, text in enumerate(texts)))
    words = ["predict", "glue/sst2", table, "--model", model, "--nproc", asked.nproc, "--threads", 1]
    common = [str(word) for word in (*words, "--set", "data.max_length=64", "--quiet", "--out")]
    whole, out = folder / f"whole{asked.suffix}", folder / f"out{asked.suffix}"
    start = time.monotonic()
    albert(*common, whole)
    seconds = time.monotonic() - start
    draw = random.Random(os.getpid())
    for number in range(asked.kills):
        wanted = (number + 1) * len(texts) // (asked.kills + 1)
        there = killed([*common, str(out), "--resume"], out, wanted, draw)
        print(f"killed with {there} of {len(texts)} predictions there", file=sys.stderr, flush=True)
    check(not out.exists(), "the file was there before its end")
    albert(*common, out, "--resume")
    check(out.read_bytes() == whole.read_bytes(), "the files differ")
    size = out.stat().st_size
    print(
        f"nproc {asked.nproc}\t{asked.suffix}\t{asked.kills} kills\t{size} bytes the same\t{seconds:.0f} s", flush=True
    )


def killed(words: Sequence[str], out: Path, wanted: int, draw: random.Random) -> int:
    """Start a command, kill it and its children once so many predictions are there; returns how many."""
    partial = out.with_name(f"{out.name}.partial")
    process = subprocess.Popen([sys.executable, "-m", "albert_cli", *words], start_new_session=True)
    deadline = time.monotonic() + PATIENCE
    while lines_of(partial) <= wanted and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(draw.random() / 2)
    check(process.poll() is None, "it ended before it was killed")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return lines_of(partial) - 1


def lines_of(path: Path) -> int:
    """Lines of a file that may not be there yet."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
