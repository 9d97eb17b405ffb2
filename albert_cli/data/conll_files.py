"""How are column files of tagged words read?

A line is a word with its columns, parted by TABs or by spaces; an empty line (or one of white space alone) ends the
sentence. What real files have besides: ``-DOCSTART-`` lines, comments, a first column that numbers the words, a
language before every word ("en:Paris"), and words that are blank characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from albert_cli.data.readers_delimited import strict_lines
from albert_cli.errors import DataError
from albert_cli.files.text import safe_line
from albert_cli.metrics.tag_spans import OUTSIDE, part_tag

_BLANK = re.compile(r"[ \t]+")
_NUMBER = re.compile(r"\d+([-.]\d+)?")  # of a word; 3-4 and 3.1 are those of CoNLL-U
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]+)*:")
_DOCUMENT = "-DOCSTART-"


@dataclass(frozen=True)
class ConllFile:
    """Sentences of one column file.

    Attributes:
        source: the file.
        words: of each sentence.
        tags: of each sentence; None where the file has words alone.
        lines: line of each word, from 1, by sentence.
        notes: what was found besides words and tags: columns taken, comments, documents, a language prefix.
    """

    source: str
    words: list[list[str]]
    tags: list[list[str]] | None
    lines: list[list[int]]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Row:
    line: int
    cells: list[str]


@dataclass
class _Found:
    """Sentences of rows, and what stood between them."""

    sentences: list[list[_Row]]
    comments: int = 0
    documents: int = 0


def read_conll(path: Path, *, word_column: int | None = None, tag_column: int | None = None) -> ConllFile:
    """Read a column file, plain or ``.gz``, UTF-8.

    Args:
        path: the file.
        word_column: column of the words, counted from 1, from the end where negative; None takes the first, or the
            second where the first one numbers the words.
        tag_column: column of the tags; None takes the last, or where the words are numbered the first of the columns
            behind the word that hold span tags (GermEval has the inner names in a further column).

    Raises:
        DataError: located at ``file:line``: no words, a line with another number of columns, no such column, not UTF-8.
    """
    lines = [(number, line) for number, line in strict_lines(path)]
    found = _sentences(path, lines)
    rows = [row for sentence in found.sentences for row in sentence]
    if not rows:
        raise DataError(
            f"no words ({safe_line(str(path))})", hint="each line is a word and its tag; an empty line ends a sentence"
        )
    width = len(rows[0].cells)
    numbered = width > 1 and _is_numbered(found.sentences)
    word = _column(word_column, width, default=1 if numbered else 0, path=path, name="word_column")
    tag = _column(tag_column, width, default=_tag_column(rows, word, numbered), path=path, name="tag_column")
    words = [[row.cells[word] for row in sentence] for sentence in found.sentences]
    notes = [_described(width, word, tag, numbered)] if width > 2 or numbered else []
    notes += [f"{found.comments:,} comment lines left out"] if found.comments else []
    notes += [f"{found.documents:,} {_DOCUMENT} lines left out"] if found.documents else []
    prefix = _language(words)
    if prefix:
        words = [[one.removeprefix(prefix) for one in sentence] for sentence in words]
        notes.append(f"the prefix {prefix!r} of every word left out")
    has_tags = width > 1 and tag != word
    return ConllFile(
        source=str(path),
        words=words,
        tags=[[row.cells[tag].strip() for row in sentence] for sentence in found.sentences] if has_tags else None,
        lines=[[row.line for row in sentence] for sentence in found.sentences],
        notes=notes,
    )


def _sentences(path: Path, lines: Sequence[tuple[int, str]]) -> _Found:
    plain = [line for _, line in lines if not _is_blank(line) and not line.startswith("#")]
    first = next((line for line in plain if not line.startswith(_DOCUMENT)), None)
    has_tabs = "\t" in (first or "")
    width = None if first is None else len(_cells(first, has_tabs))
    tags = {OUTSIDE, *(_cells(line, has_tabs)[-1] for line in plain)}
    found = _Found([[]])
    for number, line in lines:
        if _is_blank(line):
            found.sentences.append([])
        elif line.startswith(_DOCUMENT):
            found.documents += 1
        elif line.startswith("#") and not _is_word(_cells(line, has_tabs), width, tags):
            found.comments += 1
        else:
            cells = _cells(line, has_tabs)
            width = len(cells) if width is None else width
            if len(cells) != width:
                raise _ragged(path, number, len(cells), width)
            found.sentences[-1].append(_Row(number, cells))
    found.sentences = [sentence for sentence in found.sentences if sentence]
    return found


def _is_blank(line: str) -> bool:
    """White space alone ends a sentence. A blank character that is a word has a tag beside it."""
    return not line.strip()


def _cells(line: str, has_tabs: bool) -> list[str]:
    """Only TAB and space part columns: other blank characters, such as a no-break space, may be words."""
    return line.split("\t") if has_tabs else _BLANK.split(line.strip(" \t"))


def _is_word(cells: Sequence[str], width: int | None, tags: set[str]) -> bool:
    """Whether a line that begins with ``#`` is a word (of a tweet, say): it has all columns, and a tag as others."""
    if width is None or width == 1:
        return width == 1 and len(cells) == 1
    return len(cells) == width and cells[-1] in tags and cells[-1] != ""


