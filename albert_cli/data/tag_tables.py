"""Tagged sentences as rows, from column files and from tables, and a split of them with declared features.

Whatever the source, a split becomes a ``datasets.Dataset`` with the columns

- ``idx`` int64: the row's place in its split;
- ``id`` string: the identifier of own tables, if they have one;
- ``tokens``: list of the words;
- ``tags``: list of ClassLabels, as many as words; null where a sentence has no tags.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from albert_cli.data.conll_files import ConllFile
from albert_cli.data.guesses import guess_tagged, say_guessed
from albert_cli.data.raw_table import RawTable
from albert_cli.errors import DataError
from albert_cli.files.text import safe_line

ROLES = ("tokens", "tags", "id")
_NAMES: Mapping[str, tuple[str, ...]] = {
    "tokens": ("tokens", "words", "token", "word", "text", "sentence"),
    "tags": ("ner_tags", "tags", "labels", "ner", "tag", "ner_labels", "label", "pos_tags", "upos", "pos"),
    "id": ("id", "idx", "guid"),
}
# A table with one of these has one word a row; the rows of a sentence share its number, or leave it empty.
_SENTENCE = ("sentence_id", "sentence #", "sentence_number", "sentence_idx", "sent_id")
_BLANKS = re.compile(r"[ \t\r\n]+")


@dataclass(frozen=True)
class TaggedRows:
    """Sentences as they were found.

    Attributes:
        source: the file, or the name of a hub data set.
        words: of each sentence.
        tags: of each sentence; None where it has none.
        ids: identifier of each sentence, or None where rows have none.
        lines: line of each word (column files), or of each row; None where there are no lines.
        declared: names of the tags in the order that the source declares.
        notes: what a user should hear.
    """

    source: str
    words: list[list[str]]
    tags: list[list[str] | None]
    ids: list[str] | None = None
    lines: list[list[int]] | None = None
    declared: tuple[str, ...] | None = None
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.words)

    def place(self, row: int, word: int = 0) -> str:
        """Where a word stands, for messages."""
        if self.lines is None:
            return f"{safe_line(self.source)}, row {row}"
        lines = self.lines[row]
        return f"{safe_line(self.source)}:{lines[min(word, len(lines) - 1)]}"

    def take(self, rows: Sequence[int]) -> TaggedRows:
        """The same with only these rows."""
        return TaggedRows(
            source=self.source,
            words=[self.words[row] for row in rows],
            tags=[self.tags[row] for row in rows],
            ids=None if self.ids is None else [self.ids[row] for row in rows],
            lines=None if self.lines is None else [self.lines[row] for row in rows],
            declared=self.declared,
            notes=self.notes,
        )

    def tagged(self) -> Iterator[list[str]]:
        """Tags of the sentences that have some."""
        return (tags for tags in self.tags if tags is not None)


def rows_of_conll(file: ConllFile) -> TaggedRows:
    """Sentences of a column file."""
    tags: list[list[str] | None] = [None] * len(file.words) if file.tags is None else list(file.tags)
    return TaggedRows(file.source, file.words, tags, lines=file.lines, notes=list(file.notes))


def has_tag_header(first_line: str, chosen: Mapping[str, str]) -> bool:
    """Whether the first line of a .tsv file is a heading that names words, so that it is a table and no column file."""
    return _named("tokens", [cell.strip() for cell in first_line.split("\t")], chosen) is not None


def rows_of_table(
    table: RawTable, *, chosen: Mapping[str, str], needs_tags: bool, numbers_are_names: bool
) -> TaggedRows:
    """Sentences of a table: lists of words and tags, one sentence a row, or one word a row with the sentence's number.

    Args:
        table: a cell is a list, the JSON text of one, or words parted by spaces.
        chosen: names that the recipe gives for ``tokens``, ``tags``, ``id``.
        needs_tags: whether a table without tags is an error.
        numbers_are_names: whether tags that are bare numbers are taken as names.

    Raises:
        DataError: located: a column that lacks, a cell that is no list, different numbers of words and tags.
    """
    columns = tuple(table.columns)
    for role, name in chosen.items():
        if name not in columns and (role == "tokens" or needs_tags):
            raise _missing(table, f"no column {safe_line(name)!r} for columns.{role}", role)
    words_name, tags_name = (_named(role, columns, chosen) for role in ("tokens", "tags"))
    notes: list[str] = []
    if words_name is None or (tags_name is None and needs_tags):
        guessed = _guessed(table, words_name, tags_name, chosen) if needs_tags else None
        if guessed is not None:
            notes.append(say_guessed({"tokens": guessed[0], "tags": guessed[1]}))
            words_name, tags_name = guessed
    if words_name is None:
        raise _missing(table, "no column for the words (tokens or words)", "tokens")
    if tags_name is None and needs_tags:
        raise _missing(table, "no column for the tags (ner_tags or tags)", "tags")
    number = next((name for name in columns if name.casefold() in _SENTENCE), None)
    if number is not None and number not in chosen.values():
        return _long_rows(table, number, words_name, tags_name)
    words = [_words(value, table.place(row)) for row, value in enumerate(table.columns[words_name])]
    tags: list[list[str] | None] = [None] * len(words)
    if tags_name is not None:
        values = table.columns[tags_name]
        tags = [_tags(value, table.place(row), numbers=numbers_are_names) for row, value in enumerate(values)]
    id_name = _named("id", columns, chosen)
    rows = TaggedRows(
        source=table.source,
        words=words,
        tags=tags,
        ids=None if id_name is None else [str(value) for value in table.columns[id_name]],
        lines=None if table.lines is None else [[line] for line in table.lines],
        declared=table.class_names.get(tags_name or ""),
        notes=[_described(words_name, tags_name, id_name), *notes],
    )
    _check_lengths(rows)
    return rows


def _guessed(table: RawTable, words: str | None, tags: str | None, chosen: Mapping[str, str]) -> tuple[str, str] | None:
    """Words and tags by their values; a column whose name says what it is must be that."""
    free = [name for name in table.columns if name not in (chosen.get("id"), _named("id", tuple(table.columns), {}))]
    found = guess_tagged(table, free)
    if found is None or words not in (None, found[0]) or tags not in (None, found[1]):
        return None
    return found


def _long_rows(table: RawTable, number: str, words_name: str, tags_name: str | None) -> TaggedRows:
    """One word a row."""
    words: list[list[str]] = []
    tags: list[list[str] | None] = []
    lines: list[list[int]] = []
    before: Any = None
    for row, sentence in enumerate(table.columns[number]):
        if not words or (sentence not in (None, "") and sentence != before):
            words.append([])
            tags.append(None if tags_name is None else [])
            lines.append([])
            before = sentence
        word = table.columns[words_name][row]
        words[-1].append(_clean(word) if isinstance(word, str) else "" if word is None else str(word))
        mine = tags[-1]
        if tags_name is not None and mine is not None:
            tag = table.columns[tags_name][row]
            if not isinstance(tag, str) or not tag.strip():
                raise DataError(f"no tag ({table.place(row)})", hint="every word needs one; O stands for none")
            mine.append(tag.strip())
        lines[-1].append(row if table.lines is None else table.lines[row])
    described = f"{_described(words_name, tags_name, None)}; one word a row, sentences by {safe_line(number)}"
    return TaggedRows(table.source, words, tags, lines=None if table.lines is None else lines, notes=[described])


def _described(words: str, tags: str | None, identifier: str | None) -> str:
    pairs = (("tokens", words), ("tags", tags), ("id", identifier))
    return "columns: " + ", ".join(f"{role}={safe_line(name)}" for role, name in pairs if name is not None)


def _named(role: str, columns: Sequence[str], chosen: Mapping[str, str]) -> str | None:
    """The chosen name if it is there, else the first known one, by spelling without case."""
    if role in chosen:
        return chosen[role] if chosen[role] in columns else None
    taken = set(chosen.values())
    folded = {name.casefold(): name for name in reversed(columns) if name not in taken}
    return next((folded[name] for name in _NAMES[role] if name in folded), None)


def _missing(table: RawTable, problem: str, role: str) -> DataError:
    found = ", ".join(safe_line(name, limit=40) for name in list(table.columns)[:20])
    place = safe_line(table.source) if table.lines is None else f"{safe_line(table.source)}:1"
    return DataError(f"{problem} ({place} has: {found})", hint=f"name the column: --set data.columns.{role}=NAME")


def _words(value: Any, place: str) -> list[str]:
    items = _list(value)
    if items is None or not all(isinstance(item, str) for item in items):
        raise DataError(
            f"the words are no list of texts ({place})", hint='write ["He", "came"], or the words parted by spaces'
        )
    return [_clean(item) for item in items]


def _tags(value: Any, place: str, *, numbers: bool) -> list[str] | None:
    """Tags of a sentence; None where it has none (no value, or the hub's -1 on every word)."""
    if value is None or value == "":
        return None
    items = _list(value)
    if items is None:
        raise DataError(f"the tags are no list ({place})", hint='write ["O", "B-PER"], or the tags parted by spaces')
    if items and all(item is None for item in items):
        return None
    if numbers:
        items = [str(item) if type(item) is int else item for item in items]
    for item in items:
        if type(item) is int:
            raise DataError(
                f"tags are numbers without names ({place})",
                hint="write the names (B-PER, ...), or say that the numbers are the names: tagging.scheme=none",
            )
        if not isinstance(item, str) or not item.strip():
            raise DataError(f"a tag is missing or no text ({place})", hint="every word needs one; O stands for none")
    return [item.strip() for item in items]


def _list(value: Any) -> list[Any] | None:
    if isinstance(value, list | tuple):
        return list(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    if text.startswith("[") and text.endswith("]") and len(text) > 1:
        try:
            found = ast.literal_eval(text)  # JSON's lists of texts and Python's, which pandas writes
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            found = None
        if isinstance(found, list):
            return found
    return [part for part in _BLANKS.split(text) if part]


def _clean(word: str) -> str:
    r"""JSON can write half of a surrogate pair (``"\ud800"``), which no encoding can; it becomes U+FFFD."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return word.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return word


def _check_lengths(rows: TaggedRows) -> None:
    for row, (words, tags) in enumerate(zip(rows.words, rows.tags, strict=True)):
        if tags is not None and len(tags) != len(words):
            raise DataError(
                f"{len(tags)} tags for {len(words)} words ({rows.place(row)})", hint="each word needs one tag"
            )


def tag_numbers(rows: TaggedRows, names: Mapping[str, int], *, required: bool) -> list[list[int] | None]:
    """Tags by number.

    Args:
        rows: of one source.
        names: number of each known tag.
        required: whether a sentence without tags is an error.

    Raises:
        DataError: located at the word: an unknown tag, or none where one is needed.
    """
    numbers: list[list[int] | None] = []
    for row, tags in enumerate(rows.tags):
        if tags is None:
            if required:
                raise DataError(f"no tags ({rows.place(row)})", hint="only sentences to predict may lack tags")
            numbers.append(None)
            continue
        try:
            numbers.append([names[tag] for tag in tags])
        except KeyError as error:
            unknown = str(error.args[0])
            listed = ", ".join(safe_line(name, limit=40) for name in list(names)[:12])
            raise DataError(
                f"unknown tag {safe_line(unknown, limit=60)!r} ({rows.place(row, tags.index(unknown))})",
                hint=f"known tags: {listed}{', ...' if len(names) > 12 else ''}",
            ) from None
    return numbers


def tag_dataset(parts: Sequence[TaggedRows], names: Sequence[str], *, required: bool, limit: int | None) -> Any:
    """A split as a ``datasets.Dataset``.

    Args:
        parts: its sources, one after another.
        names: the tags in the order of the head's outputs.
        required: whether a sentence without tags is an error.
        limit: keep only the first so many sentences.

    Raises:
        DataError: as `tag_numbers`.
    """
    import datasets

    numbers = {name: number for number, name in enumerate(names)}
    words = [sentence for part in parts for sentence in part.words]
    tags = [sentence for part in parts for sentence in tag_numbers(part, numbers, required=required)]
    values: dict[str, Any] = {"idx": list(range(len(words)))[:limit]}
    features: dict[str, Any] = {"idx": datasets.Value("int64")}
    if all(part.ids is not None for part in parts):
        features["id"] = datasets.Value("string")
        values["id"] = [one for part in parts for one in part.ids or ()][:limit]
    features["tokens"] = datasets.Sequence(datasets.Value("string"))
    features["tags"] = datasets.Sequence(datasets.ClassLabel(names=list(names)))
    values["tokens"], values["tags"] = words[:limit], tags[:limit]
    return datasets.Dataset.from_dict(values, features=datasets.Features(features))
