"""How are the keys and values of a sorted string table read and written (the ``.index`` file of a TF checkpoint)?

A table is blocks, each followed by one byte of compression and a checksum, and a footer that says where the index block
is; the index block says where the others are. Inside a block a key is stored as what it adds to the key before it.
Everything read is checked against the bounds of what holds it; nothing is allocated by a length from the file alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from google_crc32c import value as crc32c

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_TRAILER = 5  # of a block: compression, checksum
_BLOCK_BYTES = 4096
_RESTART_EVERY = 16


class TableError(ValueError):
    """The bytes are no sorted table, or a damaged one."""


def masked_crc(data: bytes | memoryview) -> int:
    """CRC-32C, rotated and shifted as the format wants it."""
    crc: int = crc32c(bytes(data))
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def read_varint(data: bytes | memoryview, place: int) -> tuple[int, int]:
    """A variable-length integer and the place after it.

    Raises:
        TableError: it runs over the end or is longer than 64 bits.
    """
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise TableError("a number runs over the end")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, place
    raise TableError("a number of more than 64 bits")


def write_varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def read_table(data: bytes) -> dict[bytes, bytes]:
    """All keys and values of a table.

    Args:
        data: the whole file.

    Raises:
        TableError: wrong magic number, wrong checksum, or a length that leads out of the file.
    """
    if len(data) < _FOOTER or struct.unpack_from("<Q", data, len(data) - 8)[0] != _MAGIC:
        raise TableError("not a sorted table (wrong magic number)")
    footer = data[-_FOOTER:]
    _, _, place = _handle(footer, 0)
    offset, size, _ = _handle(footer, place)
    found: dict[bytes, bytes] = {}
    for _, handle in _entries(_block(data, offset, size)):
        offset, size, _ = _handle(handle, 0)
        found.update(_entries(_block(data, offset, size)))
    return found


def _handle(data: bytes, place: int) -> tuple[int, int, int]:
    offset, place = read_varint(data, place)
    size, place = read_varint(data, place)
    return offset, size, place


def _block(data: bytes, offset: int, size: int) -> memoryview:
    if offset + size + _TRAILER > len(data):
        raise TableError("a block lies outside the file")
    block = memoryview(data)[offset : offset + size]
    kind, crc = struct.unpack_from("<BI", data, offset + size)
    if masked_crc(memoryview(data)[offset : offset + size + 1]) != crc:
        raise TableError("a block has a wrong checksum")
    if kind != 0:
        raise TableError(f"a block is compressed (kind {kind})")
    return block


def _entries(block: memoryview) -> Iterator[tuple[bytes, bytes]]:
    if len(block) < 4:
        raise TableError("a block is too short")
    restarts = struct.unpack_from("<I", block, len(block) - 4)[0]
    end = len(block) - 4 - 4 * restarts
    if end < 0:
        raise TableError("a block has more restarts than room")
    place, key = 0, b""
    while place < end:
        shared, place = read_varint(block, place)
        added, place = read_varint(block, place)
        size, place = read_varint(block, place)
        if shared > len(key) or place + added + size > end:
            raise TableError("an entry leads out of its block")
        key = key[:shared] + bytes(block[place : place + added])
        place += added
        yield key, bytes(block[place : place + size])
        place += size


def write_table(values: Mapping[bytes, bytes]) -> bytes:
    """The bytes of a table with these keys and values."""
    out = bytearray()
    index: list[tuple[bytes, bytes]] = []
    group: list[tuple[bytes, bytes]] = []
    used = 0
    for key in sorted(values):
        group.append((key, values[key]))
        used += len(key) + len(values[key])
        if used >= _BLOCK_BYTES:
            index.append((group[-1][0], _append(out, _packed(group))))
            group, used = [], 0
    if group:
        index.append((group[-1][0], _append(out, _packed(group))))
    meta = _append(out, _packed([]))
    top = _append(out, _packed(index, restart_every=1))
    footer = (meta + top).ljust(_FOOTER - 8, b"\0")
    return bytes(out + footer + struct.pack("<Q", _MAGIC))


def _append(out: bytearray, block: bytes) -> bytes:
    """Add a block with its trailer; returns its handle."""
    offset = len(out)
    out += block + b"\0"
    out += struct.pack("<I", masked_crc(block + b"\0"))
    return write_varint(offset) + write_varint(len(block))


def _packed(entries: list[tuple[bytes, bytes]], *, restart_every: int = _RESTART_EVERY) -> bytes:
    block = bytearray()
    restarts = [0]
    before = b""
    for number, (key, value) in enumerate(entries):
        shared = 0
        if number % restart_every == 0:
            if number:
                restarts.append(len(block))
        else:
            while shared < min(len(before), len(key)) and before[shared] == key[shared]:
                shared += 1
        block += write_varint(shared) + write_varint(len(key) - shared) + write_varint(len(value))
        block += key[shared:] + value
        before = key
    return bytes(block) + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))