def _is_numbered(sentences: Sequence[Sequence[_Row]]) -> bool:
    """Whether the first column counts the words of each sentence, 1, 2, 3; one file's first hundred sentences tell."""
    looked_at = sentences[:100]
    return all(_NUMBER.fullmatch(row.cells[0]) for sentence in looked_at for row in sentence) and all(
        sentence[0].cells[0].startswith("1") and len({row.cells[0] for row in sentence}) == len(sentence)
        for sentence in looked_at
    )


def _tag_column(rows: Sequence[_Row], word: int, numbered: bool) -> int:
    width = len(rows[0].cells)
    if numbered:
        for column in range(word + 1, width):
            if all(row.cells[column] == OUTSIDE or part_tag(row.cells[column]) for row in rows):
                return column
    return width - 1


def _column(wanted: int | None, width: int, *, default: int, path: Path, name: str) -> int:
    if wanted is None:
        return default
    column = wanted - 1 if wanted > 0 else width + wanted
    if wanted == 0 or not 0 <= column < width:
        raise DataError(
            f"no column {wanted}: the file has {width} ({safe_line(str(path))})",
            hint=f"tagging.{name} counts from 1, or from the end with -1",
        )
    return column


def _described(width: int, word: int, tag: int, numbered: bool) -> str:
    counted = "the first numbers the words; " if numbered else ""
    return f"{width} columns: {counted}words are column {word + 1}, tags column {tag + 1}"


def _language(words: Sequence[Sequence[str]]) -> str | None:
    """The language that stands before every single word, as WikiANN's original files have it."""
    match = _LANGUAGE.match(words[0][0])
    if match is None:
        return None
    every = _every_word(words)
    return match[0] if all(word.startswith(match[0]) for word in every) else None


def _every_word(words: Sequence[Sequence[str]]) -> Iterator[str]:
    return (word for sentence in words for word in sentence)


def _ragged(path: Path, line: int, found: int, expected: int) -> DataError:
    return DataError(
        f"{found} columns where the first word's line has {expected} ({safe_line(str(path))}:{line})",
        hint="each word needs every column, parted as in the first line (all TABs or all spaces)",
    )


def conll_text(words: Sequence[Sequence[str]], *columns: Sequence[Sequence[str]]) -> str:
    """Write sentences as a column file.

    Args:
        words: of each sentence.
        columns: tags of each sentence, a column each; true tags first, predicted ones last, as conlleval wants them.

    Returns:
        Cells parted by a space as conlleval reads them; by a TAB where a word holds white space or nothing.
    """
    delimiter = "\t" if any(not word or any(c.isspace() for c in word) for word in _every_word(words)) else " "
    lines: list[str] = []
    for number, sentence in enumerate(words):
        rows = zip(sentence, *(column[number] for column in columns), strict=True)
        lines += [delimiter.join(_flat(cell) for cell in row) for row in rows]
        lines.append("")
    return "\n".join(lines) + "\n" if lines else ""


def _flat(cell: str) -> str:
    """A cell without what parts cells and lines."""
    return cell.replace("\t", " ").replace("\n", " ").replace("\r", " ")
