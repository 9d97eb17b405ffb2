"""Which part of a text is one machine's, when several machines each take a part of it?

Whole files where they can be shared out evenly, so that a machine opens none but its own; else every so-manieth
document. All machines come to the same division by themselves, from the names and sizes of the files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# The fullest machine may have this much more than the mean; otherwise documents are shared out.
_UNEVEN = 1.25


@dataclass(frozen=True)
class Share:
    """One of several parts.

    Attributes:
        number: from 0.
        count: parts in all.
    """

    number: int = 0
    count: int = 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


WHOLE = Share()


def share_out(sizes: Sequence[int], count: int) -> list[list[int]] | None:
    """Divide files among machines: the largest first, each to the machine that has least.

    Args:
        sizes: bytes of the files, in the order of their names.
        count: machines.

    Returns:
        Numbers of the files of each machine, ascending; None where one of them would get far more than the mean.
    """
    loads = [0] * count
    files: list[list[int]] = [[] for _ in range(count)]
    for file in sorted(range(len(sizes)), key=lambda number: (-sizes[number], number)):
        machine = min(range(count), key=lambda number: (loads[number], len(files[number]), number))
        loads[machine] += sizes[file]
        files[machine].append(file)
    if len(sizes) < count or max(loads) * count > _UNEVEN * sum(loads):
        return None
    return [sorted(of_one) for of_one in files]
