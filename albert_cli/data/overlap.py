"""Which examples of a split does another one hold, too, token for token? A model that learnt them by heart looks good.

What is compared is what the model sees: cut, and in lower case where the tokenizer says so.

Shapes: N examples of a split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from albert_cli.data.examples import Examples

_AT_ONCE = 1024


def digests(examples: Examples) -> npt.NDArray[np.uint64]:
    """(N,) hash of each example's token ids, labels aside."""
    found = np.empty(len(examples), dtype=np.uint64)
    for begin in range(0, len(examples), _AT_ONCE):
        chosen = np.arange(begin, min(begin + _AT_ONCE, len(examples)))
        ids = examples.pack(chosen, with_labels=False).input_ids.numpy()
        ends = np.cumsum(examples.lengths[chosen])
        for number, start, end in zip(chosen, ends - examples.lengths[chosen], ends, strict=True):
            digest = hashlib.blake2b(np.ascontiguousarray(ids[start:end]).tobytes(), digest_size=8).digest()
            found[number] = np.frombuffer(digest, dtype=np.uint64)[0]
    return found


def overlaps(splits: Mapping[str, Examples], *, train: str = "train") -> dict[str, dict[str, int]]:
    """Count what occurs more than once.

    Args:
        splits: encoded examples by split.
        train: the split that training sees.

    Returns:
        By split ``repeated``, examples of which an earlier one of the split is the same; and for all but ``train``
        ``in_train``, examples that it holds, too.
    """
    hashes = {name: digests(examples) for name, examples in splits.items()}
    counts = {name: {"repeated": len(found) - len(np.unique(found))} for name, found in hashes.items()}
    for name in splits:
        if train in hashes and name != train:
            counts[name]["in_train"] = int(np.isin(hashes[name], hashes[train]).sum())
    return counts
