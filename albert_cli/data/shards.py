"""Text turned into token ids once, kept in flat files that are mapped into memory and never copied.

A folder holds ``ids.bin`` (uint16, or uint32 for vocabularies above 65,536 pieces), ``sentences.bin`` (int64, first
token of each sentence and the end), ``documents.bin`` (int64, first sentence of each document and the end) and
``manifest.json``. It is written under another name and renamed when complete, so it is whole or not there.

Shapes: T tokens, S sentences, D documents.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from albert_cli.data.corpus import Corpus
from albert_cli.data.sentences import split_sentences
from albert_cli.data.text_files import Document, Reading
from albert_cli.errors import DataError

_FORMAT = 1
_CHUNK_CHARACTERS = 4_000_000  # tokenised at a time; bounds the memory
_FILES = ("ids.bin", "sentences.bin", "documents.bin")


class Encoder(Protocol):
    """What shards ask of a tokenizer."""

    unk_token_id: int

    @property
    def vocab_size(self) -> int:
        """Number of pieces."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the ids of a text may."""

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """Ids of each text, without special tokens."""


@dataclass(frozen=True)
class Manifest:
    """What a folder of shards holds and what it was made of.

    Attributes:
        format: number of the layout.
        key: what the content hangs on, a hash; names the folder.
        text_sha256: hash of the sentences.
        corpus: name of the corpus.
        splitter: how sentences were found.
        language: for the splitter.
        tokenizer: fingerprint of the tokenizer.
        vocab_size: its pieces.
        documents: number of documents with text.
        sentences: number of sentences.
        tokens: number of ids.
        characters: of all sentences.
        unknown_tokens: ids that are <unk>.
        single_sentence_documents: documents of one sentence.
        empty_documents: documents without text, left out.
        invalid_bytes: byte sequences that are not UTF-8, and NUL characters.
        sizes: bytes of each file.
    """

    format: int
    key: str
    text_sha256: str
    corpus: str
    splitter: str
    language: str
    tokenizer: str
    vocab_size: int
    documents: int
    sentences: int
    tokens: int
    characters: int
    unknown_tokens: int
    single_sentence_documents: int
    empty_documents: int
    invalid_bytes: int
    sizes: dict[str, int]

    @property
    def unknown_rate(self) -> float:
        """Share of ids that are <unk>."""
        return self.unknown_tokens / self.tokens


