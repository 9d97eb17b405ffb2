"""From a corpus to token shards, once: in parallel, in bounded memory, and not from the start after a kill.

The text is read in one process, in order, and cut into runs of documents. Each run becomes a part (``parts``), in a
process of its own where there are several. When all are there, duplicates are found, and the parts are written one
after another into the shards. Which process made a part, and how often the work was interrupted, leaves no trace.

The cache is keyed by content: by the hash of every file, the settings and the tokenizer's fingerprint.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from albert_cli.data.corpus import Corpus
from albert_cli.data.duplicates import Duplicates, find_duplicates, signature_size
from albert_cli.data.encoding_pool import Task, make_parts
from albert_cli.data.file_digests import FileDigests
from albert_cli.data.parts import PART_FORMAT, Encoder, Part, PartLaw, read_part
from albert_cli.data.shards import FILES, FORMAT, Manifest, Shards, id_type
from albert_cli.data.text_files import Reading
from albert_cli.errors import DataError
from albert_cli.files.checksum import file_sha256
from albert_cli.files.lock import wait_for

_CHUNK_CHARACTERS = 2_000_000  # of a part; bounds the memory


def prepare_shards(
    corpus: Corpus | Sequence[Corpus],
    tokenizer: Encoder,
    *,
    cache_dir: Path,
    duplicates: Duplicates = "keep",
    workers: int = 1,
    on_progress: Callable[[int], None] | None = None,
    verify: bool = True,
    warn: Callable[[str], None] | None = None,
) -> Shards:
    """Shards of a corpus: those in the cache if they are of the same text, settings and tokenizer, else new ones.

    Args:
        corpus: the text, or several that follow one another; ``sentences`` of each is the splitter.
        tokenizer: turns sentences into ids.
        cache_dir: folder of all shards; each gets a folder of its own inside.
        duplicates: leave out documents that an earlier one repeats.
        workers: processes that encode; leaves the result alone.
        on_progress: called with the number of characters done so far.
        verify: compare the checksums of what is in the cache; without it sizes alone.
        warn: told of damaged shards, which are then made anew.

    Raises:
        DataError: no text, or files that cannot be read or written.
    """
    sources = [corpus] if isinstance(corpus, Corpus) else list(corpus)
    digests = FileDigests(cache_dir / "files.json")
    key = shard_key(sources, tokenizer, duplicates=duplicates, digest=digests)
    digests.save()
    folder = cache_dir / f"shards-{key[:16]}"
    problem = damage(folder, verify=verify)
    if problem is None:
        return Shards(folder)
    if folder.is_dir() and warn is not None:
        warn(f"the token shards in {folder} are damaged ({problem}); making them anew")
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with wait_for(cache_dir / f".lock-{key[:16]}"):
            if damage(folder, verify=verify) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                work = _Work(sources, tokenizer, duplicates, key, cache_dir / f"parts-{key[:16]}", workers)
                _make(work, folder, on_progress)
    except OSError as error:
        raise DataError(
            f"cannot write token shards in {cache_dir}: {error.strerror or error}",
            hint="free some space there, or name another folder: --set data.cache=DIR",
        ) from error
    return Shards(folder)


def shard_key(
    sources: Sequence[Corpus], tokenizer: Encoder, *, duplicates: Duplicates, digest: Callable[[Path], str]
) -> str:
    """Hash of all that the ids hang on."""
    parts = {
        "format": [FORMAT, PART_FORMAT],
        "corpus": [source.key(digest) for source in sources],
        "duplicates": duplicates,
        "tokenizer": tokenizer.fingerprint,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def damage(folder: Path, *, verify: bool = True) -> str | None:
    """What is wrong with shards that may be there; None if nothing is.

    Args:
        folder: of shards.
        verify: compare checksums, too.
    """
    try:
        shards = Shards(folder)
    except DataError as error:
        return error.message
    if verify:
        for name in FILES:
            if file_sha256(folder / name) != shards.manifest.sha256.get(name):
                return f"{name} has another checksum than when it was written"
    return None


@dataclass
class _Work:
    """One preparation.

    Attributes:
        sources: the text.
        tokenizer: turns sentences into ids.
        duplicates: which to leave out.
        key: of the shards.
        parts: folder of the parts.
        workers: processes.
        reading: what was met while reading, for each source.
    """

    sources: list[Corpus]
    tokenizer: Encoder
    duplicates: Duplicates
    key: str
    parts: Path
    workers: int
    reading: list[Reading] = field(default_factory=list)

    @property
    def name(self) -> str:
        return ", ".join(source.name() for source in self.sources)


def _make(work: _Work, folder: Path, on_progress: Callable[[int], None] | None) -> None:
    """Make the shards. What is interrupted leaves finished parts behind, a failure of another kind nothing."""
    work.parts.mkdir(exist_ok=True)
    for unfinished in work.parts.glob(".*"):
        shutil.rmtree(unfinished) if unfinished.is_dir() else unfinished.unlink()
    try:
        names = _make_all_parts(work, on_progress)
    except BaseException:
        with suppress(OSError):
            work.parts.rmdir()  # if nothing is in it
        raise
    whole = work.parts / ".whole"
    whole.mkdir()
    manifest = _join_parts(work, names, whole)
    (whole / "manifest.json").write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")
    whole.rename(folder)
    shutil.rmtree(work.parts, ignore_errors=True)


def _make_all_parts(work: _Work, on_progress: Callable[[int], None] | None) -> list[list[str]]:
    """Names of the parts of each source, in order."""
    owners: list[int] = []
    names: list[list[str]] = [[] for _ in work.sources]
    characters = 0
    facts = make_parts(_tasks(work, owners), work.tokenizer, folder=work.parts, workers=work.workers)
    with closing(facts):  # type: ignore[type-var]
        for number, part in enumerate(facts):
            names[owners[number]].append(part.name)
            characters += part.characters
            if on_progress is not None:
                on_progress(characters)
    return names


def _tasks(work: _Work, owners: list[int]) -> Iterator[Task]:
    """Runs of documents of about two million characters; the number of each one's source is noted in ``owners``."""
    for number, source in enumerate(work.sources):
        work.reading.append(Reading())
        law = PartLaw(source.sentences, source.language, work.duplicates, work.tokenizer.fingerprint)
        texts: list[str] = []
        size = 0
        for document in source.read(work.reading[-1]):
            texts.append(document.text)
            size += len(document.text)
            if size >= _CHUNK_CHARACTERS:
                owners.append(number)
                yield texts, law
                texts, size = [], 0
        if texts:
            owners.append(number)
            yield texts, law


