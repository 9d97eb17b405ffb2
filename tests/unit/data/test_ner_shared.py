"""The real column files: all of them are read, with as many sentences as their description says."""

from __future__ import annotations

import pytest

from albert_cli.data.conll_files import read_conll
from albert_cli.data.tag_schemes import detect_scheme
from albert_cli.data.tasks.ner import TagSource, load_tags

pytestmark = pytest.mark.shared

SENTENCES = {
    "wnut17/wnut17train.conll": (3394, 62730),
    "wnut17/emerging.dev.conll": (1009, 15733),
    "wikiann/en/test.conll": (10000, 80326),
    "wikiann/en-original-prefix/dev": (10000, 80536),
    "germeval2014/NER-de-dev.tsv": (2200, 41653),
    "klue-ner/klue-ner-v1.1_dev.tsv": (5000, 285929),
}


def test_every_kind_of_real_file_is_read_whole(shared_dir):
    found, schemes, notes = {}, set(), {}
    for name in SENTENCES:
        file = read_conll(shared_dir / "data" / "ner" / name)
        found[name] = (len(file.words), sum(map(len, file.words)))
        schemes.add(detect_scheme(file.tags))
        notes[name] = " ".join(file.notes)
    assert found == SENTENCES
    assert schemes == {"bio"}
    assert "words are column 2, tags column 3; " not in notes["wnut17/wnut17train.conll"]
    assert "words are column 2, tags column 3" in notes["germeval2014/NER-de-dev.tsv"]
    assert "2,200 comment lines" in notes["germeval2014/NER-de-dev.tsv"]
    assert "'en:'" in notes["wikiann/en-original-prefix/dev"]


def test_the_original_wikiann_file_is_the_cleaned_one(shared_dir):
    folder = shared_dir / "data" / "ner" / "wikiann"
    original, cleaned = read_conll(folder / "en-original-prefix" / "dev"), read_conll(folder / "en" / "dev.conll")
    assert (original.words, original.tags) == (cleaned.words, cleaned.tags)


def test_a_real_folder_needs_no_names(shared_dir):
    data = load_tags(TagSource(), path=shared_dir / "data" / "ner" / "wnut17")
    assert {name: len(rows) for name, rows in data.splits.items()} == {"train": 3394, "dev": 1009}
    assert len(data.table.names) == 13
