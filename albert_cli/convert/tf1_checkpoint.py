"""How are the variables of a TensorFlow 1 checkpoint (``NAME.index``, ``NAME.data-00000-of-00001``) read and written?

The index is a sorted table: the empty key holds the number of data files, every other key is a variable's name with its
type, shape, place and checksum as protocol buffers. The data files are the numbers one after another.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from albert_cli.convert.sorted_table import TableError, masked_crc, read_table, read_varint, write_table, write_varint
from albert_cli.errors import ModelError
from albert_cli.files.text import safe_line

# Numbers of the data types in the format. bfloat16 is read as the upper half of a float32.
_TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "|u1", 6: "|i1", 9: "<i8", 10: "|b1", 14: "<u2", 19: "<f2"}
_BFLOAT16 = 14
_NUMBERS = {np.dtype(name): number for number, name in _TYPES.items() if number != _BFLOAT16}
_MOST_INDEX_BYTES = 64 << 20


@dataclass(frozen=True)
class Variable:
    """Where a variable stands.

    Attributes:
        name: its name.
        dtype: number of its type in the format.
        shape: its shape.
        shard: number of its data file.
        offset: first byte there.
        size: bytes.
        crc: checksum of the bytes.
    """

    name: str
    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int


class Checkpoint:
    """A checkpoint opened for reading; variables are read when they are asked for.

    Args:
        prefix: path without ``.index`` (with it is understood too).

    Raises:
        ModelError: no such file, a damaged index, or a form that is not supported.
    """

    def __init__(self, prefix: str | Path) -> None:
        self.prefix = Path(str(prefix).removesuffix(".index"))
        self._index = Path(f"{self.prefix}.index")
        try:
            if self._index.stat().st_size > _MOST_INDEX_BYTES:
                raise self._refused("is too large for an index")
            entries = read_table(self._index.read_bytes())
            self.num_shards = _num_shards(entries.pop(b"", b""))
            self.variables = {one.name: one for one in map(_variable, entries, entries.values())}
        except OSError as error:
            raise ModelError(
                f"cannot read {safe_line(str(self._index))}: {error.strerror}", hint="check the path"
            ) from None
        except (TableError, UnicodeDecodeError) as error:
            raise self._refused(f"is damaged or no checkpoint index: {error}") from None

    def read(self, name: str) -> np.ndarray:
        """One variable.

        Raises:
            ModelError: its bytes are not there, or their checksum is wrong.
        """
        variable = self.variables[name]
        kind = _TYPES.get(variable.dtype)
        if kind is None:
            raise self._refused(f"holds {safe_line(name)} in a type that is not supported (number {variable.dtype})")
        count = int(np.prod(variable.shape, dtype=object))
        if variable.size != count * np.dtype(kind).itemsize:
            raise self._refused(f"says {variable.size} bytes for {safe_line(name)} of shape {variable.shape}")
        data = self._bytes(variable)
        if masked_crc(data) != variable.crc:
            raise ModelError(
                f"{self.shard_path(variable.shard)}: wrong checksum of {safe_line(name)}",
                hint="fetch the checkpoint again",
            )
        values = np.frombuffer(data, dtype=kind).reshape(variable.shape)
        if variable.dtype == _BFLOAT16:
            return (values.astype(np.uint32) << 16).view(np.float32)
        return values

    def shard_path(self, number: int) -> Path:
        """A data file."""
        return Path(f"{self.prefix}.data-{number:05d}-of-{self.num_shards:05d}")

    def _bytes(self, variable: Variable) -> bytes:
        path = self.shard_path(variable.shard)
        try:
            with path.open("rb") as file:
                if variable.offset + variable.size > path.stat().st_size:
                    raise ModelError(f"{safe_line(str(path))} is cut short", hint="fetch the checkpoint again")
                file.seek(variable.offset)
                return file.read(variable.size)
        except OSError as error:
            raise ModelError(f"cannot read {safe_line(str(path))}: {error.strerror}", hint="fetch it again") from None

    def _refused(self, what: str) -> ModelError:
        return ModelError(f"{safe_line(str(self._index))} {what}", hint="fetch the checkpoint again")


def write_checkpoint(prefix: Path, variables: Mapping[str, Callable[[], np.ndarray]]) -> None:
    """Write a checkpoint of one data file.

    Args:
        prefix: path without ``.index``; the folder is there.
        variables: what makes each array, by name; one at a time is held.
    """
    entries = {b"": _field(1, 1) + _field(2, 0) + _bytes_field(3, _field(1, 1))}
    offset = 0
    with Path(f"{prefix}.data-00000-of-00001").open("wb") as file:
        for name in sorted(variables):
            values = variables[name]()
            data = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
            entries[name.encode()] = _entry(values, offset=offset, data=data)
            file.write(data)
            offset += len(data)
    Path(f"{prefix}.index").write_bytes(write_table(entries))


def _entry(values: np.ndarray, *, offset: int, data: bytes) -> bytes:
    number = _NUMBERS[values.dtype.newbyteorder("<")]
    shape = b"".join(_bytes_field(2, _field(1, size)) for size in values.shape)
    places = (_field(4, offset) if offset else b"") + (_field(5, len(data)) if data else b"")
    crc = write_varint(6 << 3 | 5) + struct.pack("<I", masked_crc(data))
    return _field(1, number) + _bytes_field(2, shape) + places + crc


def _field(number: int, value: int) -> bytes:
    return write_varint(number << 3) + write_varint(value)


def _bytes_field(number: int, value: bytes) -> bytes:
    return write_varint(number << 3 | 2) + write_varint(len(value)) + value


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Fields of a protocol-buffer message: number, and an integer or bytes."""
    place = 0
    while place < len(data):
        tag, place = read_varint(data, place)
        kind = tag & 7
        if kind == 0:
            value, place = read_varint(data, place)
            yield tag >> 3, value
            continue
        size = {1: 8, 5: 4}.get(kind)
        if size is None:
            if kind != 2:
                raise TableError("a field of an unknown kind")
            size, place = read_varint(data, place)
        if place + size > len(data):
            raise TableError("a field runs over the end")
        part = data[place : place + size]
        yield tag >> 3, part if kind == 2 else int.from_bytes(part, "little")
        place += size


def _num_shards(header: bytes) -> int:
    found = dict(_fields(header))
    if found.get(2, 0) != 0:
        raise TableError("numbers are stored big end first")
    shards = found.get(1, 0)
    if not isinstance(shards, int) or not 1 <= shards <= 99_999:
        raise TableError("no number of data files")
    return shards


def _variable(key: bytes, value: bytes) -> Variable:
    numbers: dict[int, int] = {}
    shape: tuple[int, ...] = ()
    for number, part in _fields(value):
        if number == 7:
            raise TableError(f"variable {safe_line(key.decode())} is cut into slices")
        if isinstance(part, int):
            numbers[number] = part
        elif number == 2:
            shape = tuple(
                _dimension(inner) for place, inner in _fields(part) if place == 2 and isinstance(inner, bytes)
            )
    return Variable(
        name=key.decode(),
        dtype=numbers.get(1, 0),
        shape=shape,
        shard=numbers.get(3, 0),
        offset=numbers.get(4, 0),
        size=numbers.get(5, 0),
        crc=numbers.get(6, 0),
    )


def _dimension(data: bytes) -> int:
    size = dict(_fields(data)).get(1, 0)
    assert isinstance(size, int)
    return size
