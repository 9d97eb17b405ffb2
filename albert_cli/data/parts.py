"""What becomes of a run of documents: sentences, token ids and, for finding duplicates, signatures.

This is the work that processes share, so nothing here or below imports torch. A part is kept in one file until all
parts are there, under a name made of its text and of everything else that it hangs on; a part that is found under that
name need not be made again.

Shapes: D documents, S sentences, T tokens, R numbers of a signature.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import numpy as np

from albert_cli.data.duplicates import Duplicates, signatures
from albert_cli.data.sentences import Splitter, split_sentences

PART_FORMAT = 1
_ENCODED_AT_ONCE = 500_000  # characters; bounds the memory

EncodeFlat = Callable[[Sequence[str]], tuple[np.ndarray, np.ndarray]]


class Encoder(Protocol):
    """What preparation asks of a tokenizer."""

    unk_token_id: int

    @property
    def vocab_size(self) -> int:
        """Number of pieces."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the ids of a text may."""

    def flat_encoder(self) -> EncodeFlat:
        """A function from S texts to their (T,) ids, one after another, and the (S,) number of ids of each."""


@dataclass(frozen=True)
class PartLaw:
    """How documents become ids.

    Attributes:
        splitter: how sentences are found.
        language: for the splitter.
        duplicates: which documents will be looked for.
        tokenizer: its fingerprint.
    """

    splitter: Splitter
    language: str
    duplicates: Duplicates
    tokenizer: str


@dataclass(frozen=True)
class Part:
    """Documents as ids; those that have none are left out.

    Attributes:
        ids: (T,) int32.
        sentence_tokens: (S,) int32, ids of each sentence; sentences without ids are left out.
        document_sentences: (D,) int32.
        document_tokens: (D,) int64.
        document_characters: (D,) int64, of all sentences.
        document_unknown: (D,) int64, ids that are <unk>.
        digests: (D, 16) uint8, hash of each document's sentences.
        signatures: (D, R) uint32, see ``duplicates``; R is 0 where none are asked for.
        without_ids: (1,) int64, documents left out.
    """

    ids: np.ndarray
    sentence_tokens: np.ndarray
    document_sentences: np.ndarray
    document_tokens: np.ndarray
    document_characters: np.ndarray
    document_unknown: np.ndarray
    digests: np.ndarray
    signatures: np.ndarray
    without_ids: np.ndarray


@dataclass(frozen=True)
class PartFacts:
    """A part that is on the disk.

    Attributes:
        name: of its file.
        characters: of its sentences.
        documents: in it.
    """

    name: str
    characters: int
    documents: int


def make_part(folder: Path, texts: Sequence[str], law: PartLaw, *, encode: EncodeFlat, unk: int) -> PartFacts:
    """Encode documents and put the part into a folder, unless it is there.

    Args:
        folder: of the parts.
        texts: documents.
        law: how to encode.
        encode: from ``Encoder.flat_encoder``.
        unk: id of <unk>.
    """
    path = folder / f"{part_key(texts, law)}.npz"
    part = read_part(path) if path.exists() else None
    if part is None:
        part = encode_part(texts, law, encode=encode, unk=unk)
        _write_part(path, part)
    return PartFacts(path.name, int(part.document_characters.sum()), len(part.document_sentences))


def part_key(texts: Sequence[str], law: PartLaw) -> str:
    """Hash of all that a part hangs on."""
    digest = hashlib.sha256(repr((PART_FORMAT, law)).encode())
    for text in texts:
        raw = text.encode(errors="surrogatepass")
        digest.update(len(raw).to_bytes(8, "little"))
        digest.update(raw)
    return digest.hexdigest()[:32]


def encode_part(texts: Sequence[str], law: PartLaw, *, encode: EncodeFlat, unk: int) -> Part:
    """Encode documents; arguments as in ``make_part``."""
    sentences: list[str] = []
    counts = np.zeros(len(texts), dtype=np.int64)
    digests = np.zeros((len(texts), 16), dtype=np.uint8)
    for number, text in enumerate(texts):
        found = split_sentences(text, splitter=law.splitter, language=law.language)
        raw = "\n".join(found).encode(errors="surrogatepass")
        digests[number] = np.frombuffer(hashlib.blake2b(raw, digest_size=16).digest(), dtype=np.uint8)
        counts[number] = len(found)
        sentences += found
    encoded = [encode(sentences[begin:end]) for begin, end in _stretches(sentences)]
    ids = np.concatenate([np.zeros(0, dtype=np.int32), *(part for part, _ in encoded)])
    sizes = np.concatenate([np.zeros(0, dtype=np.int64), *(part for _, part in encoded)])
    lengths = np.fromiter(map(len, sentences), dtype=np.int64, count=len(sentences))
    owner = np.repeat(np.arange(len(texts)), counts)

    def per_document(weights: np.ndarray) -> np.ndarray:
        return np.bincount(owner, weights=weights, minlength=len(texts)).astype(np.int64)

    unknown_before = np.concatenate([[0], np.cumsum(ids == unk)])
    ends = np.cumsum(sizes)
    unknown = unknown_before[ends] - unknown_before[ends - sizes]
    tokens, kept = per_document(sizes), per_document(sizes > 0)
    there = kept > 0
    return Part(
        ids=ids,
        sentence_tokens=sizes[sizes > 0].astype(np.int32),
        document_sentences=kept[there].astype(np.int32),
        document_tokens=tokens[there],
        document_characters=per_document(lengths)[there],
        document_unknown=per_document(unknown)[there],
        digests=digests[there],
        signatures=signatures(ids, tokens[there], digests[there], law.duplicates),
        without_ids=np.array([len(texts) - int(there.sum())], dtype=np.int64),
    )


def _stretches(sentences: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Runs of sentences of about half a million characters."""
    begin = size = 0
    for number, sentence in enumerate(sentences):
        size += len(sentence)
        if size >= _ENCODED_AT_ONCE or number == len(sentences) - 1:
            yield begin, number + 1
            begin, size = number + 1, 0


def _write_part(path: Path, part: Part) -> None:
    partial = path.with_name(f".{path.stem}-{os.getpid()}")
    try:
        with partial.open("wb") as file:
            np.savez(file, **vars(part))
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def read_part(path: Path) -> Part | None:
    """Part of a file, None if it is damaged; the file's own checksums are looked at."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return Part(**{field.name: arrays[field.name] for field in fields(Part)})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
