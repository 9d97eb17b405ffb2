"""How is a tokenizer trained from text, with the settings of the released ALBERT model?

The text is cleaned exactly as at run time, cut into lines that SentencePiece takes, and counted; the trainer runs in a
process of its own, whose log is read for progress, for lines it dropped, and for the reason when it fails.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from albert_cli.errors import DataError
from albert_cli.files.atomic import new_directory
from albert_cli.tokenization import spm_trainer
from albert_cli.tokenization.normalize import CleaningRules, clean
from albert_cli.tokenization.tokenizer import AlbertTokenizer

MAX_LINE_BYTES = 4192
# The released model's settings (read from its own trainer_spec); what is not here has a parameter.
RELEASED_SETTINGS: Mapping[str, Any] = {
    "model_type": "unigram",
    "pad_id": 0,
    "unk_id": 1,
    "bos_id": -1,
    "eos_id": -1,
    "control_symbols": ["[CLS]", "[SEP]", "[MASK]"],
    "max_sentence_length": MAX_LINE_BYTES,
    "max_sentencepiece_length": 16,
    "seed_sentencepiece_size": 1_000_000,
    "shrinking_factor": 0.75,
    "num_sub_iterations": 2,
    "split_by_number": True,
    "split_by_unicode_script": True,
    "split_by_whitespace": True,
    "normalization_rule_name": "nmt_nfkc",
}
RELEASED_SYMBOLS = ("(", ")", '"', "-", ".", "–", "£", "€")
# SentencePiece's own default. A fixed number, because the sums over threads decide about the last digits of scores.
DEFAULT_THREADS = 16

_TEXT, _PREFIX = "text.txt", "spiece"  # constant: both names end up inside the model file
# U+2585 marks unknown text inside the trainer, which skips lines that hold it; NUL it cannot count.
_UNTRAINABLE = str.maketrans({"\u2585": " ", "\0": " "})
_LARGE_CORPUS_BYTES = 1 << 30
_REPORT_EVERY = 20_000
_LOADED = re.compile(r"Loaded all (\d+) sentences")
_SHRUNK = re.compile(r"EM sub_iter=\d+ size=(\d+)")
_TOO_HIGH = re.compile(r"Vocabulary size too high.*?value <= (\d+)|Vocabulary size is too high.*?value <= (\d+)")
_TOO_LOW = re.compile(r"Vocabulary size is smaller than required_chars\. \d+ vs (\d+)")


@dataclass(frozen=True)
class TrainingProgress:
    """Where the training of a tokenizer stands.

    Args:
        phase: ``reading``, ``training`` or ``writing``.
        lines: lines read so far.
        pieces: candidate pieces left while training; they shrink to the vocabulary size.
    """

    phase: str
    lines: int = 0
    pieces: int | None = None


@dataclass(frozen=True)
class TokenizerReport:
    """What a training did.

    Args:
        directory: where the tokenizer lies.
        pieces: size of the vocabulary.
        lines: lines with text that were read.
        long_lines_split: how many of them were longer than SentencePiece takes.
        trained_lines: lines handed to the trainer, after splitting and sampling.
        sampled: whether there were more lines than ``input_sentence_size``.
        dropped_lines: lines that the trainer says it did not load; 0, or something is wrong.
        replaced_characters: characters that cannot be trained (U+2585, NUL) and became spaces.
        characters: characters of clean text.
        seconds: wall time.
        fingerprint: the tokenizer's own.
    """

    directory: Path
    pieces: int
    lines: int
    long_lines_split: int
    trained_lines: int
    sampled: bool
    dropped_lines: int
    replaced_characters: int
    characters: int
    seconds: float
    fingerprint: str


@dataclass
class _Counts:
    """What reading and training saw."""

    lines: int = 0
    written: int = 0
    long_lines: int = 0
    replaced: int = 0
    characters: int = 0
    size: int = 0
    trained: int = 0
    loaded: int = 0


@dataclass(frozen=True)
class _Draw:
    """How many lines to train on, and the seed of the draw if there are more."""

    wanted: int
    seed: int


def train_tokenizer(
    lines: Iterable[str],
    out_dir: Path,
    *,
    vocab_size: int = 30_000,
    do_lower_case: bool = True,
    keep_accents: bool = False,
    algorithm: str = "transformers",
    character_coverage: float = 0.99995,
    input_sentence_size: int = 10_000_000,
    user_defined_symbols: Iterable[str] = RELEASED_SYMBOLS,
    model_max_length: int = 512,
    threads: int | None = None,
    seed: int = 0,
    on_progress: Callable[[TrainingProgress], None] | None = None,
) -> TokenizerReport:
    """Train a SentencePiece unigram model as the released one was, and write a whole tokenizer directory.

    The same lines and settings give the same pieces and scores.

    Args:
        lines: raw text; cleaned here as the tokenizer will clean it.
        out_dir: directory to make; absent until it is whole.
        vocab_size: pieces, special ones included.
        do_lower_case: lower-case text.
        keep_accents: keep accents.
        algorithm: ``"transformers"`` or ``"original"``.
        character_coverage: share of the text's characters that get pieces of their own.
        input_sentence_size: lines to train on; of more, this many are drawn.
        user_defined_symbols: pieces that always stand alone.
        model_max_length: stored with the tokenizer.
        threads: threads of the trainer; None: 16. Another number may change the last digits of scores.
        seed: of the draw.
        on_progress: called now and then.

    Raises:
        DataError: no text, too little text for the vocabulary, a directory that is not empty, or a failing trainer.
    """
    if out_dir.is_dir() and any(out_dir.iterdir()):
        raise DataError(f"{out_dir} is not empty", hint="give another --out, or remove what lies there")
    if not 0.98 <= character_coverage <= 1.0:
        raise DataError(
            f"character_coverage is {character_coverage}", hint="set tokenizer.character_coverage between 0.98 and 1"
        )
    start = time.monotonic()
    rules = CleaningRules(do_lower_case, keep_accents, True, algorithm == "transformers")
    own = {
        "vocab_size": vocab_size,
        "character_coverage": character_coverage,
        "user_defined_symbols": list(user_defined_symbols),
        "num_threads": threads or DEFAULT_THREADS,
    }
    with new_directory(out_dir) as folder:
        work = folder / "work"
        work.mkdir()
        done = _train_in(work, lines, rules, _Draw(input_sentence_size, seed), own, on_progress or _ignore)
        tokenizer = AlbertTokenizer(
            work / f"{_PREFIX}.model",
            do_lower_case,
            keep_accents=keep_accents,
            algorithm=algorithm,
            model_max_length=model_max_length,
        )
        tokenizer.save_pretrained(folder)
        shutil.rmtree(work)
    return _report(out_dir, tokenizer, done, time.monotonic() - start)


def split_line(line: str, limit: int = MAX_LINE_BYTES) -> list[str]:
    """Cut a line into parts of at most ``limit`` UTF-8 bytes: at spaces, or inside a word that is longer.

    Args:
        line: clean text, single spaces.
        limit: bytes, at least 4.
    """
    data = line.encode("utf-8")
    parts: list[str] = []
    at = 0
    while len(data) - at > limit:
        end = data.rfind(b" ", at, at + limit + 1)
        if end <= at:
            end = at + limit
            while data[end] & 0xC0 == 0x80:  # inside a character
                end -= 1
        parts.append(data[at:end].decode("utf-8"))
        at = end + (data[end : end + 1] == b" ")
    if at < len(data):
        parts.append(data[at:].decode("utf-8"))
    return parts


def _train_in(
    work: Path,
    lines: Iterable[str],
    rules: CleaningRules,
    draw: _Draw,
    own: Mapping[str, Any],
    notify: Callable[[TrainingProgress], None],
) -> _Counts:
    """Clean the text into a folder and train a model there."""
    counts = _write_text(lines, work / _TEXT, rules, notify)
    counts.trained = min(counts.written, draw.wanted)
    if counts.written > draw.wanted:
        _sample(work / _TEXT, counts.written, draw)
    options = {
        **RELEASED_SETTINGS,
        **own,
        "input": _TEXT,
        "model_prefix": _PREFIX,
        "train_extremely_large_corpus": counts.size > _LARGE_CORPUS_BYTES,
    }
    counts.loaded = _run_trainer(options, work, counts.lines, notify)
    notify(TrainingProgress("writing", counts.lines))
    return counts


def _report(out_dir: Path, tokenizer: AlbertTokenizer, counts: _Counts, seconds: float) -> TokenizerReport:
    """The figures of a finished training."""
    return TokenizerReport(
        directory=out_dir,
        pieces=tokenizer.vocab_size,
        lines=counts.lines,
        long_lines_split=counts.long_lines,
        trained_lines=counts.trained,
        sampled=counts.trained < counts.written,
        dropped_lines=counts.trained - counts.loaded,
        replaced_characters=counts.replaced,
        characters=counts.characters,
        seconds=seconds,
        fingerprint=tokenizer.fingerprint,
    )


def _write_text(
    lines: Iterable[str], path: Path, rules: CleaningRules, notify: Callable[[TrainingProgress], None]
) -> _Counts:
    """Clean text, one trainable line per line."""
    if isinstance(lines, (str, bytes)):
        raise TypeError("lines is one string; give a list of lines")
    counts = _Counts()
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for parts in _clean_lines(lines, rules, counts):
            for part in parts:
                file.write(part + "\n")
                counts.written += 1
            if counts.lines % _REPORT_EVERY == 0:
                notify(TrainingProgress("reading", counts.lines))
    notify(TrainingProgress("reading", counts.lines))
    if counts.written == 0:
        raise DataError("there is no text to train a tokenizer on", hint="check data.path: it gave no line with text")
    counts.size = path.stat().st_size
    return counts


def _clean_lines(lines: Iterable[str], rules: CleaningRules, counts: _Counts) -> Iterator[list[str]]:
    """The parts of each line that has text."""
    for line in lines:
        text = clean(line, rules)
        if "\u2585" in text or "\0" in text:
            counts.replaced += text.count("\u2585") + text.count("\0")
            text = " ".join(text.translate(_UNTRAINABLE).split())
        text = text.strip()
        if not text:
            continue
        counts.lines += 1
        counts.characters += len(text)
        parts = [part for part in split_line(text) if part.strip()]
        counts.long_lines += len(parts) > 1
        yield parts


def _sample(path: Path, total: int, draw: _Draw) -> None:
    """Keep as many lines as wanted, in order, each set of them equally likely."""
    chance = random.Random(draw.seed)
    kept = 0
    part = path.with_suffix(".part")
    with path.open("rb") as source, part.open("wb") as target:
        for index, line in enumerate(source):
            if chance.random() * (total - index) < draw.wanted - kept:
                target.write(line)
                kept += 1
    part.replace(path)


def _run_trainer(options: Mapping[str, Any], work: Path, lines: int, notify: Callable[[TrainingProgress], None]) -> int:
    """Train in a process of its own, follow its log, and return how many lines it says it loaded."""
    loaded = 0
    tail: deque[str] = deque(maxlen=50)
    # -P: this room's files must not stand in for modules of the same names.
    command = [sys.executable, "-P", str(Path(spm_trainer.__file__).resolve()), json.dumps(options)]
    with subprocess.Popen(
        command,
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            for line in process.stderr or ():
                tail.append(line.rstrip())
                if found := _LOADED.search(line):
                    loaded = int(found.group(1))
                if found := _SHRUNK.search(line):
                    notify(TrainingProgress("training", lines, int(found.group(1))))
            code = process.wait()
        finally:
            process.kill()  # does nothing to a process that has ended
    if code != 0:
        raise _explain(code, "\n".join(tail), options)
    return loaded


def _explain(code: int, log: str, options: Mapping[str, Any]) -> DataError:
    """The trainer's failure in words that say which setting to change."""
    size = options["vocab_size"]
    if found := _TOO_HIGH.search(log):
        most = found.group(1) or found.group(2)
        return DataError(
            f"the text is too small for a vocabulary of {size} pieces: it gives {most}",
            hint=f"set tokenizer.vocab_size to {most} or less, or give more text",
        )
    if found := _TOO_LOW.search(log):
        return DataError(
            f"a vocabulary of {size} pieces is too small: the text's characters alone need {found.group(1)}",
            hint=f"set tokenizer.vocab_size above {found.group(1)}, or lower tokenizer.character_coverage",
        )
    if code < 0:
        return DataError(
            f"the SentencePiece trainer was ended by signal {-code}, most often for want of memory",
            hint="lower tokenizer.input_sentence_size, or train on a machine with more memory",
        )
    reason = next((line for line in reversed(log.splitlines()) if line.startswith(spm_trainer.FAILED)), log[-200:])
    return DataError(
        f"the SentencePiece trainer failed: {reason.removeprefix(spm_trainer.FAILED).strip()[:300]}",
        hint="change the tokenizer settings that this names",
    )


def _ignore(progress: TrainingProgress) -> None:
    """Nobody wants to know."""
