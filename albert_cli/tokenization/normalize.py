"""How is text cleaned before SentencePiece sees it, and which original characters does each clean character come from?

Two recipes exist. The original ALBERT code collapses white space, decomposes (NFKD), drops combining marks and
lower-cases. The slow ``AlbertTokenizer`` of transformers lower-cases each character by itself first (so a final capital
sigma becomes the ordinary small one) and turns the two-character quotes into one double quote.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

REPLACEMENT = "\ufffd"
_SURROGATES = re.compile("[\ud800-\udfff]")
_DOUBLE_QUOTES = re.compile("``|''")
_WHITE_SPACE = re.compile(r"\s+")
_MAY_COMBINE = re.compile("[\u0300-\U0010ffff]+")  # below lies no combining mark


@dataclass(frozen=True)
class CleaningRules:
    """What happens to text before SentencePiece.

    Args:
        lower_case: lower-case the text.
        keep_accents: leave out decomposition and the dropping of combining marks.
        remove_space: strip, and make every run of white space one space.
        as_transformers: rewrite quotes, and lower-case character by character first.
    """

    lower_case: bool = True
    keep_accents: bool = False
    remove_space: bool = True
    as_transformers: bool = True


@dataclass
class MappedText:
    """Clean text that knows where it comes from.

    Args:
        text: the clean text.
        starts: per character of ``text`` the first original character it comes from.
        ends: per character of ``text`` the place behind the last original character it comes from, dropped combining
            marks included.
    """

    text: str
    starts: list[int]
    ends: list[int]


def clean(text: str, rules: CleaningRules) -> str:
    """Clean text as the rules say; lone surrogates, which no encoding can carry, become U+FFFD.

    Args:
        text: any string.
        rules: the recipe.

    Returns:
        What SentencePiece is to encode.
    """
    if not text.isascii():
        return _clean_unicode(text, rules)
    if rules.remove_space and not _is_spaced(text):
        text = " ".join(text.split())
    if rules.as_transformers and ("``" in text or "''" in text):
        text = text.replace("``", '"').replace("''", '"')
    return text.lower() if rules.lower_case else text


def clean_mapped(text: str, rules: CleaningRules) -> MappedText:
    """Clean text and keep the way back; ``clean_mapped(t, r).text == clean(t, r)`` for every t and r.

    Args:
        text: any string.
        rules: the recipe.
    """
    mapped = MappedText(scrub(text), list(range(len(text))), list(range(1, len(text) + 1)))
    if rules.lower_case and rules.as_transformers:
        mapped = _expand(mapped, str.lower)
    if rules.remove_space:
        mapped = _collapse_space(mapped)
    if rules.as_transformers:
        mapped = _replace_quotes(mapped)
    if not rules.keep_accents and not mapped.text.isascii():
        mapped = _strip_accents(mapped)
    if rules.lower_case:
        mapped = _lower_in_context(mapped)
    return mapped


def scrub(text: str) -> str:
    """The text with each lone surrogate replaced by U+FFFD; same length."""
    return text if text.isascii() else _SURROGATES.sub(REPLACEMENT, text)


def lower_each(text: str) -> str:
    """Lower-case every character by itself; only the capital sigma looks at its neighbours in ``str.lower``."""
    return text.replace("\u03a3", "\u03c3").lower()


def _is_spaced(text: str) -> bool:
    """Whether ASCII text has single spaces between words and no other white space: a cheap look, most lines pass."""
    return text.isprintable() and "  " not in text and text[:1] != " " and text[-1:] != " "


def _clean_unicode(text: str, rules: CleaningRules) -> str:
    """The general case of ``clean``."""
    text = _SURROGATES.sub(REPLACEMENT, text)
    if rules.lower_case and rules.as_transformers:
        text = lower_each(text)
    if rules.remove_space:
        text = " ".join(text.split())
    if rules.as_transformers and ("``" in text or "''" in text):
        text = text.replace("``", '"').replace("''", '"')
    if not rules.keep_accents:
        text = _drop_marks(unicodedata.normalize("NFKD", text))
    return text.lower() if rules.lower_case else text


def _drop_marks(text: str) -> str:
    """The text without characters of a combining class other than 0; looks only at stretches that may hold some."""
    return _MAY_COMBINE.sub(lambda match: "".join(c for c in match.group() if not unicodedata.combining(c)), text)


def _expand(mapped: MappedText, function: Callable[[str], str]) -> MappedText:
    """Replace each character by what the function makes of it, which may be several."""
    if mapped.text.isascii() and function is str.lower:
        return MappedText(mapped.text.lower(), mapped.starts, mapped.ends)
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for char, start, end in zip(mapped.text, mapped.starts, mapped.ends, strict=True):
        new = function(char)
        out.append(new)
        starts.extend([start] * len(new))
        ends.extend([end] * len(new))
    return MappedText("".join(out), starts, ends)


def _lower_in_context(mapped: MappedText) -> MappedText:
    """``str.lower`` of the whole text (a final sigma depends on its neighbours), with each character's map."""
    expanded = _expand(mapped, str.lower)
    return MappedText(mapped.text.lower(), expanded.starts, expanded.ends)


def _collapse_space(mapped: MappedText) -> MappedText:
    """``" ".join(text.split())``; the one space covers the whole run."""
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = previous_end = 0
    for gap in [*((m.start(), m.end()) for m in _WHITE_SPACE.finditer(mapped.text)), (len(mapped.text),) * 2]:
        if at < gap[0]:
            if out:
                out.append(" ")
                starts.append(mapped.starts[previous_end])
                ends.append(mapped.ends[at - 1])
            out.append(mapped.text[at : gap[0]])
            starts.extend(mapped.starts[at : gap[0]])
            ends.extend(mapped.ends[at : gap[0]])
            previous_end = gap[0]
        at = gap[1]
    return MappedText("".join(out), starts, ends)


def _replace_quotes(mapped: MappedText) -> MappedText:
    """Two backticks, then two apostrophes, become one double quote that covers both."""
    for pair in ("``", "''"):
        if pair in mapped.text:
            mapped = _replace_pair(mapped, pair)
    return mapped


def _replace_pair(mapped: MappedText, pair: str) -> MappedText:
    """Every occurrence, left to right, of a two-character string as one double quote."""
    keep = [True] * len(mapped.text)
    ends = list(mapped.ends)
    at = mapped.text.find(pair)
    while at >= 0:
        keep[at + 1] = False
        ends[at] = mapped.ends[at + 1]
        at = mapped.text.find(pair, at + 2)
    return MappedText(
        mapped.text.replace(pair, '"'),
        [start for start, kept in zip(mapped.starts, keep, strict=True) if kept],
        [end for end, kept in zip(ends, keep, strict=True) if kept],
    )


def _strip_accents(mapped: MappedText) -> MappedText:
    """NFKD without combining marks; a character's span grows over the marks dropped right behind it.

    Decomposing character by character equals decomposing the whole: canonical ordering only moves combining marks.
    """
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for char, start, end in zip(mapped.text, mapped.starts, mapped.ends, strict=True):
        kept = char if char.isascii() else _drop_marks(unicodedata.normalize("NFKD", char))
        if kept:
            out.append(kept)
            starts.extend([start] * len(kept))
            ends.extend([end] * len(kept))
        elif ends and start <= ends[-1]:
            owner = starts[-1]
            for back in range(len(ends) - 1, -1, -1):
                if starts[back] != owner:
                    break
                ends[back] = end
    return MappedText("".join(out), starts, ends)
