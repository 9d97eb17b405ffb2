"""Which token has which id: SentencePiece's pieces, and tokens that were added behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from albert_cli.tokenization.specials import ROLES, AddedToken, as_role


class Vocabulary:
    """Tokens and ids.

    Args:
        pieces: SentencePiece's pieces in id order.
        piece_ids: their ids.
        unk_id: id of the unknown piece.
        roles: special tokens by role; those that are no pieces get ids behind the pieces.
        extra: further tokens by id (inside or behind the pieces).
    """

    def __init__(
        self,
        pieces: list[str],
        piece_ids: Mapping[str, int],
        *,
        unk_id: int,
        roles: Mapping[str, AddedToken],
        extra: Mapping[int, AddedToken] | None = None,
    ) -> None:
        self._pieces = pieces
        self._piece_ids = piece_ids
        self._unk_id = unk_id
        self.roles = {role: roles[role] for role in ROLES}
        self.more_special: list[str] = []
        self._behind: dict[int, str] = {}
        self._added: dict[str, AddedToken] = {}
        self.take(extra or {})
        self.add(self.roles.values())

    def __len__(self) -> int:
        return max(len(self._pieces), max(self._behind, default=-1) + 1)

    def take(self, tokens: Mapping[int, AddedToken]) -> None:
        """Take in tokens of a file under its own ids.

        Entries inside the SentencePiece vocabulary are passed over: some writers list forced symbols such as "(" there.
        """
        for index, token in sorted(tokens.items()):
            if index >= len(self._pieces) and self.id_of(token.content) in (None, index):
                self._behind[index] = token.content
                self._remember(token)

    def add(self, tokens: Iterable[AddedToken]) -> int:
        """Take tokens in; those without an id get the next one.

        Returns:
            How many are new.
        """
        new = 0
        for token in tokens:
            if self.id_of(token.content) is None:
                self._behind[len(self)] = token.content
                new += 1
            self._remember(token)
        return new

    def add_special(self, tokens: Mapping[str, Any]) -> int:
        """Give roles to tokens, or add further special ones under ``additional_special_tokens``.

        Returns:
            How many tokens are new.

        Raises:
            ValueError: a key that is no role.
        """
        count = 0
        for role, token in tokens.items():
            if role in ("additional_special_tokens", "extra_special_tokens"):
                count += self.add([AddedToken.of(entry) for entry in token])
            elif role in ROLES:
                self.roles[role] = replace(as_role(role, token), special=True)
                count += self.add([self.roles[role]])
            else:
                raise ValueError(f"{role} is no special token; known are {', '.join(ROLES)}, additional_special_tokens")
        return count

    def id_of(self, token: str) -> int | None:
        """Id of a token, None if there is none."""
        index = self._piece_ids.get(token)
        if index is not None:
            return index
        return next((i for i, content in self._behind.items() if content == token), None)

    def id_or_unknown(self, token: str) -> int:
        """Id of a token, the unknown id if there is none."""
        index = self.id_of(token)
        return self._unk_id if index is None else index

    def token(self, index: int) -> str:
        """Token of an id.

        Raises:
            IndexError: no token has it.
        """
        if 0 <= index < len(self._pieces):
            return self._pieces[index]
        if index in self._behind:
            return self._behind[index]
        raise IndexError(f"id {index} is outside the vocabulary of {len(self)} tokens")

    @property
    def special_tokens(self) -> list[str]:
        """Special tokens by role, then further ones, each once."""
        return list(dict.fromkeys([*(token.content for token in self.roles.values()), *self.more_special]))

    @property
    def plain_added(self) -> set[str]:
        """Tokens behind the pieces that are not special."""
        return set(self._behind.values()) - {t.content for t in self.roles.values()} - set(self.more_special)

    @property
    def found_in_text(self) -> list[tuple[AddedToken, int]]:
        """Tokens that are recognised in text, with ids."""
        return [(token, self.id_or_unknown(content)) for content, token in self._added.items()]

    @property
    def added_by_id(self) -> dict[int, AddedToken]:
        """Special and added tokens by id."""
        return {index: token for token, index in sorted(self.found_in_text, key=lambda item: item[1])}

    def as_dict(self) -> dict[str, int]:
        """Every token with its id."""
        return {**self._piece_ids, **{content: index for index, content in self._behind.items()}}

    def _remember(self, token: AddedToken) -> None:
        """Recognise a token in text from now on."""
        self._added[token.content] = token
        if token.special and token.content not in {t.content for t in self.roles.values()} | set(self.more_special):
            self.more_special.append(token.content)
