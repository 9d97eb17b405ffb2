"""How does clean text become pieces: SentencePiece with ALBERT's rule for numbers before a comma?

A piece such as ``▁2011,`` is not used as it stands: the number is encoded again without its comma, and the comma
follows as a piece of its own. Which pieces that concerns is known from the vocabulary, so the rule costs one set test
per text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sentencepiece

from albert_cli.errors import ModelError
from albert_cli.tokenization.spm_file import check_loadable, with_dummy_prefix

SPACE = "\u2581"
_SAMPLING_OPTIONS = ("enable_sampling", "nbest_size", "alpha")


@dataclass
class PlacedPiece:
    """A piece of a text and the normalised characters it stands on.

    Args:
        token_id: vocabulary id.
        surface: its text; for an unknown piece the text that is unknown.
        first: index of its first character in the text as SentencePiece normalised it.
        last: the place behind its last character there; equal to ``first`` for an added lone U+2581.
    """

    token_id: int
    surface: str
    first: int
    last: int


class PieceEncoder:
    """A SentencePiece model with ALBERT's digit-comma rule.

    Args:
        model: serialised model.
        source: what to call it in messages.
        drop_added_space: when a number piece without U+2581 is encoded again, drop the U+2581 that this adds (the
            documented tokenizer); False keeps it, as the original code does.
        add_prefix_space: put a space before the text.
        sampling: ``enable_sampling``, ``nbest_size``, ``alpha`` of SentencePiece.

    Raises:
        ModelError: the bytes are no SentencePiece model, or an option is not a sampling option.
    """

    def __init__(
        self,
        model: bytes,
        *,
        source: str = "the model",
        drop_added_space: bool = True,
        add_prefix_space: bool = True,
        sampling: Mapping[str, Any] | None = None,
    ) -> None:
        self._plain = load_processor(model, source=source)
        options = dict(sampling or {})
        unknown = sorted(set(options) - set(_SAMPLING_OPTIONS))
        if unknown:
            raise ModelError(
                f"sp_model_kwargs does not take {', '.join(unknown)}", hint=f"it takes {', '.join(_SAMPLING_OPTIONS)}"
            )
        self._processor = self._plain
        if options or not add_prefix_space:
            changed = model if add_prefix_space else with_dummy_prefix(model, False)
            self._processor = load_processor(changed, source=source, options=options)
        self.samples = bool(options.get("enable_sampling"))
        self.is_plain = self._processor is self._plain
        self.unk_id: int = self._plain.unk_id()
        self._drop_added_space = drop_added_space
        self.table: list[str] = [self._plain.id_to_piece(i) for i in range(self._plain.get_piece_size())]
        self.ids: dict[str, int] = {}
        for index, piece in enumerate(self.table):
            self.ids.setdefault(piece, index)
        self._number_ids = {i: self._number_pieces(piece) for i, piece in enumerate(self.table) if ends_number(piece)}
        # Pieces of bytes are called <0x00> to <0xFF>; asking of every piece what it is would take longer than loading.
        self._bytes = frozenset(
            i for i, piece in enumerate(self.table) if piece.startswith("<0x") and self._plain.is_byte(i)
        )
        # When even the comma is unknown, an unknown stretch may end like a number piece.
        self._watched = frozenset(self._number_ids) | (frozenset() if "," in self.ids else frozenset({self.unk_id}))

    @cached_property
    def _controls(self) -> tuple[int, ...]:
        return tuple(i for i in range(len(self.table)) if self._plain.is_control(i))

    def encode(self, texts: Sequence[str], *, names_controls: bool = False, threads: int = 1) -> list[list[int]]:
        """Ids of clean texts, without special tokens.

        Args:
            texts: clean text; any order, any length.
            names_controls: look unknown stretches up by name, as the original code does: where the vocabulary knows
                none of its characters, the text ``[MASK]`` then becomes the control piece.
            threads: SentencePiece's own threads.
        """
        rows: list[list[int]] = self._processor.Encode(list(texts), out_type=int, num_threads=threads)
        if names_controls:
            names = [self.table[i] for i in self._controls]
            for row, text in enumerate(texts):
                if any(name in text for name in names):
                    rows[row] = [piece.token_id for piece in self.encode_placed(text, names_controls=True)[0]]
        if not self._watched:
            return rows
        for row, ids in enumerate(rows):
            if not self._watched.isdisjoint(ids):
                rows[row] = self._split_numbers(ids, texts[row])
        return rows

    def encode_placed(self, text: str, *, names_controls: bool = False) -> tuple[list[PlacedPiece], str, list[int]]:
        """Pieces of one clean text, each with its place.

        Args:
            text: clean text.
            names_controls: as in ``encode``.

        Returns:
            The pieces; the text as SentencePiece normalised it; per character of that the index into ``text`` it comes
            from, with one more entry for the end.
        """
        normal, offsets = self._processor.Normalize(text, with_offsets=True)
        placed: list[PlacedPiece] = []
        at = pending_bytes = 0
        for surface in self._processor.Encode(text, out_type=str):
            token_id = self._id_of_surface(surface, names_control=names_controls)
            if token_id in self._bytes:
                pending_bytes = pending_bytes or len(normal[at].encode("utf-8"))
                placed.append(PlacedPiece(token_id, surface, at, at + 1))
                pending_bytes -= 1
                at += pending_bytes == 0
                continue
            placed.append(PlacedPiece(token_id, surface, at, at + len(surface)))
            at += len(surface)
        if at != len(normal):
            raise RuntimeError(f"pieces cover {at} of {len(normal)} normalised characters")  # a defect of ours
        return self._split_placed_numbers(placed, normal), normal, list(offsets)

    def normalise(self, texts: Sequence[str]) -> list[str]:
        """Texts as SentencePiece cuts them into pieces: with U+2581 for spaces."""
        normal: list[str] = self._plain.Normalize(list(texts))
        return normal

    def normalise_piecewise(self, text: str) -> str:
        """What SentencePiece's normaliser makes of a few characters, spaces stripped."""
        result: str = self._plain.Normalize(text)
        return result.strip(SPACE)

    def join(self, pieces: Sequence[str]) -> str:
        """Text of pieces, as SentencePiece puts them together."""
        result: str = self._plain.Decode(list(pieces)) if pieces else ""
        return result

    def _id_of_surface(self, surface: str, *, names_control: bool = False) -> int:
        """Id of a piece that came out of encoding; a control piece only if an unknown stretch may name one."""
        index = self.ids.get(surface, self.unk_id)
        return self.unk_id if index in self._controls and not names_control else index

    def _number_pieces(self, piece: str) -> list[str]:
        """A number piece with its comma apart."""
        again: list[str] = self._plain.Encode(piece[:-1].replace(SPACE, ""), out_type=str, enable_sampling=False)
        if self._drop_added_space and piece[0] != SPACE and again and again[0][0] == SPACE:
            again = again[1:] if again[0] == SPACE else [again[0][1:], *again[1:]]
        return [*again, ","]

    def _split_numbers(self, ids: list[int], text: str) -> list[int]:
        """Apply the rule to one row of ids."""
        if self.unk_id in self._watched and self.unk_id in ids:
            return [piece.token_id for piece in self.encode_placed(text)[0]]
        out: list[int] = []
        for index in ids:
            pieces = self._number_ids.get(index)
            if pieces is None:
                out.append(index)
            else:
                out.extend(self._id_of_surface(piece) for piece in pieces)
        return out

    def _split_placed_numbers(self, placed: list[PlacedPiece], normal: str) -> list[PlacedPiece]:
        """Apply the rule to placed pieces."""
        if not any(ends_number(piece.surface) for piece in placed):
            return placed
        out: list[PlacedPiece] = []
        for piece in placed:
            out.extend(self._place_number(piece, normal) if ends_number(piece.surface) else [piece])
        return out

    def _place_number(self, whole: PlacedPiece, normal: str) -> list[PlacedPiece]:
        """The parts of a number piece on its characters."""
        places = [i for i in range(whole.first, whole.last - 1) if normal[i] != SPACE]
        out: list[PlacedPiece] = []
        used = 0
        *numbers, comma = self._number_pieces(whole.surface)
        for surface in numbers:
            count = sum(char != SPACE for char in surface)
            mine = places[used : used + count]
            used += count
            first = mine[0] if mine else places[min(used, len(places) - 1)]
            out.append(PlacedPiece(self._id_of_surface(surface), surface, first, mine[-1] + 1 if mine else first))
        out.append(PlacedPiece(self._id_of_surface(comma), comma, whole.last - 1, whole.last))
        return out


def load_processor(model: bytes, *, source: str, options: Mapping[str, Any] | None = None) -> Any:
    """A SentencePiece processor, or one clear line why these bytes are none."""
    if not model:
        raise ModelError(f"{source}: the SentencePiece model is empty", hint="download it again")
    check_loadable(model, source=source)
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model, **dict(options or {}))
        # A processor loads lazily in places: using it once shows a broken normaliser now and not in a worker.
        processor.Encode("a", out_type=int)
    except (RuntimeError, ValueError, OSError, TypeError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"{source} is not a usable SentencePiece model: {reason}",
            hint="download it again, or train a tokenizer with `albert train-tokenizer`",
        ) from None
    return processor


def ends_number(piece: str) -> bool:
    """Whether ALBERT's rule concerns this piece: a digit, then a comma, at its end."""
    return len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit()
