"""Random numbers that are looked up, not drawn: the same place always gives the same number.

A generator hands out numbers in the order of the calls, so what an example gets depends on who was asked before it: on
the process, the worker, the batch. Here a number is a hash of its coordinates (seed, epoch, purpose, instance, draw),
whichever process asks for it and in whatever order. The hash is the finaliser of SplitMix64 (Steele, Lea and Flood,
"Fast splittable pseudorandom number generators", 2014), applied once per coordinate.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def scramble(values: np.ndarray) -> np.ndarray:
    """SplitMix64 finaliser: a bijection of 64-bit words in which every input bit moves about half of the output bits.

    Args:
        values: (N,) uint64; left as they are.
    """
    mixed: np.ndarray = values ^ (values >> np.uint64(30))
    mixed *= _FIRST
    mixed ^= mixed >> np.uint64(27)
    mixed *= _SECOND
    mixed ^= mixed >> np.uint64(31)
    return mixed


def stream_key(seed: int, epoch: int, purpose: str) -> int:
    """Key of one kind of draw in one epoch: streams of different purposes have nothing in common."""
    digest = hashlib.sha256(f"{seed}/{epoch}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "little")


def draw(key: int | np.ndarray, counters: npt.ArrayLike) -> np.ndarray:
    """64 random bits for each counter.

    Args:
        key: of the stream, or one key for each counter, (N,) uint64.
        counters: (N,) integers, any that tell the draws of a stream apart.

    Returns:
        (N,) uint64.
    """
    keys = np.asarray(key, dtype=np.uint64)
    places: np.ndarray = (np.asarray(counters).astype(np.uint64) + np.uint64(1)) * GOLDEN
    return scramble(keys + places)


def uniform(bits: np.ndarray) -> np.ndarray:
    """Numbers in [0, 1), float64, from random bits: the upper 53 of each word."""
    return (bits >> np.uint64(11)) * 2.0**-53


def below(bits: np.ndarray, limits: npt.ArrayLike) -> np.ndarray:
    """Integers in 0..limit-1 from random bits; limits are at least 1 and below 2**31.

    The upper 32 bits are scaled, so a limit n favours some numbers by less than n / 2**32.
    """
    scaled = (bits >> np.uint64(32)) * np.asarray(limits).astype(np.uint64)
    return (scaled >> np.uint64(32)).astype(np.int64)


def heads(key: int, counters: npt.ArrayLike, tosses: npt.ArrayLike) -> np.ndarray:
    """How many of ``tosses`` fair coins fall heads: a binomial draw, one coin for each bit.

    Args:
        key: of the stream.
        counters: (N,) integers that tell the draws apart, below 2**40.
        tosses: (N,) number of coins of each draw, from 0.

    Returns:
        (N,) int64, each in 0..tosses.
    """
    coins = np.asarray(tosses, dtype=np.int64)
    words = (coins + 63) // 64
    owner = np.repeat(np.arange(len(coins)), words)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(words) - words, words)  # 0, 1, ... within each draw
    counter = np.asarray(counters, dtype=np.int64)[owner] + (place << 40)
    bits = draw(key, counter)
    unused = 64 - np.minimum(coins[owner] - 64 * place, 64)
    ones = _count_ones(bits >> unused.astype(np.uint64))
    return np.bincount(owner, weights=ones, minlength=len(coins)).astype(np.int64)


def _count_ones(words: np.ndarray) -> np.ndarray:
    """Set bits of each 64-bit word (``numpy.bitwise_count`` came only with numpy 2)."""
    raw = np.ascontiguousarray(words).view(np.uint8).reshape(-1, 8)
    ones: np.ndarray = np.unpackbits(raw, axis=1).sum(axis=1, dtype=np.int64)
    return ones
