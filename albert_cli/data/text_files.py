"""How one file of raw text becomes documents: decoding, formats, and the line that a fault stands in."""

from __future__ import annotations

import gzip
import html
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from albert_cli.errors import DataError
from albert_cli.files.json_text import parse_json

Documents = Literal["auto", "file", "blank_line"]

PLAIN, JSON_LINES, JSON_ARRAY, PARQUET, WIKI = "plain", "json lines", "json", "parquet", "wikiextractor"

_SUFFIXES = {".txt": PLAIN, ".text": PLAIN, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES, ".parquet": PARQUET}
_SAMPLE_BYTES = 1 << 20
_DOCUMENT_BYTES = 500
_DOCUMENT_SHARE = 0.9
_LONGEST_DOCUMENT = 1 << 23  # characters of plain text held at a time
_WIKI_START = re.compile(r"<doc\b.*>\s*$")
_WIKI_TITLE = re.compile(r'\btitle="([^"]*)"')


@dataclass(frozen=True)
class Document:
    """A text whose sentences belong together.

    Attributes:
        text: of the document, in Unicode; may be empty.
        origin: file and line, or the row of a table, for messages.
    """

    text: str
    origin: str


@dataclass
class Reading:
    """What was met while reading.

    Attributes:
        invalid_bytes: byte sequences that are not UTF-8 (each became U+FFFD) and NUL characters (each became a space).
        empty_documents: documents without text, left out.
    """

    invalid_bytes: int = 0
    empty_documents: int = 0

    def decode(self, raw: bytes) -> str:
        """Text of some whole lines; what cannot be decoded is replaced and counted."""
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("utf-8", errors="replace")
            self.invalid_bytes += text.count("\ufffd") - raw.count(b"\xef\xbf\xbd")
        if "\0" in text:
            self.invalid_bytes += text.count("\0")
            text = text.replace("\0", " ")
        return text

    def clean(self, text: str) -> str:
        """Text of a table without lone surrogates, which JSON can spell but no encoding can; replaced and counted."""
        try:
            text.encode()
        except UnicodeEncodeError:
            self.invalid_bytes += sum("\ud800" <= character <= "\udfff" for character in text)
            text = text.encode(errors="replace").decode()
        self.invalid_bytes += text.count("\0")
        return text.replace("\0", " ")


def read_documents(path: Path, *, column: str, documents: Documents, reading: Reading) -> Iterator[Document]:
    """Documents of one file, whatever its format.

    Args:
        path: .txt, .jsonl, .json, .parquet, each but the last also with .gz; a wikiextractor file; a name without a
            known ending is judged by its first bytes.
        column: of tables, the one that holds the text.
        documents: how plain text is parted.
        reading: counts of what was met; written to.

    Raises:
        DataError: the file cannot be read or is damaged, at file:line where there are lines.
    """
    try:
        kind = kind_of(path)
        if kind == PARQUET:
            yield from _from_parquet(path, column, reading)
            return
        with _open(path) as stream:
            if kind == PLAIN:
                yield from _from_plain(path, stream, documents, reading)
            elif kind == WIKI:
                yield from _from_wiki(path, stream, reading)
            elif kind == JSON_LINES:
                yield from _from_json_lines(path, stream, column, reading)
            else:
                yield from _from_json_array(path, stream, column, reading)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"cannot read {path}: {reason}", hint="check that the file is whole and readable") from error


def kind_of(path: Path) -> str:
    """Format of a file, from its name or else from its first bytes."""
    name = path.name.removesuffix(".gz")
    kind = _SUFFIXES.get(Path(name).suffix.lower())
    if kind is not None and kind != PLAIN:
        return kind
    with _open(path) as stream:
        head = stream.read(4096)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path} is UTF-16", hint=f"make it UTF-8: iconv -f UTF-16 -t UTF-8 {path} > new.txt")
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"<doc "):
        return WIKI
    if kind == PLAIN:
        return PLAIN
    if head.startswith(b"PAR1"):
        return PARQUET
    if head.startswith(b"["):
        return JSON_ARRAY if name.endswith(".json") else PLAIN
    return JSON_LINES if head.startswith(b"{") else PLAIN


def _open(path: Path) -> BinaryIO:
    """Byte stream of a file, unpacked."""
    if path.name.endswith(".gz"):
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")


