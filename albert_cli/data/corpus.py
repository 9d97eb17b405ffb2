"""Where raw text comes from: files and folders, hub data sets, the documentation of the installed Python.

Plain text is parted into documents by one of three rules:

- ``file``: a document per file (a book, an article); blank lines part its paragraphs. A file of more than 8 million
  characters is cut at blank lines into several documents, which bounds the memory.
- ``blank_line``: a document between two blank lines, the original code's format.
- ``auto``: ``blank_line`` where sentences stand one per line (``sentences: newline``, the original's format) and in
  files where nine of ten blocks between blank lines hold 500 bytes or more; else ``file``, the blocks being paragraphs
  and headings.

Unlike in the original a document never goes on in the next file.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from albert_cli.data.hub import stream_hub
from albert_cli.data.python_docs import corpus_key, iter_python_docs
from albert_cli.data.sentences import Splitter
from albert_cli.data.text_files import Document, Documents, Reading, document_of_row, read_documents
from albert_cli.data.text_share import WHOLE, Share, share_out
from albert_cli.errors import DataError
from albert_cli.files.checksum import file_sha256

PYTHON_DOCS = "python-docs"

Found = TypeVar("Found")

_ENDINGS = (".txt", ".text", ".jsonl", ".ndjson", ".json", ".parquet")
_SAVED_DATASET = ("dataset_info.json", "dataset_dict.json")


@dataclass(frozen=True)
class Corpus:
    """A stream of documents that can be read again and again.

    Args:
        path: file, folder, pattern with ``*``, or a list of them; a folder that ``datasets`` saved. Folders are
            searched to the bottom, in the order of names.
        dataset: instead of ``path``, a hub data set, or ``python-docs`` (see ``python_docs``).
        config: configuration of the hub data set.
        revision: commit, tag or branch of the hub data set.
        split: of the data set.
        column: of tables, the one that holds the text.
        limit: most documents to read.
        documents: how plain text is parted, see above.
        sentences: how sentences are found later on; ``auto`` asks it.
        language: for finding sentences.
        share: the part that is read: whole files, or every so-manieth of the documents.
    """

    path: str | tuple[str, ...] | None = None
    dataset: str | None = None
    config: str | None = None
    revision: str | None = None
    split: str | None = None
    column: str = "text"
    limit: int | None = None
    documents: Documents = "auto"
    sentences: Splitter = "sentencex"
    language: str = "en"
    share: Share = WHOLE

    def __post_init__(self) -> None:
        if (self.path is None) == (self.dataset is None):
            raise DataError(
                "a corpus is either files or a data set", hint="set exactly one of data.path and data.dataset"
            )

    def name(self) -> str:
        """The corpus in a few words, for messages."""
        if self.path is None:
            return str(self.dataset)
        return self.path if isinstance(self.path, str) else ", ".join(self.path)

    def read(self, reading: Reading | None = None) -> Iterator[Document]:
        """Documents with text, in an order that is always the same, at most ``limit``.

        Args:
            reading: counts of what was met; written to.

        Raises:
            DataError: something cannot be read, or there is no text at all.
        """
        reading = Reading() if reading is None else reading
        own = self._own_files()
        documents = islice(self._with_text(reading, own), self.limit)
        if own is None and not self._shared_by_hub():
            documents = islice(documents, self.share.number, None, self.share.count)
        found = 0
        for document in documents:
            found += 1
            yield document
        if not found and self.share != WHOLE:
            raise DataError(
                f"no text for machine {self.share} (from 0) in {self.name()}: there are too few documents",
                hint="--set data.each_node=whole, or fewer machines",
            )
        if not found:
            raise DataError(f"no text in {self.name()}", hint="check data.path, data.columns.text and data.limit")

    def key(self, digest: Callable[[Path], str] = file_sha256) -> dict[str, Any]:
        """What the text hangs on: settings, and the content of the files.

        Args:
            digest: hash of a file's content; see ``FileDigests``.

        Raises:
            DataError: a file is not there or cannot be read.
        """
        settings = ("column", "limit", "documents", "sentences", "language")
        key: dict[str, Any] = {name: getattr(self, name) for name in settings}
        if self.share != WHOLE:
            key["share"] = [self.share.number, self.share.count]
        if self.path is not None:
            own = self._own_files()
            files = _all_files(self.path) if own is None else own
            key["files"] = [[file.name, _digest_of(file, digest)] for file in files]
        elif self.dataset == PYTHON_DOCS:
            key["python_docs"] = corpus_key()
        else:
            key["dataset"] = [self.dataset, self.config, self.revision, self.split]
        return key

    def _own_files(self) -> list[Path] | None:
        """The files of this share; None where all are read, and documents counted off if it is not the whole."""
        if self.share == WHOLE or self.path is None or self.limit is not None:
            return None
        if any(map(_is_saved_dataset, _places(self.path))):
            return None
        files = _all_files(self.path)
        parts = share_out([_size_of(file) for file in files], self.share.count)
        return None if parts is None else [files[number] for number in parts[self.share.number]]

    def _shared_by_hub(self) -> bool:
        """Whether rows are counted off, or whole files left out, where they are fetched."""
        return self.dataset not in (None, PYTHON_DOCS) and self.limit is None

    def _with_text(self, reading: Reading, own: list[Path] | None) -> Iterator[Document]:
        for document in self._all(reading, own):
            if document.text.strip():
                yield document
            else:
                reading.empty_documents += 1

    def _all(self, reading: Reading, own: list[Path] | None) -> Iterator[Document]:
        if self.dataset == PYTHON_DOCS:
            yield from iter_python_docs()
        elif self.dataset is not None:
            rows = stream_hub(
                self.dataset,
                config=self.config,
                revision=self.revision,
                split=self.split or "train",
                share=self.share if self._shared_by_hub() else WHOLE,
            )
            yield from _row_documents(rows, self.column, self.dataset, reading)
        else:
            assert self.path is not None
            yield from self._from_files(_places(self.path) if own is None else own, reading)

    def _from_files(self, places: list[Path], reading: Reading) -> Iterator[Document]:
        documents: Documents = (
            "blank_line" if (self.documents, self.sentences) == ("auto", "newline") else self.documents
        )
        for place in places:
            if _is_saved_dataset(place):
                yield from _row_documents(_saved_rows(place, self.split), self.column, str(place), reading)
                continue
            for file in _files_under(place):
                yield from read_documents(file, column=self.column, documents=documents, reading=reading)


def _places(path: str | tuple[str, ...]) -> list[Path]:
    """Files and folders that a path names, patterns resolved; sorted within a pattern, else in the order given."""
    places: list[Path] = []
    for text in (path,) if isinstance(path, str) else path:
        place = Path(text).expanduser()
        if place.exists():
            places.append(place)
            continue
        matches = sorted(glob.glob(str(place), recursive=True)) if glob.has_magic(text) else []
        if not matches:
            raise DataError(f"no file or folder {text}", hint="check data.path; it is taken from the working directory")
        places.extend(map(Path, matches))
    return places


def _all_files(path: str | tuple[str, ...]) -> list[Path]:
    files: list[Path] = []
    for place in _places(path):
        files.extend(sorted(place.rglob("*.arrow")) if _is_saved_dataset(place) else _files_under(place))
    return files


def _files_under(place: Path) -> list[Path]:
    """A file itself; of a folder the files that look like text or tables, hidden ones and read-me files left out."""
    if place.is_file():
        return [place]
    files = sorted(
        file
        for file in place.rglob("*")
        if file.is_file() and _looks_like_text(file) and not _is_hidden(file.relative_to(place))
    )
    if not files:
        raise DataError(
            f"no text files in the folder {place}",
            hint=f"files end in {', '.join(_ENDINGS)}, also .gz; or they are a wikiextractor tree",
        )
    return files


def _digest_of(file: Path, digest: Callable[[Path], Found]) -> Found:
    try:
        return digest(file)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"cannot read {file}: {reason}", hint="check that the file is whole and readable") from error


def _size_of(file: Path) -> int:
    return _digest_of(file, lambda path: path.stat().st_size)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _looks_like_text(file: Path) -> bool:
    if file.stem.upper() in ("README", "LICENSE", "LICENCE"):
        return False
    return file.name.lower().removesuffix(".gz").endswith(_ENDINGS) or file.name.startswith("wiki_")


def _is_saved_dataset(place: Path) -> bool:
    return place.is_dir() and any((place / name).is_file() for name in _SAVED_DATASET)


def _saved_rows(place: Path, split: str | None) -> Any:
    import datasets

    saved = datasets.load_from_disk(str(place))
    if not isinstance(saved, datasets.DatasetDict):
        return saved
    wanted = split or "train"
    if wanted not in saved:
        raise DataError(f"{place} has no split {wanted!r} (splits: {', '.join(saved)})", hint="set data.split")
    return saved[wanted]


def _row_documents(rows: Iterable[Any], column: str, origin: str, reading: Reading) -> Iterator[Document]:
    names = getattr(rows, "column_names", None)
    if names and column not in names:
        raise DataError(
            f"{origin} has no column {column!r} (columns: {', '.join(names)})", hint="set data.columns.text"
        )
    for number, row in enumerate(rows):
        yield document_of_row(row, column, f"{origin}[{number}]", reading)
