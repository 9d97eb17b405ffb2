"""Text turned into token ids once, kept in flat files that are mapped into memory and never copied.

A folder holds ``ids.bin`` (uint16, or uint32 for vocabularies above 65,536 pieces), ``sentences.bin`` (int64, first
token of each sentence and the end), ``documents.bin`` (int64, first sentence of each document and the end) and
``manifest.json``. It is written under another name and renamed when complete, so it is whole or not there; see
``prepare``.

Shapes: T tokens, S sentences, D documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from albert_cli.errors import DataError
from albert_cli.files.json_text import parse_json

FORMAT = 2
FILES = ("ids.bin", "sentences.bin", "documents.bin")


@dataclass(frozen=True)
class Manifest:
    """What a folder of shards holds and what it was made of.

    Attributes:
        format: number of the layout.
        key: what the content hangs on, a hash; names the folder.
        text_sha256: hash of the documents' sentences.
        corpus: name of the corpus.
        sources: what came from each source, in order: ``name``, ``language``, ``documents``, ``tokens``. The documents
            of a source stand together.
        splitter: how sentences were found.
        tokenizer: fingerprint of the tokenizer.
        vocab_size: its pieces.
        documents: number of documents with text.
        sentences: number of sentences.
        tokens: number of ids.
        characters: of all sentences.
        unknown_tokens: ids that are <unk>.
        unknown_rate: share of ids that are <unk>.
        single_sentence_documents: documents of one sentence.
        single_sentence_share: their share of the documents.
        empty_documents: documents without text, left out.
        duplicates: which duplicates were looked for: ``keep`` (none), ``exact`` or ``near``.
        duplicate_documents: documents left out because an earlier one says the same.
        invalid_bytes: byte sequences that are not UTF-8, and NUL characters.
        sizes: bytes of each file.
        sha256: hash of each file.
    """

    format: int
    key: str
    text_sha256: str
    corpus: str
    sources: list[dict[str, Any]]
    splitter: str
    tokenizer: str
    vocab_size: int
    documents: int
    sentences: int
    tokens: int
    characters: int
    unknown_tokens: int
    unknown_rate: float
    single_sentence_documents: int
    single_sentence_share: float
    empty_documents: int
    duplicates: str
    duplicate_documents: int
    invalid_bytes: int
    sizes: dict[str, int]
    sha256: dict[str, str]


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
        kind = id_type(self.manifest.vocab_size)
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


def _read_manifest(folder: Path) -> Manifest:
    """Manifest of a folder whose files have the sizes it names."""
    try:
        fields = parse_json((folder / "manifest.json").read_text(encoding="utf-8"))
        manifest = Manifest(**fields)
        whole = all((folder / name).stat().st_size == manifest.sizes[name] for name in FILES)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"no token shards in {folder}", hint="prepare them: albert data prepare RECIPE") from error
    if manifest.format != FORMAT or not whole:
        raise DataError(f"the token shards in {folder} are damaged", hint=f"remove them: rm -r {folder}")
    return manifest


def id_type(vocab_size: int) -> np.dtype[Any]:
    """Kind of number that holds the ids of a vocabulary."""
    return np.dtype(np.uint16 if vocab_size <= 1 << 16 else np.uint32)


def _map(path: Path, kind: np.dtype[Any]) -> np.ndarray:
    return np.memmap(path, dtype=kind, mode="r")


def _joined(ranges: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges that adjoin made one."""
    breaks = np.flatnonzero(ranges[1:, 0] != ranges[:-1, 1]) + 1
    for part in np.split(ranges, breaks):
        if len(part):
            yield int(part[0, 0]), int(part[-1, 1])
