"""Which characters may reach a terminal, a log or a JSON line, and how is text of unknown origin read?

Everything that users, data files and checkpoints bring (names, labels, sentences) may hold escape sequences that move
the cursor, set the window title or turn the reading direction around. It is shown only through `safe_text`.
"""

from __future__ import annotations

import codecs
import gzip
import json
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from albert_cli.errors import DataError
from albert_cli.files.limits import MAX_LINE_BYTES

# C0 without tab and newline, DEL and C1 (U+009B alone starts an escape sequence), the marks, embeddings, overrides and
# isolates that change the reading direction, the two separators that some terminals break lines at, and lone
# surrogates, which no encoding can write.
_HOSTILE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def safe_text(text: str) -> str:
    r"""Make text harmless to show: control characters become visible escapes such as ``\x1b`` or ``\u202e``.

    Newline and tab stay. Nothing is dropped silently, so that two different file names never look the same.
    """
    return _HOSTILE.sub(_visible_escape, text)


def safe_line(text: str, *, limit: int = 200) -> str:
    """Make text harmless and short enough to stand inside a message of one line."""
    line = safe_text(text[: limit + 1]).replace("\n", "\\n").replace("\t", "\\t")
    return line if len(text) <= limit else line[: limit - 3] + "..."


def json_line(value: object) -> str:
    r"""Write one JSON value on one line, safe for a terminal and always encodable.

    Letters of every script stay readable; control characters, direction marks and lone surrogates are written as
    ``\uXXXX``, which any JSON reader turns back into the same string. Numbers that are not finite become null,
    because JSON has no word for them.
    """
    try:
        line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        line = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)
    return _HOSTILE.sub(lambda match: f"\\u{ord(match[0]):04x}", line)


def _visible_escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


class TextFile:
    """Lines of a text file, with a count of what could not be read as UTF-8.

    Iterating gives each line without its end (``\\n`` or ``\\r\\n``). Bytes that are not UTF-8 become U+FFFD and are
    counted; a byte order mark at the start is left out.

    Attributes:
        path: the file.
        num_lines: lines given so far.
        num_replaced: places so far where bytes had to be replaced.
    """

    def __init__(self, path: Path, stream: IO[bytes], *, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self.path = path
        self.num_lines = 0
        self.num_replaced = 0
        self._stream = stream
        self._max_line_bytes = max_line_bytes

    def __enter__(self) -> TextFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[str]:
        while raw := self._read_line():
            if self.num_lines == 0 and raw.startswith(codecs.BOM_UTF8):
                raw = raw[len(codecs.BOM_UTF8) :]
            self.num_lines += 1
            yield self._decode(raw.removesuffix(b"\n").removesuffix(b"\r"))

    def _read_line(self) -> bytes:
        place = f"{safe_line(str(self.path))}:{self.num_lines + 1}"
        try:
            raw = self._stream.readline(self._max_line_bytes + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(
                f"damaged or cut gzip data ({place})", hint="fetch or compress the file again, and compare its checksum"
            ) from error
        if len(raw) > self._max_line_bytes:
            raise DataError(
                f"a line of more than {self._max_line_bytes:,} bytes ({place})",
                hint="break the text into lines, or check that this is a text file",
            )
        return raw

    def _decode(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("utf-8", "replace")
            self.num_replaced += text.count("\ufffd") - raw.count("\ufffd".encode())
            return text


def open_text(path: str | Path, *, max_line_bytes: int = MAX_LINE_BYTES) -> TextFile:
    """Open a UTF-8 text file, plain or ``.gz``, for reading line by line in constant memory.

    Args:
        path: the file; a name that ends in ``.gz`` is decompressed on the way.
        max_line_bytes: longest line that is accepted.

    Returns:
        A context manager that iterates over lines and counts what it had to replace.

    Raises:
        DataError: the file is not there, is a directory, may not be read; while iterating: damaged gzip data, or a
            line beyond the cap.
    """
    path = Path(path)
    try:
        stream: Any = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"cannot read {safe_line(str(path))}: {reason}", hint="check the path and its permissions"
        ) from error
    return TextFile(path, stream, max_line_bytes=max_line_bytes)