def _join_parts(work: _Work, names: list[list[str]], folder: Path) -> Manifest:
    """Write the parts one after another into the three files, without duplicates."""
    flat = [name for of_source in names for name in of_source]
    left_out = _left_out(work, flat)
    with _Writer(folder, id_type(work.tokenizer.vocab_size)) as writer:
        before = 0
        for source, of_source in zip(work.sources, names, strict=True):
            writer.begin_source(source)
            for name in of_source:
                part = _part(work, name)
                end = before + len(part.document_sentences)
                writer.append(part, ~left_out[before:end])
                before = end
    totals = writer.totals
    if not totals["tokens"]:
        raise DataError(f"no text in {work.name} that the tokenizer gives ids for", hint="check the tokenizer")
    totals["empty_documents"] += sum(reading.empty_documents for reading in work.reading)
    return Manifest(
        format=FORMAT,
        key=work.key,
        text_sha256=writer.text.hexdigest(),
        corpus=work.name,
        sources=writer.sources,
        splitter=", ".join(key for key, _ in groupby(source.sentences for source in work.sources)),
        tokenizer=work.tokenizer.fingerprint,
        vocab_size=work.tokenizer.vocab_size,
        unknown_rate=totals["unknown_tokens"] / totals["tokens"],
        single_sentence_share=totals["single_sentence_documents"] / totals["documents"],
        duplicates=work.duplicates,
        duplicate_documents=int(left_out.sum()),
        invalid_bytes=sum(reading.invalid_bytes for reading in work.reading),
        sizes={name: (folder / name).stat().st_size for name in FILES},
        sha256=writer.sha256(),
        **totals,
    )


def _part(work: _Work, name: str) -> Part:
    part = read_part(work.parts / name)
    if part is None:
        raise DataError(f"the file {work.parts / name} was damaged meanwhile", hint=f"rm -r {work.parts}; try again")
    return part


def _left_out(work: _Work, names: list[str]) -> np.ndarray:
    """(D,) bool: documents that repeat an earlier one."""
    path = work.parts / ".signatures"
    count, width = 0, signature_size(work.duplicates)
    with path.open("wb") as file:
        for name in names:
            signatures = _part(work, name).signatures
            count += len(signatures)
            signatures.tofile(file)
    if not width or not count:
        return np.zeros(count, dtype=bool)
    return find_duplicates(np.memmap(path, dtype=np.uint32, mode="r", shape=(count, width)), work.duplicates)


class _Writer:
    """The three files of shards, filled part by part.

    Args:
        folder: where.
        kind: of the ids.
    """

    def __init__(self, folder: Path, kind: np.dtype[Any]) -> None:
        self._folder = folder
        self._kind = kind
        self._files: list[BinaryIO] = []
        self._hashes = [hashlib.sha256() for _ in FILES]
        self.text = hashlib.sha256()
        self.sources: list[dict[str, Any]] = []
        names = ("documents", "sentences", "tokens", "characters", "unknown_tokens")
        self.totals = dict.fromkeys((*names, "single_sentence_documents", "empty_documents"), 0)

    def __enter__(self) -> _Writer:
        self._files = [(self._folder / name).open("wb") for name in FILES]
        for number in (1, 2):
            self._put(number, np.zeros(1, dtype=np.int64))
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def begin_source(self, source: Corpus) -> None:
        """What follows is of this source."""
        self.sources.append({"name": source.name(), "language": source.language, "documents": 0, "tokens": 0})

    def append(self, part: Part, keep: np.ndarray) -> None:
        """Write the documents that ``keep``, (D,) bool, says."""
        by_sentence = np.repeat(keep, part.document_sentences)
        sentences = part.sentence_tokens[by_sentence].astype(np.int64)
        documents = part.document_sentences[keep].astype(np.int64)
        totals = self.totals
        self._put(0, part.ids[np.repeat(by_sentence, part.sentence_tokens)].astype(self._kind))
        self._put(1, np.cumsum(sentences) + totals["tokens"])
        self._put(2, np.cumsum(documents) + totals["sentences"])
        self.text.update(part.digests[keep].tobytes())
        tokens = int(sentences.sum())
        totals["documents"] += len(documents)
        totals["sentences"] += len(sentences)
        totals["tokens"] += tokens
        totals["characters"] += int(part.document_characters[keep].sum())
        totals["unknown_tokens"] += int(part.document_unknown[keep].sum())
        totals["single_sentence_documents"] += int((documents == 1).sum())
        totals["empty_documents"] += int(part.without_ids[0])
        self.sources[-1]["documents"] += len(documents)
        self.sources[-1]["tokens"] += tokens

    def sha256(self) -> dict[str, str]:
        """Hash of each file."""
        return {name: digest.hexdigest() for name, digest in zip(FILES, self._hashes, strict=True)}

    def _put(self, number: int, values: np.ndarray) -> None:
        raw = values.tobytes()
        self._files[number].write(raw)
        self._hashes[number].update(raw)
