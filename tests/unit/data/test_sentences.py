"""Where sentences end."""

from __future__ import annotations

import pytest

from albert_cli.data.sentences import split_sentences


def test_sentencex_keeps_abbreviations_together() -> None:
    text = 'Mr. Smith paid $3.50 to J. R. Hartley. "What?" he said.  He left.'
    assert split_sentences(text) == ["Mr. Smith paid $3.50 to J. R. Hartley.", '"What?" he said.', "He left."]


def test_regex_breaks_after_every_mark() -> None:
    text = "Mr. Smith went. (He did!) Then “no.” It’s 3.5 now… 我来。他走了。"
    expected = ["Mr.", "Smith went.", "(He did!)", "Then “no.”", "It’s 3.5 now…", "我来。", "他走了。"]
    assert split_sentences(text, splitter="regex") == expected


def test_newline_takes_lines_as_they_are() -> None:
    assert split_sentences("One. Two.\r\n\r\n  Three \u2028Four\rFive", splitter="newline") == [
        "One. Two.",
        "Three",
        "Four",
        "Five",
    ]


def test_lines_wrapped_at_a_margin_are_joined() -> None:
    wrapped = (
        "It was the best of times, it was the worst of times, it was the age\n"
        "of wisdom, it was the age of foolishness. It was the epoch of belief,\n"
        "it was the epoch of incredulity."
    )
    first, second = split_sentences(wrapped)
    assert first.endswith("the age of wisdom, it was the age of foolishness.")
    assert second == "It was the epoch of belief, it was the epoch of incredulity."


def test_other_line_ends_part_paragraphs() -> None:
    assert split_sentences("A heading\nSome text here. More text") == ["A heading", "Some text here.", "More text"]
    assert split_sentences("One\n \nTwo") == ["One", "Two"]


def test_long_sentences_are_kept_and_empty_ones_are_not() -> None:
    long = "word " * 5000
    assert split_sentences(long) == [long.strip()]
    for splitter in ("sentencex", "newline", "regex"):
        assert split_sentences(" \n\t\n", splitter=splitter) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("language", ["hi", "ja", "xx"])
def test_other_languages(language: str) -> None:
    assert split_sentences("One. Two.", language=language)[0].startswith("One.")
    assert len(split_sentences("यह एक है। यह दो है।", language="hi")) == 2
    assert len(split_sentences("これは一つ。これは二つ。", language="ja")) == 2
