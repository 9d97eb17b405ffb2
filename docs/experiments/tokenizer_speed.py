"""How fast is the tokenizer, beside SentencePiece alone and `transformers`? One thread.

    python docs/experiments/tokenizer_speed.py TOKENIZER TEXT_FILE_OR_FOLDER [ROUNDS] [MEGABYTES]

Encodes the lines of a text in every way in turn, as often as ROUNDS says (5), and prints for each way the megabytes of
text for a second of processor time in its best round. `transformers` is measured where it is installed.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one thread for everybody; read when the library is loaded

from sentencepiece import SentencePieceProcessor

from albert_cli import AlbertTokenizer

LINE = 1000  # characters of a line at most, so that no way sees a book as one text


def lines_of(place: Path, *, size: float) -> list[str]:
    """Lines with text, up to so many bytes."""
    files = sorted(place.rglob("*.txt")) if place.is_dir() else [place]
    found: list[str] = []
    total = 0
    for path in files:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.strip():
                found.append(line[:LINE])
                total += len(found[-1].encode()) + 1
            if total >= size:
                return found
    return found


def ways(folder: str, lines: list[str]) -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    tokenizer = AlbertTokenizer.from_pretrained(folder)
    model = folder if Path(folder).is_file() else str(Path(folder) / "spiece.model")
    processor = SentencePieceProcessor(model_file=model)
    cleaned = [" ".join(line.split()).lower() for line in lines]
    named: dict[str, Callable[[], object]] = {
        "`sentencepiece` alone, on text already lower-cased": lambda: processor.encode(cleaned, num_threads=1),
        "`encode_batch`": lambda: tokenizer.encode_batch(lines),
        "`encode_batch(split_special_tokens=False)`": lambda: tokenizer.encode_batch(lines, split_special_tokens=False),
        "`tokenizer(list)`": lambda: tokenizer(lines),
        "`encode_with_offsets`, text by text": lambda: [tokenizer.encode_with_offsets(line) for line in lines],
    }
    if importlib.util.find_spec("transformers"):
        from transformers import AlbertTokenizerFast

        theirs = AlbertTokenizerFast.from_pretrained(folder if Path(folder).is_dir() else str(Path(folder).parent))
        named["`transformers` on the same lists"] = lambda: theirs(lines)
    return named


def main() -> None:
    """Measure in turns and print a table."""
    folder, place = sys.argv[1], Path(sys.argv[2])
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    lines = lines_of(place, size=1e6 * (float(sys.argv[4]) if len(sys.argv) > 4 else 9.0))
    megabytes = sum(len(line.encode()) + 1 for line in lines) / 1e6
    named = ways(folder, lines)
    best = dict.fromkeys(named, float("inf"))
    for _ in range(rounds):
        for name, work in named.items():
            began = time.process_time()
            work()
            best[name] = min(best[name], time.process_time() - began)
    rows = [f"| {name} | {megabytes / seconds:.1f} |" for name, seconds in best.items()]
    sys.stdout.write(
        "\n".join([f"{megabytes:.1f} MB in {len(lines):,} lines", "| what | MB/s |", "|---|---|", *rows, ""])
    )


if __name__ == "__main__":
    main()
