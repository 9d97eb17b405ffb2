"""How does a string become ids, with or without places in the original string? Cleaning, special tokens and pieces."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from albert_cli.tokenization.normalize import CleaningRules, clean, clean_mapped
from albert_cli.tokenization.offsets import piece_spans
from albert_cli.tokenization.pieces import PieceEncoder
from albert_cli.tokenization.specials import Fragment, TokenFinder
from albert_cli.tokenization.spm_file import parse_spm
from albert_cli.tokenization.word_memo import WordMemo, word_scores

_WORD = re.compile(r"\S+")


@dataclass
class EncodedText:
    """Pieces of one text with their places.

    Args:
        ids: vocabulary ids, no special tokens added.
        starts: first character of each piece in the original string.
        ends: place behind the last character of each piece.
        pieces: text of each piece; for unknown ones the unknown text, for recognised tokens the token.
        tokens_at: where special or added tokens were recognised.
        words: word of each piece where the vocabulary has its own idea of words; None: white space parts them.
    """

    ids: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    tokens_at: list[tuple[int, int]] = field(default_factory=list)
    words: list[int] | None = None

    def words_in(self, text: str, places: Sequence[int] | None = None) -> list[int]:
        """Word of each piece.

        Args:
            text: the text that was encoded.
            places: of each piece a character that decides, where white space parts words; None: its first one.
        """
        return words_of(text, places or self.starts, self.tokens_at) if self.words is None else self.words


class FlatEncoder:
    """Large amounts of text to ids, one after another in an array; remembers words, so it gets faster on the way.

    The ids are those of ``TextEncoder.encode_batch``: no special tokens are added, ``[MASK]`` and the like are text.

    Args:
        pieces: the SentencePiece model with ALBERT's rule.
        rules: what happens to text first.
        model: the serialised SentencePiece model.
    """

    def __init__(self, pieces: PieceEncoder, rules: CleaningRules, model: bytes) -> None:
        self._pieces = pieces
        self._rules = rules
        scores = word_scores(parse_spm(model)) if pieces.is_plain else None
        self._memo = None if scores is None else WordMemo(pieces, scores)

    def __call__(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Encode texts.

        Returns:
            (T,) int32 ids of all texts one after another; (S,) int64 number of ids of each.
        """
        cleaned = [clean(text, self._rules) for text in texts]
        if self._memo is not None:
            return self._memo.encode(cleaned)
        rows = self._pieces.encode(cleaned)
        sizes = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        return np.fromiter((index for row in rows for index in row), np.int32, int(sizes.sum())), sizes


class TextEncoder:
    """Strings to ids.

    Args:
        pieces: the SentencePiece model with ALBERT's rule.
        rules: what happens to text first.
        finder: tokens that are recognised in text unless a call says otherwise; None recognises none, and looks up
            unknown stretches by name as the original code does.
        make_flat: makes the encoder for large amounts of text.
        trim_offsets: leave the space before a word out of its first piece's span.
    """

    def __init__(
        self,
        pieces: PieceEncoder,
        rules: CleaningRules,
        finder: TokenFinder | None,
        *,
        make_flat: Callable[[], FlatEncoder],
        trim_offsets: bool = True,
    ) -> None:
        self._pieces = pieces
        self._rules = rules
        self._finder = finder
        self._make_flat = make_flat
        self._trim = trim_offsets

    def encode_batch(
        self, texts: Sequence[str], *, split_special_tokens: bool = True, threads: int = 1
    ) -> list[list[int]]:
        """Ids of many texts, no special tokens added.

        Args:
            texts: any strings.
            split_special_tokens: treat ``[MASK]`` and the like as text.
            threads: SentencePiece's own threads.
        """
        rules = self._rules
        exact = self._finder is None and not split_special_tokens
        rows = self._pieces.encode([clean(text, rules) for text in texts], names_controls=exact, threads=threads)
        if self._finder is not None and not split_special_tokens:
            found = [i for i, text in enumerate(texts) if self._finder.may_occur(text)]
            for i, ids in zip(found, self._encode_split(self._finder, [texts[i] for i in found]), strict=True):
                rows[i] = ids
        return rows

    def flat(self) -> FlatEncoder:
        """An encoder for large amounts of text with the same rules."""
        return self._make_flat()

    def _encode_split(self, finder: TokenFinder, texts: Sequence[str]) -> list[list[int]]:
        """Ids of texts that may hold tokens."""
        split = [finder.split(text) for text in texts]
        cleaned = [
            clean(text[part.start : part.end], self._rules)
            for text, parts in zip(texts, split, strict=True)
            for part in parts
            if part.token_id is None
        ]
        encoded = iter(self._pieces.encode(cleaned))
        return [_join(parts, encoded) for parts in split]

    def encode_with_offsets(self, text: str, *, split_special_tokens: bool = True) -> EncodedText:
        """Pieces of one text with their places in it; the ids are those of ``encode_batch``.

        Args:
            text: any string.
            split_special_tokens: treat ``[MASK]`` and the like as text.
        """
        parts = [Fragment(0, len(text))] if self._finder is None or split_special_tokens else self._finder.split(text)
        exact = self._finder is None and not split_special_tokens
        out = EncodedText()
        for part in parts:
            if part.token_id is None:
                self._encode_fragment(text, part, out, exact)
            else:
                out.ids.append(part.token_id)
                out.starts.append(part.start)
                out.ends.append(part.end)
                out.pieces.append(part.token)
                out.tokens_at.append((part.start, part.end))
        return out

    def _encode_fragment(self, text: str, part: Fragment, out: EncodedText, exact: bool) -> None:
        """Append the pieces of one stretch of ordinary text."""
        mapped = clean_mapped(text[part.start : part.end], self._rules)
        placed, normal, offsets = self._pieces.encode_placed(mapped.text, names_controls=exact)
        starts, ends = piece_spans(
            placed, normal, offsets, mapped, normalise=self._pieces.normalise_piecewise, trim=self._trim
        )
        out.ids += [piece.token_id for piece in placed]
        out.pieces += [piece.surface for piece in placed]
        out.starts += [part.start + start for start in starts]
        out.ends += [part.start + end for end in ends]


def words_of(text: str, starts: Sequence[int], tokens_at: Sequence[tuple[int, int]] = ()) -> list[int]:
    """Index of the word in which each place lies; words are parted by white space and by recognised tokens.

    Args:
        text: the text.
        starts: places in it.
        tokens_at: spans of recognised tokens; each is a word of its own.
    """
    cuts = {cut for span in tokens_at for cut in span if not text[cut : cut + 1].isspace() and cut < len(text)}
    word_starts = sorted(cuts | {match.start() for match in _WORD.finditer(text)})
    return [max(0, bisect.bisect_right(word_starts, start) - 1) for start in starts]


def _join(parts: Sequence[Fragment], encoded: Iterator[list[int]]) -> list[int]:
    """Ids of a text from its tokens and the ids of its ordinary stretches, taken in order."""
    ids: list[int] = []
    for part in parts:
        if part.token_id is None:
            ids += next(encoded)
        else:
            ids.append(part.token_id)
    return ids
