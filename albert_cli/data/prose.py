"""The English sentences inside a documentation string, without its code, tables and markup."""

from __future__ import annotations

import re

_TABLE, _PROSE = "\0table", "\0prose"  # marks in the place of underlined headings

_SECTION = re.compile(r"^\s*(?:[-=~^\"*#]{3,})\s*$")
_FENCE = re.compile(r"^\s*(?:```|~~~)")
_DIRECTIVE = re.compile(r"^\s*\.\. ")
_FIELD = re.compile(r"^\s*(?::\w[^:]*:|@\w+)(?:\s|$)")
_TABLE_HEADING = re.compile(
    r"^\s*(?:\*\*)?(?:args?|arguments|kwargs|keyword args|keyword arguments|parameters|params|other parameters|"
    r"attributes|returns?|yields?|raises|examples?|usage|see also|references|methods|shape|inputs?|outputs?|warns|"
    r"fields)"
    r"(?:\*\*)?\s*:{0,2}\s*$",
    re.IGNORECASE,
)
_PROSE_HEADING = re.compile(
    r"^\s*(?:notes?|warnings?|explanation|description|details|summary)\s*:{0,2}\s*$", re.IGNORECASE
)
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d+[.)]|\(\w\))\s+")
_MARKUP = (
    (re.compile(r":[\w:+-]+:`~?([^`<]*?)\s*(?:<[^`]*>)?`"), r"\1"),  # roles
    (re.compile(r"`([^`<]+?)\s*<[^`>]*>`_{0,2}"), r"\1"),  # links
    (re.compile(r"\[([^\]]+)\]\([^)]*\)"), r"\1"),
    (re.compile(r"(?:https?|ftp)://\S+"), " "),
    (re.compile(r"\[\d+\]_?|<[^>]{1,60}>"), " "),
    (re.compile(r"`+|\*\*|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)|\|"), ""),
    (re.compile(r"\\\w*|\$[^$]*\$"), " "),
    (re.compile(r"::(?=\s|$)"), ":"),
    (re.compile(r"\s+"), " "),
)
_WORD = re.compile(r"[A-Za-z]{2,}")
_FEWEST_WORDS = 4
_LETTER_SHARE = 0.72


def prose_of(text: str) -> str:
    """Sentences of a documentation string.

    Args:
        text: the string with its indentation cleaned, as ``ast.get_docstring`` gives it.

    Returns:
        Paragraphs that read like English, one a line, markup taken off; empty if there are none.
    """
    paragraphs = (_plain(block) for block in _prose_blocks(text))
    return "\n".join(paragraph for paragraph in paragraphs if _reads_like_english(paragraph))


def _prose_blocks(text: str) -> list[str]:
    """Paragraphs that are not code, tables, fields or directives; items of lists stand alone."""
    blocks: list[list[str]] = [[]]
    in_fence = in_table = in_example = False
    hidden_deeper_than: int | None = None  # what stands further in than this belongs to a code block or a section
    for line in _without_underlined(text.split("\n")):
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        if _FENCE.match(line):
            in_fence = not in_fence
        if not stripped or in_fence or _FENCE.match(line):
            in_example = False
            blocks.append([])
            continue
        if hidden_deeper_than is not None and indent <= hidden_deeper_than:
            hidden_deeper_than = None
        in_example = in_example or stripped.startswith((">>>", "In ["))
        if line in (_TABLE, _PROSE):
            in_table = line == _TABLE
        elif _TABLE_HEADING.match(line) or _DIRECTIVE.match(line):
            hidden_deeper_than = hidden_deeper_than if hidden_deeper_than is not None else indent
        elif not (in_table or in_example or hidden_deeper_than is not None or _FIELD.match(line)):
            if _ITEM.match(line):
                blocks.append([])
            blocks[-1].append(_ITEM.sub("", stripped))
            if stripped.endswith("::"):
                hidden_deeper_than = indent
            continue
        blocks.append([])
    return [" ".join(block) for block in blocks if block]


def _without_underlined(lines: list[str]) -> list[str]:
    """Lines with each underlined heading replaced by a mark: of a table (parameters and the like), or of prose."""
    kept: list[str] = []
    for line in lines:
        if _SECTION.match(line):
            heading = kept.pop() if kept and kept[-1].strip() else ""
            kept.append(_TABLE if _TABLE_HEADING.match(heading) else _PROSE)
        elif not _PROSE_HEADING.match(line):
            kept.append(line)
        else:
            kept.append("")
    return kept


def _plain(block: str) -> str:
    """A paragraph without markup."""
    for pattern, replacement in _MARKUP:
        block = pattern.sub(replacement, block)
    return block.strip()


def _reads_like_english(paragraph: str) -> bool:
    """Enough words, mostly letters."""
    words = _WORD.findall(paragraph)
    if len(words) < _FEWEST_WORDS:
        return False
    return sum(map(len, words)) >= _LETTER_SHARE * len(paragraph.replace(" ", ""))
