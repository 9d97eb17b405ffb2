"""What does a tokenizer ask of the part that knows a vocabulary, be it SentencePiece pieces or WordPiece?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from albert_cli.tokenization.encoder import EncodedText
from albert_cli.tokenization.specials import AddedToken
from albert_cli.tokenization.vocabulary import Vocabulary

EncodeFlat = Callable[[Sequence[str]], tuple[np.ndarray, np.ndarray]]
FoundTokens = Sequence[tuple[AddedToken, int]]


class Encoder(Protocol):
    """Strings to ids; see ``encoder.TextEncoder``."""

    def encode_batch(
        self, texts: Sequence[str], *, split_special_tokens: bool = True, threads: int = 1
    ) -> list[list[int]]:
        """Ids of many texts, no special tokens added."""
        ...

    def encode_with_offsets(self, text: str, *, split_special_tokens: bool = True) -> EncodedText:
        """Pieces of one text with their places in it."""
        ...

    def flat(self) -> EncodeFlat:
        """A function from S texts to their (T,) ids, one after another, and the (S,) number of ids of each."""
        ...


class Engine(Protocol):
    """A vocabulary, and how text is cut into its pieces and put together again.

    Attributes:
        table: pieces in id order.
        ids: their ids.
        unk_id: id of the unknown piece.
        samples: whether segmentations are drawn at random.
    """

    table: list[str]
    ids: dict[str, int]
    unk_id: int

    @property
    def samples(self) -> bool:
        """Whether segmentations are drawn at random."""
        ...

    def role(self, name: str, token: Any) -> AddedToken:
        """The special token of a role; None gives the one that vocabularies of this kind have."""
        ...

    def encoder(self, kept: Mapping[str, Any], tokens: FoundTokens) -> Encoder:
        """What encodes under these settings and recognises these tokens in text."""
        ...

    def text(
        self, tokens: Sequence[str], *, special: Collection[str], added: Collection[str], spaces_between: bool
    ) -> str:
        """Text of tokens; arguments as those of ``decoding.decode_tokens``."""
        ...

    def fingerprint(self, kept: Mapping[str, Any], added: Sequence[tuple[int, str]]) -> str:
        """SHA-256 of all that decides about ids."""
        ...

    def write_vocabulary(self, folder: Path, prefix: str | None) -> Path:
        """Write the vocabulary's own file into an existing directory."""
        ...

    def files(self, kept: Mapping[str, Any], vocabulary: Vocabulary) -> Mapping[str, Mapping[str, Any]]:
        """Content of the JSON files that stand beside it, by name."""
        ...


class Source(Protocol):
    """Where a vocabulary was found, and what that says about settings.

    Attributes:
        kind: ``sentencepiece`` or ``wordpiece``.
        path: file it was read from, None for a list of pieces.
        hints: settings that the origin implies.
        added: tokens by id that the origin lists.
    """

    kind: ClassVar[str]

    @property
    def path(self) -> str | None:
        """File it was read from."""
        ...

    @property
    def hints(self) -> Mapping[str, Any]:
        """Settings that the origin implies."""
        ...

    @property
    def added(self) -> Mapping[int, AddedToken]:
        """Tokens by id that the origin lists."""
        ...

    def settle(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Every setting: what was given, checked; what the origin implies; the defaults."""
        ...

    def engine(self, kept: Mapping[str, Any]) -> Engine:
        """The vocabulary under these settings."""
        ...
