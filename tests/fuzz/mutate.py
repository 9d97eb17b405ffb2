"""How does a sound file become a broken one? A few seeded changes of its bytes."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

MOST_BYTES = 1 << 19
NUMBERS = [
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    1 << 40,
    (1 << 63) - 1,
    1 << 63,
]
WORDS = [
    b"", b"\0", b"\n", b"\r\n", b"\t", b" ", b",", b";", b":", b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b"&a", b"*a",
    b"<<", b"null", b"true", b"NaN", b"Infinity", b"-1", b"1e999", b"9" * 5000, b"0x", b".inf", b"\xff\xfe",
    b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc3", b"\x1b[31m", b"\\ud800", b"../../x", b"/dev/zero", b"[" * 3000,
    b"{\"a\":" * 3000, b"- " * 300, b"!!python/object:os.x",
    b"=1+1", b"#", b"# ", b"-DOCSTART-", b"<doc ", b"</doc>", b"[MASK]", b"[CLS]", "\u2581".encode(), b"A", b"data",
]  # fmt: skip


def mutate(draw: random.Random, seeds: Sequence[bytes], words: Sequence[bytes] = ()) -> bytes:
    """A changed copy of one of the seeds.

    Args:
        draw: what everything is drawn from.
        seeds: sound files of one kind.
        words: what its readers look for.
    """
    data = bytearray(draw.choice(seeds))
    for _ in range(draw.choice((1, 1, 1, 2, 3, 5, 8, 20))):
        _change(draw, data, seeds, [*WORDS, *words] if words else WORDS)
    return bytes(data[:MOST_BYTES])


def _change(draw: random.Random, data: bytearray, seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
    place = draw.randint(0, len(data))
    end = min(len(data), place + draw.choice((1, 2, 4, 8, 32, 200)))
    kind = draw.randrange(9)
    if kind == 0 and place < len(data):
        data[place] ^= 1 << draw.randrange(8)
    elif kind == 1 and place < len(data):
        data[place] = draw.randrange(256)
    elif kind == 2:
        del data[place:end]
    elif kind == 3:
        data[place:place] = data[place:end] * draw.choice((1, 1, 2, 50))
    elif kind == 4:
        data[place:place] = draw.choice(words)
    elif kind == 5:
        data[place:end] = draw.choice(words)
    elif kind == 6:
        number = draw.choice(NUMBERS)
        packed = struct.pack(draw.choice("<>") + "Q", number)
        packed = packed[: draw.choice((1, 2, 4, 8))] if draw.random() < 0.7 else _varint(number)
        data[place : place + len(packed)] = packed
    elif kind == 7:
        other = draw.choice(seeds)
        start = draw.randint(0, len(other))
        data[place:end] = other[start : start + draw.choice((4, 32, 300))]
    else:
        del data[place:]


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
