"""What does a tokenizer call give back: a mapping whose rows still know the text they came from."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from albert_cli.errors import ModelError


class Alignment:
    """Places of one sequence's tokens in its text, worked out when first asked for.

    Args:
        compute: gives (starts, ends, words), each with one entry per token.
    """

    def __init__(self, compute: Callable[[], tuple[list[int], list[int], list[int]]]) -> None:
        self._compute = compute

    @cached_property
    def places(self) -> tuple[list[int], list[int], list[int]]:
        """First character, place behind the last one, and word index of every token."""
        return self._compute()


@dataclass
class RowEncoding:
    """One row of a batch.

    Args:
        ids: token ids with special tokens and padding.
        type_ids: 0 for the first sequence, 1 for the second.
        attention_mask: 1 for tokens, 0 for padding.
        special_tokens_mask: 1 for special tokens and padding.
        make_frame: gives per token (sequence, index in that sequence), (None, -1) for special tokens and padding.
        alignments: per sequence the places of its tokens.
        table: id to token text.
        sample: which input the row comes from.
    """

    ids: list[int]
    type_ids: list[int]
    attention_mask: list[int]
    special_tokens_mask: list[int]
    make_frame: Callable[[], list[tuple[int | None, int]]] = field(repr=False)
    alignments: tuple[Alignment, ...] = field(repr=False)
    table: Callable[[int], str] = field(repr=False)
    sample: int = 0

    @cached_property
    def frame(self) -> list[tuple[int | None, int]]:
        """Per token (sequence, index in that sequence); (None, -1) for special tokens and padding."""
        return self.make_frame()

    @property
    def tokens(self) -> list[str]:
        """Text of every token."""
        return [self.table(index) for index in self.ids]

    @property
    def sequence_ids(self) -> list[int | None]:
        """0 or 1 for tokens of the first or second sequence, None for special tokens and padding."""
        return [sequence for sequence, _ in self.frame]

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Character span of every token in its text; (0, 0) for special tokens and padding."""
        spans: list[tuple[int, int]] = []
        for sequence, index in self.frame:
            if sequence is None:
                spans.append((0, 0))
            else:
                starts, ends, _ = self.alignments[sequence].places
                spans.append((starts[index], ends[index]))
        return spans

    @property
    def word_ids(self) -> list[int | None]:
        """Word index of every token, None for special tokens and padding."""
        return [None if seq is None else self.alignments[seq].places[2][index] for seq, index in self.frame]


class BatchEncoding(UserDict[str, Any]):
    """Model inputs by name; keys are attributes too.

    Args:
        data: ``input_ids`` and what else was asked for: lists, numpy arrays or torch tensors of shape (B, L).
        encodings: the rows with their texts; None where they were lost (pickling drops them).
    """

    def __init__(self, data: dict[str, Any] | None = None, encodings: Sequence[RowEncoding] | None = None) -> None:
        super().__init__(data or {})
        self._encodings = None if encodings is None else list(encodings)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "data":
            raise AttributeError(name)
        try:
            return self.data[name]
        except KeyError:
            raise AttributeError(f"this encoding has no {name}; it has {', '.join(self.data)}") from None

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self.data[key]
        if isinstance(key, int):
            return self.encodings[key]
        return {name: values[key] for name, values in self.data.items()}

    def __getstate__(self) -> dict[str, Any]:
        return {"data": self.data, "_encodings": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    @property
    def encodings(self) -> list[RowEncoding]:
        """The rows.

        Raises:
            ModelError: this encoding was not made by a tokenizer call of this process.
        """
        if self._encodings is None:
            raise ModelError(
                "this encoding has no link to its text", hint="ask the tokenizer's own result, before pickling"
            )
        return self._encodings

    @property
    def is_fast(self) -> bool:
        """Whether offsets and word ids can be asked for."""
        return self._encodings is not None

    @property
    def n_sequences(self) -> int | None:
        """1 for single texts, 2 for pairs, None where the rows were lost."""
        return len(self._encodings[0].alignments) if self._encodings else None

    def to(self, device: Any, *, non_blocking: bool = False) -> BatchEncoding:
        """Move every tensor to a device, in place, and give the encoding back."""
        for name, value in self.data.items():
            if hasattr(value, "to"):
                self.data[name] = value.to(device, non_blocking=non_blocking)
        return self

    def tokens(self, batch_index: int = 0) -> list[str]:
        """Text of every token of a row."""
        return self.encodings[batch_index].tokens

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """Word of every token of a row; words are parted by white space, or given with ``is_split_into_words``."""
        return self.encodings[batch_index].word_ids

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """Sequence of every token of a row: 0, 1, or None for special tokens and padding."""
        return self.encodings[batch_index].sequence_ids

    def token_to_chars(self, batch_or_token_index: int, token_index: int | None = None) -> tuple[int, int] | None:
        """Character span of a token (of the first row, if one index is given); None for special tokens and padding."""
        batch, index = (0, batch_or_token_index) if token_index is None else (batch_or_token_index, token_index)
        row = self.encodings[batch]
        return None if row.frame[index][0] is None else row.offsets[index]

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """First token whose span holds a character (of the first row, if one index is given); None if no token does."""
        batch, index = (0, batch_or_char_index) if char_index is None else (batch_or_char_index, char_index)
        row = self.encodings[batch]
        for i, (sequence, (start, end)) in enumerate(zip(row.sequence_ids, row.offsets, strict=True)):
            if sequence == sequence_index and start <= index < end:
                return i
        return None

    def convert_to_tensors(self, tensor_type: str | None = None) -> BatchEncoding:
        """Turn lists into tensors, in place.

        Args:
            tensor_type: ``"pt"`` (int64 tensors), ``"np"`` (int64 arrays) or None (leave the lists).

        Raises:
            ValueError: another type, or rows of different lengths.
        """
        if tensor_type is None:
            return self
        make = _tensor_maker(tensor_type)
        for name, value in self.data.items():
            self.data[name] = make(name, value)
        return self


def check_tensor_type(tensor_type: object) -> None:
    """Refuse what we cannot make.

    Raises:
        ValueError: anything but ``"pt"``, ``"np"`` and None.
    """
    if tensor_type not in (None, "pt", "np"):
        raise ValueError(f"return_tensors takes 'pt', 'np' or None, got {tensor_type!r}; make other arrays from 'np'")


def _tensor_maker(tensor_type: str) -> Callable[[str, Any], Any]:
    """A function from nested lists of integers to an array of the wanted kind."""
    check_tensor_type(tensor_type)
    import numpy

    def as_array(name: str, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        try:
            array = numpy.asarray(value, dtype=numpy.int64)
        except (ValueError, TypeError):
            raise ValueError(
                f"the rows of {name} differ in length, so they make no tensor; pass padding=True (and truncation=True)"
            ) from None
        return array.reshape(0, 0) if array.size == 0 and array.ndim == 1 else array

    if tensor_type == "np":
        return as_array
    import torch

    def as_tensor(name: str, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value
        return torch.from_numpy(as_array(name, value))

    return as_tensor
