"""Which tokens stand outside the SentencePiece text, and where do they occur in a string?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from albert_cli.tokenization.normalize import lower_each

ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
DEFAULT_TOKENS: Mapping[str, str] = {
    "bos_token": "[CLS]",
    "eos_token": "[SEP]",
    "unk_token": "<unk>",
    "sep_token": "[SEP]",
    "pad_token": "<pad>",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}


@dataclass(frozen=True)
class AddedToken:
    """A token that is recognised in text as a whole.

    Args:
        content: its text.
        lstrip: it eats the white space on its left.
        rstrip: it eats the white space on its right.
        single_word: it counts only with a space or the end of the text on both sides.
        special: ``skip_special_tokens`` leaves it out.
    """

    content: str
    lstrip: bool = False
    rstrip: bool = False
    single_word: bool = False
    special: bool = True

    @classmethod
    def of(cls, token: object, **defaults: bool) -> AddedToken:
        """Take a string, a mapping as in ``special_tokens_map.json``, or any object with these fields."""
        if isinstance(token, str):
            return cls(token, **defaults)
        names = ("content", "lstrip", "rstrip", "single_word", "special")
        if isinstance(token, Mapping):
            read = {name: token[name] for name in names if name in token}
        else:
            read = {name: getattr(token, name) for name in names if hasattr(token, name)}
        content = read.pop("content", None)
        if not isinstance(content, str):
            raise TypeError(f"a special token is a string or has a string as `content`, got {token!r}")
        flags = {name: bool(value) for name, value in {**defaults, **read}.items()}
        return cls(content, **flags)

    def as_dict(self) -> dict[str, object]:
        """The entry of ``added_tokens_decoder``."""
        return {
            "content": self.content,
            "lstrip": self.lstrip,
            "normalized": not self.special,
            "rstrip": self.rstrip,
            "single_word": self.single_word,
            "special": self.special,
        }


@dataclass(frozen=True)
class Fragment:
    """A stretch of a text: ordinary text, or one token that stands outside of it.

    Args:
        start: first character.
        end: the place behind the last character.
        token_id: id of the token; None for ordinary text.
        token: its content, which the text may spell in other letters (``<PAD>``).
    """

    start: int
    end: int
    token_id: int | None = None
    token: str = ""


class TokenFinder:
    """Finds tokens in text.

    Args:
        tokens: what to find, with ids.
        lower_case: the slow tokenizer lower-cases before it looks, so ``<PAD>`` is found as ``<pad>``.
    """

    def __init__(self, tokens: Iterable[tuple[AddedToken, int]], *, lower_case: bool) -> None:
        self._tokens = {token.content: (token, index) for token, index in tokens}
        self._lower_case = lower_case
        by_length = sorted(self._tokens, key=lambda content: (-len(content), content))
        self._pattern = re.compile("|".join(map(re.escape, by_length)) or r"(?!)")
        self._landmarks = tuple(sorted({_landmark(content) for content in self._tokens}))

    def may_occur(self, text: str) -> bool:
        """A cheap look: False means that no token is in the text."""
        return any(landmark in text for landmark in self._landmarks)

    def split(self, text: str) -> list[Fragment]:
        """Fragments of a text in order; one ordinary fragment when no token occurs."""
        if not self.may_occur(text):
            return [Fragment(0, len(text))] if text else []
        searched, places = self._lowered(text) if self._lower_case else (text, None)
        fragments = [Fragment(0, len(searched))]
        for match in self._pattern.finditer(searched):
            token, index = self._tokens[match.group()]
            if not token.single_word or _stands_alone(searched, match.start(), match.end()):
                rest = fragments.pop()
                fragments += _cut(searched, rest, match, token, index)
        if places is not None:
            fragments = [replace(f, start=places[f.start], end=places[f.end]) for f in fragments]
        return [f for f in fragments if f.start < f.end]

    def _lowered(self, text: str) -> tuple[str, list[int] | None]:
        """The text as the slow tokenizer searches it: lower-case but for exact tokens; and the way back."""
        parts: list[str] = []
        at = 0
        for match in self._pattern.finditer(text):
            parts += [lower_each(text[at : match.start()]), match.group()]
            at = match.end()
        parts.append(lower_each(text[at:]))
        lowered = "".join(parts)
        if len(lowered) == len(text):
            return lowered, None
        exact = {i for match in self._pattern.finditer(text) for i in range(match.start(), match.end())}
        places = [i for i, char in enumerate(text) for _ in range(1 if i in exact else len(char.lower()))]
        return lowered, [*places, len(text)]


def as_role(role: str, token: Any) -> AddedToken:
    """A special token for a role, the documented one for None; a mask given as a string eats the spaces on its left."""
    token = DEFAULT_TOKENS[role] if token is None else token
    return AddedToken.of(token, lstrip=role == "mask_token" and isinstance(token, str))


def _landmark(content: str) -> str:
    """A character of a token that lower-casing neither makes nor changes; the empty string (found anywhere) if none."""
    return next((char for char in content if char.isascii() and not char.isalpha()), "")


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether spaces or the ends of the text surround a stretch."""
    return (start == 0 or text[start - 1] == " ") and (end == len(text) or text[end] == " ")


def _cut(text: str, rest: Fragment, match: re.Match[str], token: AddedToken, index: int) -> list[Fragment]:
    """The remaining fragment as text before the token, the token, and text behind it."""
    left_end, right_start = match.start(), match.end()
    if token.lstrip:
        left_end = rest.start + len(text[rest.start : left_end].rstrip())
    if token.rstrip:
        right_start = rest.end - len(text[right_start : rest.end].lstrip())
    return [
        Fragment(rest.start, max(rest.start, left_end)),
        Fragment(match.start(), match.end(), index, token.content),
        Fragment(right_start, rest.end),
    ]
