"""What do the prefixes of a data set's tags mean, and which tags does its scheme have?

| scheme | tags of a span of three words, of one word | a span right behind one of the same type |
|---|---|---|
| bio | B I I, B | begins with B |
| iob1 | I I I, I | begins with B |
| bioes | B I E, S (also BILOU: B I L, U) | begins with B or S |
| io | I I I, I; or the bare type | cannot be told apart |
| none | every word has a tag of its own (parts of speech) | |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, cast

import numpy as np

from albert_cli.metrics.tag_spans import NO_TYPE, OUTSIDE, TagTable, find_spans, part_tag

Scheme = Literal["bio", "iob1", "bioes", "io", "none"]

_PREFIXES: dict[str, str] = {"bio": "BI", "iob1": "BI", "bioes": "BIES", "io": "I", "none": ""}


def detect_scheme(sentences: Iterable[Sequence[str]]) -> Scheme:
    """Find the scheme of some sentences' tags.

    Args:
        sentences: tags of each.

    Returns:
        ``bioes`` where any span's end or single word is marked; ``iob1`` where B stands between two spans of the same
        type and nowhere else; ``none`` where no tag has a prefix and none is O.
    """
    prefixes: set[str] = set()
    bare = outside = False
    begins_anew = begins_needlessly = False
    for tags in sentences:
        before: tuple[str, str] | None = None
        for tag in tags:
            parted = part_tag(tag)
            outside |= tag == OUTSIDE
            bare |= parted is None and tag != OUTSIDE
            if parted is not None:
                prefixes.add(parted[0])
                follows = before is not None and before[1] == parted[1]
                begins_anew |= parted[0] == "I" and not follows
                begins_needlessly |= parted[0] == "B" and not follows
            before = parted
    if bare:
        return "io" if outside else "none"
    if prefixes & {"E", "S"}:
        return "bioes"
    if "B" in prefixes:
        return "iob1" if begins_anew and not begins_needlessly else "bio"
    return "io" if prefixes or outside else "none"


def fits(tag: str, scheme: Scheme) -> bool:
    """Whether a scheme has such a tag."""
    if scheme == "none" or tag == OUTSIDE:
        return True
    parted = part_tag(tag)
    if parted is None:
        return scheme == "io"
    return parted[0] in _PREFIXES[scheme]


def all_tags(found: Iterable[str], scheme: Scheme) -> tuple[str, ...]:
    """Tags of the head: those found, and those of the same types that a scheme has besides.

    Args:
        found: tags of the training rows.
        scheme: theirs.

    Returns:
        ``O`` first, then by type in code-point order, begin before inside. Bare tags and tags without a scheme stay as
        they are, in code-point order.
    """
    names = sorted(set(found))
    if scheme == "none":
        return tuple(names)
    parted = [part_tag(name) for name in names if name != OUTSIDE]
    bare = [name for name in names if name != OUTSIDE and part_tag(name) is None]
    # BILOU files keep their letters: the same spans, and what is predicted looks like what was given.
    letters = _letters(names, scheme)
    types = sorted({one[1] for one in parted if one is not None})
    prefixed = [letter if kind == NO_TYPE else f"{letter}-{kind}" for kind in types for letter in letters]
    return (OUTSIDE, *bare, *prefixed)


def _letters(names: Sequence[str], scheme: Scheme) -> str:
    if scheme == "bioes" and any(name[0] in "LU" and part_tag(name) for name in names):
        return "BILU"
    return _PREFIXES[scheme]


def convert(tags: Sequence[str], *, source: Scheme, target: Scheme) -> list[str]:
    """Write a sentence's tags in another scheme; the spans stay.

    Args:
        tags: of one sentence.
        source: scheme of ``tags``, not none.
        target: scheme to write, not none. In ``io`` neighbours of the same type run together.
    """
    if source == target:
        return list(tags)
    table = TagTable.of(sorted(set(tags)), scheme=source)
    numbers = np.array([table.numbers[tag] for tag in tags], dtype=np.int64)
    spans = find_spans(numbers, np.array([0, len(tags)], dtype=np.int64), table)
    written = [OUTSIDE] * len(tags)
    end_before, type_before = -1, -1
    rows = zip(spans.starts.tolist(), spans.ends.tolist(), spans.types.tolist(), strict=True)
    for start, end, kind in rows:
        touches = start == end_before and kind == type_before
        letters = _span_letters(end - start, target, touches=touches)
        name = table.type_names[kind]
        written[start:end] = [letter if name == NO_TYPE else f"{letter}-{name}" for letter in letters]
        end_before, type_before = end, kind
    return written


def _span_letters(length: int, scheme: Scheme, *, touches: bool) -> str:
    if scheme == "bioes":
        return "S" if length == 1 else f"B{'I' * (length - 2)}E"
    begins = scheme == "bio" or (scheme == "iob1" and touches)
    return ("B" if begins else "I") + "I" * (length - 1)


def scheme_of_names(names: Sequence[str]) -> Scheme:
    """Scheme of a trained model's tags: B and I read the same in bio and iob1, so either is called bio."""
    found = detect_scheme([[name] for name in names])
    return cast(Scheme, "bio" if found == "iob1" else found)