class Shards:
    """Token ids of a corpus, read from a folder; pickles as its path and maps the files anew where it is unpickled.

    Attributes:
        folder: where the files are.
        manifest: what they hold.
        ids: (T,) uint16 or uint32.
        sentence_offsets: (S + 1,) int64.
        document_offsets: (D + 1,) int64.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = _read_manifest(folder)
        kind = _id_type(self.manifest.vocab_size)
        self.ids = _map(folder / "ids.bin", kind)
        self.sentence_offsets = _map(folder / "sentences.bin", np.dtype(np.int64))
        self.document_offsets = _map(folder / "documents.bin", np.dtype(np.int64))

    def __reduce__(self) -> tuple[type[Shards], tuple[Path]]:
        return Shards, (self.folder,)

    def piece_counts(self, documents: np.ndarray) -> np.ndarray:
        """How often each piece occurs in documents.

        Args:
            documents: (d, 2) int64 sentence ranges, see ``split_documents``.

        Returns:
            (V,) int64.
        """
        counts = np.zeros(self.manifest.vocab_size, dtype=np.int64)
        tokens = np.asarray(self.sentence_offsets)[documents]
        for begin, end in _joined(tokens):
            for start in range(begin, end, 1 << 22):
                part = self.ids[start : min(start + (1 << 22), end)]
                counts += np.bincount(part, minlength=len(counts))
        return counts


def prepare_shards(
    corpus: Corpus,
    tokenizer: Encoder,
    *,
    cache_dir: Path,
    language: str = "en",
    on_progress: Callable[[int], None] | None = None,
) -> Shards:
    """Shards of a corpus: those in the cache if they are of the same files, settings and tokenizer, else new ones.

    Args:
        corpus: the text; its ``sentences`` is the splitter.
        tokenizer: turns sentences into ids.
        cache_dir: folder of all shards; each gets a folder of its own inside.
        language: for the splitter.
        on_progress: called with the number of characters done so far.

    Raises:
        DataError: no text, or files that cannot be read or written.
    """
    key = shard_key(corpus, tokenizer, language=language)
    folder = cache_dir / f"shards-{key[:16]}"
    try:
        return Shards(folder)
    except DataError:  # not there, or damaged: made anew
        pass
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        work = cache_dir / f".{folder.name}-{os.getpid()}"
        work.mkdir()
        try:
            manifest = _write(work, key, corpus, tokenizer, language, on_progress)
            (work / "manifest.json").write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")
            _put_in_place(work, folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"cannot write token shards in {cache_dir}: {error.strerror or error}",
            hint="free some space there, or name another folder: --set data.cache=DIR",
        ) from error
    return Shards(folder)


def shard_key(corpus: Corpus, tokenizer: Encoder, *, language: str) -> str:
    """Hash of all that the ids hang on, without reading the text."""
    parts = {"format": _FORMAT, "corpus": corpus.key(), "language": language, "tokenizer": tokenizer.fingerprint}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass
class _Counts:
    """What the writer has put into the files so far."""

    documents: int = 0
    sentences: int = 0
    tokens: int = 0
    characters: int = 0
    unknown_tokens: int = 0
    single_sentence_documents: int = 0


def _write(
    work: Path,
    key: str,
    corpus: Corpus,
    tokenizer: Encoder,
    language: str,
    on_progress: Callable[[int], None] | None,
) -> Manifest:
    """Fill the three files; returns what they hold."""
    counts, reading, digest = _Counts(), Reading(), hashlib.sha256()
    kind = _id_type(tokenizer.vocab_size)
    paths = [work / name for name in _FILES]
    with paths[0].open("wb") as ids, paths[1].open("wb") as sentences, paths[2].open("wb") as documents:
        for file in (sentences, documents):
            np.zeros(1, dtype=np.int64).tofile(file)
        for chunk in _chunks(corpus.read(reading)):
            texts = [split_sentences(document.text, splitter=corpus.sentences, language=language) for document in chunk]
            for sentence in _flat(texts):
                digest.update(sentence.encode() + b"\n")
            reading.empty_documents += _append(texts, tokenizer, kind, counts, (ids, sentences, documents))
            if on_progress is not None:
                on_progress(counts.characters)
    if not counts.tokens:
        raise DataError(f"no text in {corpus.name()} that the tokenizer gives ids for", hint="check the tokenizer")
    return Manifest(
        format=_FORMAT,
        key=key,
        text_sha256=digest.hexdigest(),
        corpus=corpus.name(),
        splitter=corpus.sentences,
        language=language,
        tokenizer=tokenizer.fingerprint,
        vocab_size=tokenizer.vocab_size,
        empty_documents=reading.empty_documents,
        invalid_bytes=reading.invalid_bytes,
        sizes={path.name: path.stat().st_size for path in paths},
        **asdict(counts),
    )


def _chunks(documents: Iterator[Document]) -> Iterator[list[Document]]:
    """Runs of documents of about four million characters."""
    chunk: list[Document] = []
    size = 0
    for document in documents:
        chunk.append(document)
        size += len(document.text)
        if size >= _CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _flat(lists: list[list[str]]) -> list[str]:
    return [item for items in lists for item in items]


def _append(
    texts: list[list[str]],
    tokenizer: Encoder,
    kind: np.dtype[Any],
    counts: _Counts,
    files: tuple[BinaryIO, BinaryIO, BinaryIO],
) -> int:
    """Write the sentences of some documents; returns how many of the documents turned out to be empty."""
    sentences = _flat(texts)
    encoded = tokenizer.encode_batch(sentences)
    lengths = np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded))
    ids = np.fromiter((piece for sentence in encoded for piece in sentence), dtype=kind, count=int(lengths.sum()))
    owner = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    per_document = np.bincount(owner[lengths > 0], minlength=len(texts))  # sentences without ids do not count
    kept = per_document[per_document > 0]
    ids.tofile(files[0])
    (np.cumsum(lengths[lengths > 0]) + counts.tokens).tofile(files[1])
    (np.cumsum(kept) + counts.sentences).tofile(files[2])
    counts.documents += len(kept)
    counts.sentences += int(kept.sum())
    counts.tokens += len(ids)
    counts.characters += sum(map(len, sentences))
    counts.unknown_tokens += int((ids == tokenizer.unk_token_id).sum())
    counts.single_sentence_documents += int((kept == 1).sum())
    return len(texts) - len(kept)


def _put_in_place(work: Path, folder: Path) -> None:
    """Rename the finished folder; if another process was faster and its folder is whole, that one stays."""
    if folder.exists():
        try:
            Shards(folder)
            return
        except DataError:
            shutil.rmtree(folder)
    try:
        work.rename(folder)
    except OSError:
        Shards(folder)  # finished by another process in between; raises if it is not whole


def _read_manifest(folder: Path) -> Manifest:
    """Manifest of a folder whose files have the sizes it names."""
    try:
        fields = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        manifest = Manifest(**fields)
        whole = all((folder / name).stat().st_size == manifest.sizes[name] for name in _FILES)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"no token shards in {folder}", hint="prepare them: albert data prepare RECIPE") from error
    if manifest.format != _FORMAT or not whole:
        raise DataError(f"the token shards in {folder} are damaged", hint=f"remove them: rm -r {folder}")
    return manifest


def _id_type(vocab_size: int) -> np.dtype[Any]:
    return np.dtype(np.uint16 if vocab_size <= 1 << 16 else np.uint32)


def _map(path: Path, kind: np.dtype[Any]) -> np.ndarray:
    return np.memmap(path, dtype=kind, mode="r")


def _joined(ranges: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges that adjoin made one."""
    breaks = np.flatnonzero(ranges[1:, 0] != ranges[:-1, 1]) + 1
    for part in np.split(ranges, breaks):
        if len(part):
            yield int(part[0, 0]), int(part[-1, 1])
