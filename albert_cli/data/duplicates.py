"""Which documents say again what an earlier one said.

Every document gets a signature, a row of numbers. ``exact``: the hash of its sentences. ``near``: a MinHash of its
shingles, the runs of five token ids: each shingle is hashed, the hash says which of 128 bins it falls into and how it
ranks there, and a bin keeps the lowest rank (one-permutation MinHash; Li, Owen and Zhang 2012; an empty bin borrows
from the next full one, Shrivastava and Li 2014). Two documents agree in as many bins as they share shingles (Jaccard).

Documents that agree in one whole band of 8 bins are compared; 16 bands find nine of ten pairs that share three quarters
of their shingles, and nearly all that share nine tenths. Those that agree in 80 % of the bins are one group, and so are
chains of them; the first document of a group stays.

Memory: eight bytes for each document, and a bounded number of signatures. The text is not looked at again.

Shapes: D documents, T tokens, R numbers of a signature.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from albert_cli.data.random import GOLDEN, scramble

Duplicates = Literal["keep", "exact", "near"]

_SHINGLE = 5
_BINS = 128
_BAND = 8
_AGREEMENT = 0.8
_AT_ONCE = 1 << 20  # documents compared at a time
_EMPTY = np.uint32(0xFFFFFFFF)


def signature_size(rule: Duplicates) -> int:
    """R."""
    return {"keep": 0, "exact": 4, "near": _BINS}[rule]


def signatures(ids: np.ndarray, document_tokens: np.ndarray, digests: np.ndarray, rule: Duplicates) -> np.ndarray:
    """Signatures of documents.

    Args:
        ids: (T,) integers, the documents one after another.
        document_tokens: (D,) tokens of each, at least 1.
        digests: (D, 16) uint8, hash of each document's text.
        rule: which duplicates are to be found.

    Returns:
        (D, R) uint32.
    """
    if rule == "exact":
        return np.ascontiguousarray(digests).view(np.uint32).reshape(len(digests), 4)
    if rule == "keep" or not len(document_tokens):
        return np.zeros((len(document_tokens), signature_size(rule)), dtype=np.uint32)
    hashes, owner = _shingles(ids, np.asarray(document_tokens, dtype=np.int64))
    lowest = np.full(len(document_tokens) * _BINS, _EMPTY, dtype=np.uint32)
    place = owner * _BINS + (hashes >> np.uint64(57)).astype(np.int64)
    ranks = np.minimum((hashes >> np.uint64(20)).astype(np.uint32), _EMPTY - np.uint32(1))
    np.minimum.at(lowest, place, ranks)
    return _fill_empty(lowest.reshape(-1, _BINS))


def _shingles(ids: np.ndarray, document_tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hash and document of every run of five ids; a shorter document is one shingle."""
    values = ids.astype(np.uint64) + np.uint64(1)
    ends = np.cumsum(document_tokens)
    owner = np.repeat(np.arange(len(document_tokens)), document_tokens)
    left = ends[owner] - np.arange(len(ids))  # ids from here to the document's end
    hashes = np.zeros(len(ids), dtype=np.uint64)
    for step in range(_SHINGLE):
        shifted = np.zeros(len(ids), dtype=np.uint64)
        shifted[: len(ids) - step] = values[step:]
        hashes = scramble(hashes * GOLDEN + np.where(left > step, shifted, np.uint64(0)))
    whole = (left >= _SHINGLE) | (left == document_tokens[owner])
    return hashes[whole], owner[whole]


def _fill_empty(lowest: np.ndarray) -> np.ndarray:
    """An empty bin takes the value of the next full one, changed by how far that is."""
    filled = lowest.copy()
    distance = np.zeros(lowest.shape, dtype=np.uint32)
    while True:
        empty = filled == _EMPTY
        if not empty.any():
            break
        following, further = np.roll(filled, -1, axis=1), np.roll(distance, -1, axis=1) + np.uint32(1)
        filled = np.where(empty, following, filled)
        distance = np.where(empty & (following != _EMPTY), further, distance)
    mixed: np.ndarray = filled + distance * np.uint32(0x9E3779B1)
    return mixed


def find_duplicates(signature_rows: np.ndarray, rule: Duplicates) -> np.ndarray:
    """Documents to leave out.

    Args:
        signature_rows: (D, R) uint32, also mapped from a file.
        rule: as they were made with.

    Returns:
        (D,) bool, True for every document of a group but the first.
    """
    count = len(signature_rows)
    if rule == "keep" or not count:
        return np.zeros(count, dtype=bool)
    first = np.arange(count)
    width = signature_rows.shape[1] if rule == "exact" else _BAND
    share = 1.0 if rule == "exact" else _AGREEMENT
    for start in range(0, signature_rows.shape[1], width):
        for earlier, later in _alike(signature_rows, start, width):
            agreeing = (signature_rows[earlier] == signature_rows[later]).mean(axis=1) >= share
            _join(first, earlier[agreeing], later[agreeing])
    return np.asarray(_roots(first) != np.arange(count))


def _alike(rows: np.ndarray, start: int, width: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs (earlier, later) of documents that agree in a band: each with the first and with the one before it."""
    count = len(rows)
    buckets = -(-count // _AT_ONCE)
    for bucket in range(buckets):
        keys, numbers = _keys(rows, start, width, bucket, buckets)
        order = np.argsort(keys, kind="stable")
        keys, numbers = keys[order], numbers[order]
        same = np.flatnonzero(keys[1:] == keys[:-1]) + 1
        if not len(same):
            continue
        begins = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        group_first = numbers[begins[np.searchsorted(begins, same, side="right") - 1]]
        for low in range(0, len(same), 1 << 16):
            part = same[low : low + (1 << 16)]
            yield group_first[low : low + (1 << 16)], numbers[part]
            yield numbers[part - 1], numbers[part]


def _keys(rows: np.ndarray, start: int, width: int, bucket: int, buckets: int) -> tuple[np.ndarray, np.ndarray]:
    """Hash of a band for the documents whose hash falls into a bucket, and their numbers."""
    keys, numbers = [], []
    for low in range(0, len(rows), 1 << 18):
        part = np.asarray(rows[low : low + (1 << 18), start : start + width])
        hashes = np.full(len(part), np.uint64(start + 1))
        for column in part.T:
            hashes = scramble(hashes * GOLDEN + column)
        inside = np.flatnonzero(hashes % np.uint64(buckets) == bucket)
        keys.append(hashes[inside])
        numbers.append(inside + low)
    return np.concatenate(keys), np.concatenate(numbers)


def _join(first: np.ndarray, earlier: np.ndarray, later: np.ndarray) -> None:
    """Make one group of the groups of each pair; ``first`` points to an earlier document of the group, or itself."""
    for one, other in zip(earlier.tolist(), later.tolist(), strict=True):
        low, high = sorted((_root(first, one), _root(first, other)))
        first[high] = low


def _root(first: np.ndarray, number: int) -> int:
    while first[number] != number:
        first[number] = first[first[number]]
        number = int(first[number])
    return number


def _roots(first: np.ndarray) -> np.ndarray:
    while True:
        further = first[first]
        if np.array_equal(further, first):
            return first
        first = further
