"""`albert bench data`: how fast text becomes ids and ids become masked batches, beside what others do of the same.

Speeds are per second of processor time of one core, so that other work on the machine does not count; both sides of a
ratio do their work in turns, on the same text, and the best turn of each counts.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch

from albert_cli.data.corpus import PYTHON_DOCS, Corpus
from albert_cli.data.prepare import prepare_shards
from albert_cli.data.pretraining import ExampleLaw, PretrainingSource, join_packed
from albert_cli.data.sampler import micro_batch_starts
from albert_cli.data.sentences import split_sentences
from albert_cli.data.shards import Shards, id_type
from albert_cli.data.words import piece_kinds
from albert_cli.errors import DataError, UsageError
from albert_cli.files.atomic import write_file
from albert_cli.files.text import json_line
from albert_cli.recipe.requests import BenchDataOptions
from albert_cli.report.console import Talk, result_json, result_table
from albert_cli.report.process_memory import PeakMemory
from albert_cli.report.tables import Table
from albert_cli.stages.tokenizers import read_tokenizer
from albert_cli.tokenization.tokenizer import AlbertTokenizer

_TURNS = 2
_ENCODED_AT_ONCE = 1_000_000  # characters, as in preparation


def run(options: BenchDataOptions) -> int:
    """Measure the data path.

    Returns:
        Exit code 0.

    Raises:
        AlbertError: the text or the tokenizer cannot be read, or transformers is asked for and not there.
    """
    torch.set_num_threads(1)
    with Talk(quiet=options.quiet) as talk, tempfile.TemporaryDirectory(prefix="albert-bench-") as folder:
        peer = _transformers() if options.versus == "transformers" else None
        tokenizer = read_tokenizer(options.tokenizer)
        if tokenizer.kind != "sentencepiece":
            raise UsageError(
                f"the comparison is with SentencePiece, and the tokenizer is of {tokenizer.kind} (albert bench data)",
                hint="name one with a SentencePiece model",
            )
        corpus = Corpus(path=options.text) if options.text is not None else Corpus(dataset=PYTHON_DOCS)
        texts = list(_some_text(corpus, options.megabytes))
        talk.say(f"{sum(map(_size, texts)) / 1e6:.1f} MB of {corpus.name()}; sentences, ids, batches, preparation")
        splitting, sentences = _time_splitting(texts)
        result = {
            "command": "bench data",
            "text": corpus.name(),
            "bytes": sum(map(_size, sentences)),
            "sentences": len(sentences),
            "splitting": splitting,
            "text_to_ids": _time_encoding(sentences, tokenizer, Path(folder)),
            "ids_to_batches": _time_batches(texts, tokenizer, Path(folder), options, peer),
        }
        if options.workers:
            result["prepare"] = _time_preparation(corpus, tokenizer, Path(folder), options.workers)
        if options.json:
            result_json(result)
        else:
            result_table(_table(result))
    return 0


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))


def _some_text(corpus: Corpus, megabytes: float) -> Iterator[str]:
    size = 0.0
    for document in corpus.read():
        yield document.text
        size += _size(document.text)
        if size >= megabytes * 1e6:
            return


def _seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    made = work()
    return time.process_time() - began, made


def _time_splitting(texts: Sequence[str]) -> tuple[dict[str, float], list[str]]:
    seconds, sentences = _seconds(lambda: [part for text in texts for part in split_sentences(text)])
    return {"megabytes_per_second": sum(map(_size, texts)) / 1e6 / seconds}, sentences


def _chunks(sentences: Sequence[str]) -> list[list[str]]:
    """Sentences in runs of about a million characters."""
    ends = np.cumsum([len(sentence) for sentence in sentences]) // _ENCODED_AT_ONCE
    cuts = [0, *(np.flatnonzero(np.diff(ends)) + 1).tolist(), len(sentences)]
    return [list(sentences[begin:end]) for begin, end in pairwise(cuts)]


def _time_encoding(sentences: Sequence[str], tokenizer: AlbertTokenizer, folder: Path) -> dict[str, float]:
    """Cleaning, encoding and storing, against ``encode`` of SentencePiece alone on the same sentences."""
    model = folder / "peer"
    tokenizer.save_pretrained(str(model))
    peer = sentencepiece.SentencePieceProcessor(model_file=str(model / "spiece.model"))
    chunks, kind = _chunks(sentences), id_type(tokenizer.vocab_size)

    def ours() -> int:
        encode, count = tokenizer.flat_encoder(), 0
        with (folder / "ids.bin").open("wb") as file:
            for chunk in chunks:
                ids, _ = encode(chunk)
                file.write(ids.astype(kind).tobytes())
                count += len(ids)
        return count

    def theirs() -> int:
        return sum(len(row) for chunk in chunks for row in peer.encode(chunk, num_threads=1))

    turns = [(_seconds(ours), _seconds(theirs)) for _ in range(_TURNS)]
    mine, other = min(turn[0][0] for turn in turns), min(turn[1][0] for turn in turns)
    size = sum(map(_size, sentences)) / 1e6
    return {
        "megabytes_per_second": size / mine,
        "tokens_per_second": turns[0][0][1] / mine,
        "sentencepiece_megabytes_per_second": size / other,
        "ratio": other / mine,
    }


def _time_batches(
    texts: Sequence[str], tokenizer: AlbertTokenizer, folder: Path, options: BenchDataOptions, peer: Any
) -> dict[str, float]:
    """Cutting, packing and masking, against the collator of transformers on the same examples, cut already."""
    path = folder / "text.jsonl"
    write_file(path, "".join(json_line({"text": text}) + "\n" for text in texts))
    shards = prepare_shards(Corpus(path=str(path)), tokenizer, cache_dir=folder / "cache")
    source = _source(shards, tokenizer, options)
    steps = max(1, min(source.epoch_size // options.batch_size, options.max_batches))
    collate = None if peer is None else _peer_collator(peer, folder)
    examples = [_examples(source, step) for step in range(steps)] if collate is not None else []

    def ours() -> int:
        fresh = _source(shards, tokenizer, options, steps)  # makes none beyond those that are counted
        return sum(batch.num_tokens for step in range(steps) for batch in fresh[step])

    turns = [_seconds(ours) for _ in range(_TURNS)]
    found = {
        "length": options.length,
        "batch_size": options.batch_size,
        "batches": steps,
        "tokens_per_second": turns[0][1] / min(seconds for seconds, _ in turns),
    }
    if collate is not None:
        count = sum(len(row["input_ids"]) for batch in examples for row in batch)
        seconds = min(_seconds(lambda: [collate(batch) for batch in examples])[0] for _ in range(_TURNS))
        found |= {"transformers_tokens_per_second": count / seconds}
        found["ratio"] = found["tokens_per_second"] / found["transformers_tokens_per_second"]
    return found


def _source(
    shards: Shards, tokenizer: AlbertTokenizer, options: BenchDataOptions, steps: int = 1 << 30
) -> PretrainingSource:
    documents = np.stack([shards.document_offsets[:-1], shards.document_offsets[1:]], axis=1)
    law = ExampleLaw(kinds=piece_kinds(tokenizer, "spaces"), max_length=options.length)
    return PretrainingSource(shards, documents, law=law, batch_size=options.batch_size, max_steps=steps)


def _examples(source: PretrainingSource, step: int) -> list[dict[str, list[int]]]:
    """A batch as the collator takes it: a list of ids for each example."""
    starts = micro_batch_starts(step, batch_size=source.batch_size, accumulate=1, rank=0, world_size=1)
    packed = join_packed([source.take(start, source.batch_size) for start in starts])
    rows = np.split(packed.input_ids, np.cumsum(packed.lengths)[:-1])
    return [{"input_ids": row.tolist()} for row in rows]


def _transformers() -> Any:
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise UsageError(
            "transformers is not installed, and --vs transformers compares with it", hint="pip install transformers"
        ) from error


def _peer_collator(peer: Any, folder: Path) -> Any:
    tokenizer = peer.AutoTokenizer.from_pretrained(str(folder / "peer"))
    return peer.DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm_probability=0.15)


def _time_preparation(corpus: Corpus, tokenizer: AlbertTokenizer, folder: Path, workers: int) -> dict[str, Any]:
    """`albert data prepare` on the whole text: how long, and how much memory all its processes hold together."""
    data = {"path": corpus.path} if corpus.path is not None else {"dataset": corpus.dataset}
    recipe = {
        "stage": "pretrain",
        "model": "tiny",
        "tokenizer": str(folder / "peer"),
        "data": {**data, "cache": str(folder / "prepared")},
        "train": {"max_steps": 1, "learning_rate": 1e-4},
    }
    write_file(folder / "bench.yaml", json_line(recipe))  # JSON is YAML, too
    command = [sys.executable, "-m", "albert_cli", "data", "prepare", str(folder / "bench.yaml"), "--quiet"]
    began = time.monotonic()
    process = subprocess.Popen(
        [*command, "--workers", str(workers)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    with PeakMemory(process.pid) as memory:
        _, said = process.communicate()
    seconds = time.monotonic() - began
    if process.returncode:
        raise DataError(f"preparing the text failed: {said.strip()}", hint="albert data prepare says more")
    shards = Shards(next((folder / "prepared").glob("shards-*")))
    return {
        "workers": workers,
        "seconds": seconds,
        "tokens": shards.manifest.tokens,
        "megabytes_per_second": shards.manifest.characters / 1e6 / seconds,
        "peak_pss_bytes": memory.peak,
        "processes": memory.most_processes,
    }


@dataclass(frozen=True)
class _Line:
    what: str
    speed: str
    beside: str = ""


def _table(result: dict[str, Any]) -> Table:
    encoding, batches = result["text_to_ids"], result["ids_to_batches"]
    lines = [
        _Line("sentence splitting", f"{result['splitting']['megabytes_per_second']:.1f} MB/s"),
        _Line(
            "text to stored ids",
            f"{encoding['megabytes_per_second']:.1f} MB/s, {encoding['tokens_per_second'] / 1e6:.2f} M tokens/s",
            f"{encoding['ratio']:.2f} x sentencepiece ({encoding['sentencepiece_megabytes_per_second']:.1f} MB/s)",
        ),
        _Line(
            f"ids to masked batches of {batches['batch_size']} x {batches['length']}",
            f"{batches['tokens_per_second'] / 1e6:.2f} M tokens/s",
            f"{batches['ratio']:.1f} x DataCollatorForLanguageModeling" if "ratio" in batches else "",
        ),
    ]
    if "prepare" in result:
        made = result["prepare"]
        peak = "" if made["peak_pss_bytes"] is None else f"peak {made['peak_pss_bytes'] / 1e6:.0f} MB of all processes"
        lines.append(
            _Line(f"data prepare, {made['workers']} processes", f"{made['megabytes_per_second']:.1f} MB/s", peak)
        )
    return Table(("work", "speed", "beside"), [(line.what, line.speed, line.beside) for line in lines])
