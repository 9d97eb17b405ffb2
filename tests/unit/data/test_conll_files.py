"""Column files of tagged words, with the oddities of real ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from albert_cli.data.conll_files import conll_text, read_conll
from albert_cli.errors import DataError


def file(tmp_path: Path, text: str | bytes, name: str = "train.conll") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_conll_2003_has_four_columns_and_documents(tmp_path):
    text = "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\nrejects VBZ I-VP O\n\nPeter NNP I-NP I-PER\n"
    found = read_conll(file(tmp_path, text))
    assert found.words == [["EU", "rejects"], ["Peter"]]
    assert found.tags == [["I-ORG", "O"], ["I-PER"]]
    assert found.lines == [[3, 4], [6]]
    assert found.notes == ["4 columns: words are column 1, tags column 4", "1 -DOCSTART- lines left out"]


def test_other_columns_can_be_named(tmp_path):
    path = file(tmp_path, "EU NNP I-NP I-ORG\nrejects VBZ I-VP O\n")
    assert read_conll(path, tag_column=2).tags == [["NNP", "VBZ"]]
    assert read_conll(path, tag_column=-2).tags == [["I-NP", "I-VP"]]
    assert read_conll(path, word_column=2).words == [["NNP", "VBZ"]]
    with pytest.raises(DataError, match="no column 5: the file has 4"):
        read_conll(path, tag_column=5)


def test_germeval_numbers_its_words_and_has_inner_names(tmp_path):
    text = '#\thttp://example.org\t[2010-07-04]\t\n1\tGleich\tO\tO\n2\t#\tB-OTH\tB-LOC\n\n#\tn\tx\t\n1\t"\tO\tO\n'
    found = read_conll(file(tmp_path, text, "NER-de-dev.tsv"))
    assert found.words == [["Gleich", "#"], ['"']]
    assert found.tags == [["O", "B-OTH"], ["O"]]
    assert "4 columns: the first numbers the words; words are column 2, tags column 3" in found.notes
    assert "2 comment lines left out" in found.notes


def test_klue_has_a_character_a_line_blank_ones_too(tmp_path):
    text = "## 문장 : \t\n## klue-ner-v1_dev_00000\t<경:OG> 된\n경\tB-OG\n \tO\n된\tO\n#\tO\n\n## next\t<a>\n가\tO\n"
    found = read_conll(file(tmp_path, text, "klue.tsv"))
    assert found.words == [["경", " ", "된", "#"], ["가"]]
    assert found.tags == [["B-OG", "O", "O", "O"], ["O"]]


def test_a_blank_line_may_hold_a_tab_and_a_file_may_end_without_a_line_end(tmp_path):
    found = read_conll(file(tmp_path, "a\tO\n\t\nb\tB-X\n \n\n\nc\tO"))
    assert found.words == [["a"], ["b"], ["c"]]


def test_spaces_part_columns_and_other_blanks_may_be_words(tmp_path):
    found = read_conll(file(tmp_path, "Paris  B-LOC \n\u00a0 O\n\u2028 O\n", "train.txt"))
    assert found.words == [["Paris", "\u00a0", "\u2028"]]
    assert found.tags == [["B-LOC", "O", "O"]]


def test_wikiann_s_language_before_every_word_goes(tmp_path):
    found = read_conll(file(tmp_path, "en:Paris\tB-LOC\nen::\tO\nen:en:x\tO\n", "dev"))
    assert found.words == [["Paris", ":", "en:x"]]
    assert "the prefix 'en:' of every word left out" in found.notes
    kept = read_conll(file(tmp_path, "en:Paris\tB-LOC\nRome\tO\n", "dev"))
    assert kept.words == [["en:Paris", "Rome"]]


def test_hashtags_are_words_and_comments_are_not(tmp_path):
    text = "# a comment of a tweet\n#nofilter\tO\n#\tO\n## O\nParis\tB-LOC\n"
    found = read_conll(file(tmp_path, text))
    assert found.words == [["#nofilter", "#", "Paris"]]
    spaced = read_conll(file(tmp_path, "# sent_id = 1\n# O\nParis B-LOC\nis O\n", "dev.txt"))
    assert spaced.words == [["#", "Paris", "is"]]


def test_words_alone_have_no_tags(tmp_path):
    found = read_conll(file(tmp_path, "He\ncame\n\n#\nhome\n"))
    assert found.words == [["He", "came"], ["#", "home"]]
    assert found.tags is None


def test_carriage_returns_a_byte_order_mark_and_gzip(tmp_path):
    path = tmp_path / "train.conll.gz"
    path.write_bytes(gzip.compress("\ufeffHe\tO\r\ncame\tO\r\n\r\nx\tB-A\r\n".encode()))
    assert read_conll(path).words == [["He", "came"], ["x"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tO\nb\n", "1 columns where the first word's line has 2 .*train.conll:2"),
        ("a O\nb O\nc B-X I-Y\n", "3 columns where .* 2 .*train.conll:3"),
        ("", "no words .*train.conll"),
        ("\n\t\n## only\n", "no words"),
        ("-DOCSTART- O\n", "no words"),
        (b"a\tO\n\xff\tO\n", "not UTF-8 .*train.conll:2"),
    ],
)
def test_malformed_files_are_one_located_error(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_conll(file(tmp_path, text))


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(tmp_path):
    path = file(tmp_path, "a\tO\n")
    with path.open("ab") as out:  # a sparse file: nothing but zeros, a gigabyte long
        out.truncate(2**30)
    with pytest.raises(DataError, match=r"a line of more than [\d,]+ bytes .*train.conll:2"):
        read_conll(path)


def test_what_is_written_is_read_again(tmp_path):
    words, true, said = [["He", "came"], ["Paris"]], [["O", "O"], ["B-LOC"]], [["O", "B-X"], ["O"]]
    text = conll_text(words, true, said)
    assert text == "He O O\ncame O B-X\n\nParis B-LOC O\n\n"
    found = read_conll(file(tmp_path, text))
    assert (found.words, found.tags) == (words, said)
    blank = conll_text([["a", " ", ""]], [["O", "O", "O"]])
    assert blank == "a\tO\n \tO\n\tO\n\n"
