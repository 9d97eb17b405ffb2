"""Where sentences end: the units that pretraining puts in order and swaps (paper 3.1)."""

from __future__ import annotations

import re
from typing import Literal

import sentencex

Splitter = Literal["sentencex", "newline", "regex"]

_BLANK_LINES = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")
_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029\x85\x0b\x0c]")
# A full stop, question or exclamation mark, closing quotes and brackets, a space; or a mark of East Asia or India.
_SENTENCE_END = re.compile(r"""(?<=[.!?…])(["'”’»)\]]*)\s+|(?<=[。！？｡।॥])(["'”’»）」』\]]*)\s*""")
_WRAP_WIDTH = 100
_WRAP_FILL = 45


def split_sentences(text: str, *, splitter: Splitter = "sentencex", language: str = "en") -> list[str]:
    """Cut a document into sentences.

    Args:
        text: the document; any line ends.
        splitter: ``sentencex`` rules for some 200 languages; ``newline`` a sentence per line, as the original code had
            it; ``regex`` after every . ! ? and their like, which also breaks at abbreviations.
        language: code for ``sentencex``; one that it does not know is treated like English.

    Returns:
        Sentences in order, stripped, none empty; however long. Under ``sentencex`` and ``regex`` blank lines always
        part sentences, and so do line ends, unless the lines look like text wrapped at a margin.
    """
    text = _LINE_ENDS.sub("\n", text)
    if splitter == "newline":
        sentences = text.split("\n")
    else:
        sentences = [
            sentence
            for paragraph in _paragraphs(text)
            for sentence in (
                sentencex.segment(language, paragraph) if splitter == "sentencex" else _by_regex(paragraph)
            )
        ]
    stripped = (sentence.strip() for sentence in sentences)
    return [sentence for sentence in stripped if sentence]


def _paragraphs(text: str) -> list[str]:
    """Blocks between blank lines; a wrapped block is one paragraph, another's every line is one."""
    paragraphs: list[str] = []
    for block in _BLANK_LINES.split(text):
        lines = [line.strip() for line in block.split("\n") if line.strip()]
        if _is_wrapped(lines):
            paragraphs.append(" ".join(lines))
        else:
            paragraphs.extend(lines)
    return paragraphs


def _is_wrapped(lines: list[str]) -> bool:
    """Whether lines look cut at a margin: none long, all but the last well filled."""
    if len(lines) < 2:
        return False
    filled = sum(len(line) for line in lines[:-1]) / (len(lines) - 1)
    return filled >= _WRAP_FILL and max(map(len, lines)) <= _WRAP_WIDTH


def _by_regex(paragraph: str) -> list[str]:
    sentences, start = [], 0
    for match in _SENTENCE_END.finditer(paragraph):
        end = match.end(match.lastindex or 0)
        sentences.append(paragraph[start:end])
        start = match.end()
    return [*sentences, paragraph[start:]]
