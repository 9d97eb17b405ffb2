"""How do the tokens of a batch lie in memory, and who may attend to whom?

Two layouts. Padded: (B, L, H), each sequence filled up to the longest; what the public interface takes and gives.
Packed: (T, H), all sequences one after another and nothing else; what our own loops use, since no padding is computed.
Only attention, position lookup, pooling and heads ask a layout; everything else works on the last axis.

Shapes: B sequences, L tokens of the longest, T tokens of all, n sequences of one attention block, S their common length
there, X any width, H hidden, P positions of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor

from albert_cli.errors import ModelError


@dataclass
class PaddedLayout:
    """Sequences side by side, the short ones filled up.

    Args:
        batch: B.
        length: L.
        attention_mask: (B, L) of any number type, 0 where nobody may look; None lets everybody look everywhere.
        device: where the tokens are.
    """

    batch: int
    length: int
    attention_mask: Tensor | None
    device: torch.device
    _biases: dict[torch.dtype, Tensor] = field(default_factory=dict, repr=False)

    packed = False

    def __post_init__(self) -> None:
        mask = self.attention_mask
        if mask is not None and mask.shape != (self.batch, self.length):
            raise ModelError(
                f"attention_mask has shape {tuple(mask.shape)}, the tokens have ({self.batch}, {self.length})",
                hint="give one number for each token: 1 for a token, 0 for padding",
            )

    @property
    def max_length(self) -> int:
        """L."""
        return self.length

    @property
    def positions(self) -> Tensor:
        """(1, L) int64: 0, 1, 2, ..."""
        return torch.arange(self.length, device=self.device).unsqueeze(0)

    @property
    def starts(self) -> Tensor:
        """(B,) int64: where each sequence begins in a flattened (B, L)."""
        return torch.arange(self.batch, device=self.device) * self.length

    def blocks(self, tokens: Tensor) -> list[tuple[Tensor, Tensor | None]]:
        """What attention computes at once.

        Args:
            tokens: (B, L, X).

        Returns:
            One block: the tokens, and the (B, 1, 1, L) number to add to the scores, or None.
        """
        if self.attention_mask is None:
            return [(tokens, None)]
        if tokens.dtype not in self._biases:
            self._biases[tokens.dtype] = _bias(self.attention_mask == 0, tokens.dtype)
        return [(tokens, self._biases[tokens.dtype])]

    def join(self, blocks: list[Tensor]) -> Tensor:
        """The inverse of ``blocks``: one (B, L, X) block to (B, L, X)."""
        return blocks[0]

    def first_tokens(self, tokens: Tensor) -> Tensor:
        """First token of each sequence: (B, L, X) to (B, X)."""
        return tokens[:, 0]


@dataclass(frozen=True)
class PackedLayout:
    """Sequences one after another, without padding. Make one with ``from_lengths``.

    Attributes:
        lengths: tokens of each sequence; they sum to T.
        device: where the tokens are.
        round_to: inside attention on a processor, sequences whose lengths round up to the same multiple of this are
            computed together.
    """

    lengths: tuple[int, ...]
    device: torch.device
    round_to: int

    packed = True

    @classmethod
    def from_lengths(
        cls, lengths: Sequence[int], *, device: torch.device | str = "cpu", round_to: int = 8
    ) -> PackedLayout:
        """Describe a packed batch.

        Args:
            lengths: tokens of each sequence, 1 or more, in the order in which they lie.
            device: where the tokens are.
            round_to: see the class.

        Raises:
            ModelError: no sequence, or an empty one.
        """
        counts = tuple(int(length) for length in lengths)
        if not counts or min(counts) < 1:
            raise ModelError(f"a packed batch needs sequences of 1 or more tokens, got lengths {list(counts)[:10]}")
        return cls(counts, torch.device(device), max(1, round_to))

    @property
    def batch(self) -> int:
        """B."""
        return len(self.lengths)

    @property
    def num_tokens(self) -> int:
        """T."""
        return sum(self.lengths)

    @property
    def max_length(self) -> int:
        """Tokens of the longest sequence."""
        return max(self.lengths)

    @cached_property
    def starts(self) -> Tensor:
        """(B,) int64: where each sequence begins."""
        return torch.tensor([0, *accumulate(self.lengths)][:-1], device=self.device)

    @cached_property
    def cu_seqlens(self) -> Tensor:
        """(B + 1,) int32: where each sequence begins, and T."""
        return torch.tensor([0, *accumulate(self.lengths)], dtype=torch.int32, device=self.device)

    @cached_property
    def positions(self) -> Tensor:
        """(T,) int64: 0, 1, 2, ... anew for each sequence."""
        return torch.cat([torch.arange(length) for length in self.lengths]).to(self.device)

    @cached_property
    def padded_index(self) -> Tensor:
        """(T,) int64: where each token would lie in a flattened (B, L)."""
        rows = torch.repeat_interleave(torch.arange(self.batch), torch.tensor(self.lengths)) * self.max_length
        return rows.to(self.device) + self.positions

    def blocks(self, tokens: Tensor) -> list[tuple[Tensor, Tensor | None]]:
        """What attention computes at once: the sequences of about one length.

        Args:
            tokens: (T, X).

        Returns:
            For each group its (n, S, X) tokens, and the (n, 1, 1, S) number to add to the scores, or None where all
            sequences of the group are S long.
        """
        groups = self._groups
        if groups.gather is not None:
            tokens = tokens.index_select(0, groups.gather)  # (sum of n*S, X)
        parts = torch.split(tokens, [group.count * group.length for group in groups.members])
        return [
            (part.view(group.count, group.length, -1), group.bias(tokens.dtype))
            for part, group in zip(parts, groups.members, strict=True)
        ]

    def join(self, blocks: list[Tensor]) -> Tensor:
        """The inverse of ``blocks``: (n, S, X) of each group to (T, X)."""
        tokens = torch.cat([block.reshape(-1, block.shape[-1]) for block in blocks]) if len(blocks) > 1 else blocks[0]
        tokens = tokens.reshape(-1, tokens.shape[-1])
        return tokens if self._groups.scatter is None else tokens.index_select(0, self._groups.scatter)

    def first_tokens(self, tokens: Tensor) -> Tensor:
        """First token of each sequence: (T, X) to (B, X)."""
        return tokens.index_select(0, self.starts)

    def pad(self, values: Tensor, *, fill: float) -> Tensor:
        """Lay one number for each token side by side: (T,) to (B, L), ``fill`` where a sequence has ended."""
        padded = values.new_full((self.batch * self.max_length,), fill)
        return padded.index_copy(0, self.padded_index, values).view(self.batch, self.max_length)

    @cached_property
    def _groups(self) -> _Groups:
        return _group(self.lengths, round_to=self.round_to, device=self.device)


@dataclass
class _Group:
    """Sequences that attention computes together: ``count`` of them, filled up to ``length``."""

    count: int
    length: int
    ended: Tensor | None  # (n, S) bool, True after the end of a sequence; None where all are S long
    biases: dict[torch.dtype, Tensor] = field(default_factory=dict)

    def bias(self, dtype: torch.dtype) -> Tensor | None:
        if self.ended is None:
            return None
        if dtype not in self.biases:
            self.biases[dtype] = _bias(self.ended, dtype)
        return self.biases[dtype]


@dataclass
class _Groups:
    """All groups of a batch, and the way there and back (None where tokens already lie so)."""

    members: list[_Group]
    gather: Tensor | None
    scatter: Tensor | None


def _group(lengths: tuple[int, ...], *, round_to: int, device: torch.device) -> _Groups:
    starts = [0, *accumulate(lengths)]
    by_length: dict[int, list[int]] = {}
    for sequence, length in enumerate(lengths):
        by_length.setdefault(-(-length // round_to) * round_to, []).append(sequence)
    members: list[_Group] = []
    gather: list[Tensor] = []
    scatter = torch.empty(starts[-1], dtype=torch.int64)
    offset = 0
    for sequences in by_length.values():
        counts = torch.tensor([lengths[sequence] for sequence in sequences])
        longest = int(counts.max())  # not the rounded length: no slot that no sequence of the group needs
        steps = torch.arange(longest)
        ended = steps >= counts[:, None]  # (n, S)
        first = torch.tensor([starts[sequence] for sequence in sequences])[:, None]
        source = first + torch.minimum(steps, counts[:, None] - 1)  # slots after the end repeat the last token
        scatter[source[~ended]] = offset + torch.arange(source.numel())[~ended.flatten()]
        gather.append(source.flatten())
        members.append(_Group(len(sequences), longest, ended.to(device) if bool(ended.any()) else None))
        offset += source.numel()
    order = torch.cat(gather)
    if torch.equal(order, torch.arange(starts[-1])):
        return _Groups(members, None, None)
    return _Groups(members, order.to(device), scatter.to(device))


def _bias(forbidden: Tensor, dtype: torch.dtype) -> Tensor:
    """(n, S) bool to (n, 1, 1, S): the most negative finite number where True.

    Finite, so that a sequence that may look nowhere gets equal weights everywhere and not NaN.
    """
    zeros = torch.zeros(forbidden.shape, dtype=dtype, device=forbidden.device)
    return zeros.masked_fill(forbidden, torch.finfo(dtype).min)[:, None, None, :]