def _lines(stream: BinaryIO, reading: Reading) -> Iterator[tuple[int, str]]:
    """Numbered lines without their ends and without a byte-order mark."""
    for number, raw in enumerate(stream, start=1):
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        yield number, reading.decode(raw).rstrip("\r\n")


def _from_plain(path: Path, stream: BinaryIO, documents: Documents, reading: Reading) -> Iterator[Document]:
    if documents == "auto":
        with _open(path) as sample:
            documents = "blank_line" if _blocks_are_documents(sample.read(_SAMPLE_BYTES)) else "file"
    held: list[str] = []
    first, size = 1, 0
    for number, line in _lines(stream, reading):
        blank = not line.strip()
        if blank and held and (documents == "blank_line" or size > _LONGEST_DOCUMENT):
            yield Document("\n".join(held), f"{path}:{first}")
            held, size = [], 0
        if blank and not held:
            first = number + 1
            continue
        held.append(line)
        size += len(line)
    if held:
        yield Document("\n".join(held), f"{path}:{first}")


def _blocks_are_documents(sample: bytes) -> bool:
    """Whether what stands between blank lines is documents, not paragraphs and headings: nearly all of it is long."""
    blocks = [block for block in re.split(rb"\r?\n[ \t]*\r?\n", sample) if block.strip()]
    long = sum(len(block) >= _DOCUMENT_BYTES for block in blocks)
    return len(blocks) > 1 and long >= _DOCUMENT_SHARE * len(blocks)


def _from_wiki(path: Path, stream: BinaryIO, reading: Reading) -> Iterator[Document]:
    """Articles of a wikiextractor file; those that hold nothing but their title are left out."""
    lines: list[str] = []
    title, start = "", 0
    for number, line in _lines(stream, reading):
        if _WIKI_START.match(line):
            named = _WIKI_TITLE.search(line)
            title, lines, start = html.unescape(named[1]) if named else "", [], number
        elif line.strip() == "</doc>":
            text = html.unescape("\n".join(lines)).strip()
            if text == title.strip():
                reading.empty_documents += 1
            else:
                yield Document(text, f"{path}:{start}")
            start = 0
        elif start:
            lines.append(line)
    if start:
        raise DataError(f"{path}:{start} the article has no </doc>", hint="the file was cut short: extract it again")


def _from_json_lines(path: Path, stream: BinaryIO, column: str, reading: Reading) -> Iterator[Document]:
    for number, line in _lines(stream, reading):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            raise DataError(f"{path}:{number} is not JSON: {error}", hint="one JSON object per line") from None
        yield document_of_row(row, column, f"{path}:{number}", reading)


def _from_json_array(path: Path, stream: BinaryIO, column: str, reading: Reading) -> Iterator[Document]:
    try:
        rows = parse_json(reading.decode(stream.read().removeprefix(b"\xef\xbb\xbf")))
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}", hint="a list of objects, or one JSON object per line") from None
    for number, row in enumerate(rows):
        yield document_of_row(row, column, f"{path}[{number}]", reading)


def document_of_row(row: Any, column: str, origin: str, reading: Reading) -> Document:
    """Document of one row of a table."""
    if not isinstance(row, dict):
        raise DataError(
            f"{origin} is {type(row).__name__}, not an object", hint=f'rows look like {{"{column}": "..."}}'
        )
    if column not in row:
        names = ", ".join(map(str, row)) or "none"
        raise DataError(f"{origin} has no column {column!r} (columns: {names})", hint="set data.columns.text")
    text = row[column]
    if text is not None and not isinstance(text, str):
        raise DataError(
            f"{origin} column {column!r} holds {type(text).__name__}, not text", hint="set data.columns.text"
        )
    return Document(reading.clean(text or ""), origin)


def _from_parquet(path: Path, column: str, reading: Reading) -> Iterator[Document]:
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        names = file.schema_arrow.names
        if column not in names:
            raise DataError(
                f"{path} has no column {column!r} (columns: {', '.join(names)})", hint="set data.columns.text"
            )
        number = 0
        for batch in file.iter_batches(batch_size=1024, columns=[column]):
            for text in batch.column(0).to_pylist():
                yield document_of_row({column: text}, column, f"{path}[{number}]", reading)
                number += 1
    except pyarrow.ArrowException as error:
        raise DataError(f"{path} is not a whole parquet file: {error}", hint="fetch or write it again") from error
