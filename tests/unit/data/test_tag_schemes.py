"""Schemes of tags: found, completed, converted."""

from __future__ import annotations

import random

import pytest

from albert_cli.data.tag_schemes import all_tags, convert, detect_scheme, fits, scheme_of_names


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        ([["O", "B-PER", "I-PER", "O", "B-LOC"]], "bio"),
        ([["B-PER"], ["O"]], "bio"),
        ([["I-PER", "I-PER", "B-PER", "O"]], "iob1"),
        ([["I-PER", "O"], ["I-PER", "B-PER"]], "iob1"),
        ([["I-PER", "O"], ["B-PER", "I-PER"]], "bio"),  # bio with a slip, as WikiANN has
        ([["I-PER", "I-LOC", "O"]], "io"),
        ([["O", "S-PER"]], "bioes"),
        ([["B-PER", "L-PER", "U-LOC"]], "bioes"),
        ([["O", "person", "person"]], "io"),
        ([["NOUN", "VERB"]], "none"),
        ([["O"]], "io"),
        ([["B", "I", "O"]], "bio"),
    ],
)
def test_the_scheme_is_found(sentences, scheme):
    assert detect_scheme(sentences) == scheme


def test_the_head_knows_every_tag_of_the_scheme():
    assert all_tags({"B-PER", "O", "I-LOC"}, "bio") == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert all_tags({"S-PER"}, "bioes") == ("O", "B-PER", "I-PER", "E-PER", "S-PER")
    assert all_tags({"U-PER", "B-PER"}, "bioes") == ("O", "B-PER", "I-PER", "L-PER", "U-PER")
    assert all_tags({"person", "O"}, "io") == ("O", "person")
    assert all_tags({"VERB", "NOUN"}, "none") == ("NOUN", "VERB")
    assert all_tags({"I", "O"}, "bio") == ("O", "B", "I")


BIO = ["B-PER", "I-PER", "B-PER", "O", "B-LOC", "B-PER", "I-PER", "I-PER"]


@pytest.mark.parametrize(
    ("target", "written"),
    [
        ("bio", BIO),
        ("iob1", ["I-PER", "I-PER", "B-PER", "O", "I-LOC", "I-PER", "I-PER", "I-PER"]),
        ("bioes", ["B-PER", "E-PER", "S-PER", "O", "S-LOC", "B-PER", "I-PER", "E-PER"]),
        ("io", ["I-PER", "I-PER", "I-PER", "O", "I-LOC", "I-PER", "I-PER", "I-PER"]),
    ],
)
def test_conversion_by_hand(target, written):
    assert convert(BIO, source="bio", target=target) == written


@pytest.mark.parametrize("middle", ["iob1", "bioes"])
def test_conversion_there_and_back_changes_nothing(middle):
    draw = random.Random(2)
    for _ in range(200):
        tags: list[str] = []
        while len(tags) < 10:
            kind = draw.choice(["PER", "LOC", "creative-work"])
            tags += draw.choice([["O"], [f"B-{kind}", *[f"I-{kind}"] * draw.randrange(4)]])
        there = convert(tags, source="bio", target=middle)
        assert convert(there, source=middle, target="bio") == tags
        assert all(fits(tag, middle) for tag in there)


def test_bare_types_become_spans():
    assert convert(["person", "person", "O"], source="io", target="bio") == ["B-person", "I-person", "O"]
    assert convert(["I", "O", "I"], source="iob1", target="bio") == ["B", "O", "B"]


def test_what_fits_a_scheme():
    assert not fits("E-PER", "bio")
    assert not fits("B-PER", "io")
    assert not fits("person", "bio")
    assert fits("person", "io")
    assert fits("anything", "none")


def test_a_model_s_tags_tell_its_scheme():
    assert scheme_of_names(["O", "B-PER", "I-PER"]) == "bio"
    assert scheme_of_names(["O", "B-PER", "E-PER", "S-PER", "I-PER"]) == "bioes"
    assert scheme_of_names(["NOUN", "VERB"]) == "none"
