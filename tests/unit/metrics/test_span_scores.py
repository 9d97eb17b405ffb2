"""Spans and their scores: against a word-by-word counting of conlleval's rules, and against numbers by hand."""

from __future__ import annotations

import random

import numpy as np
import pytest

from albert_cli.metrics.ner import (
    count_spans,
    macro_f1,
    score_tag_lists,
    span_intervals,
    span_scores,
    span_values,
    type_scores,
)
from albert_cli.metrics.tag_spans import TagTable, find_spans, part_tag

TAGS = ("O", "B-PER", "I-PER", "E-PER", "S-PER", "B-LOC", "I-LOC", "E-LOC", "S-LOC")


def spans_word_by_word(tags: list[str]) -> set[tuple[str, int, int]]:
    """Conlleval's rules, one word after the other (endOfChunk and startOfChunk of the script, restated)."""
    spans: set[tuple[str, int, int]] = set()
    opened: tuple[str, int] | None = None
    before_prefix, before_type = "O", ""
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        ends = before_prefix in ("E", "S")
        ends |= before_prefix in ("B", "I") and prefix in ("B", "S", "O")
        ends |= before_prefix != "O" and before_type != kind
        starts = prefix in ("B", "S")
        starts |= before_prefix in ("E", "S", "O") and prefix in ("E", "I")
        starts |= prefix != "O" and before_type != kind
        if ends and opened is not None:
            spans.add((opened[0], opened[1], place))
            opened = None
        if starts:
            opened = (kind, place)
        before_prefix, before_type = prefix, kind
    return spans


def flat(sentences: list[list[str]], table: TagTable) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.concatenate([[0], np.cumsum([len(tags) for tags in sentences])]).astype(np.int64)
    return np.array([table.numbers[tag] for tags in sentences for tag in tags], dtype=np.int64), offsets


def random_sentences(draw: random.Random, number: int, tags: tuple[str, ...]) -> list[list[str]]:
    return [draw.choices(tags, k=draw.randrange(0, 9)) for _ in range(number)]


@pytest.mark.parametrize("tags", [TAGS, ("O", "B-PER", "I-PER", "B-LOC", "I-LOC"), ("O", "I-PER", "I-LOC")])
def test_spans_are_those_of_conlleval_whatever_the_tags(tags):
    draw = random.Random(5)
    table = TagTable.of(tags, scheme="bio")
    sentences = random_sentences(draw, 400, tags)
    numbers, offsets = flat(sentences, table)
    found = find_spans(numbers, offsets, table)
    mine: list[set[tuple[str, int, int]]] = [set() for _ in sentences]
    for start, end, kind in zip(found.starts, found.ends, found.types, strict=True):
        row = int(np.searchsorted(offsets, start, side="right")) - 1
        mine[row].add((table.type_names[kind], int(start - offsets[row]), int(end - offsets[row])))
    assert mine == [spans_word_by_word(tags) for tags in sentences]
    assert sum(map(len, mine)) > 300


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        (["I-PER", "I-PER", "B-PER"], [(0, 2), (2, 3)]),  # iob1: two people
        (["B-PER", "I-LOC"], [(0, 1), (1, 2)]),  # another type begins another span
        (["O", "I-PER"], [(1, 2)]),  # what a model says against its scheme
        (["B-PER", "I-PER", "E-PER", "I-PER"], [(0, 3), (3, 4)]),
        (["S-PER", "S-PER"], [(0, 1), (1, 2)]),
        (["L-PER", "U-PER"], [(0, 1), (1, 2)]),
    ],
)
def test_spans_by_hand(tags, spans):
    table = TagTable.of(sorted(set(tags)), scheme="bio")
    numbers, offsets = flat([tags], table)
    found = find_spans(numbers, offsets, table)
    assert list(zip(found.starts.tolist(), found.ends.tolist(), strict=True)) == spans


def test_no_span_crosses_into_the_next_sentence_nor_out_of_an_empty_one():
    table = TagTable.of(("O", "I-PER"), scheme="io")
    found = find_spans(np.array([1, 1, 1]), np.array([0, 2, 2, 3]), table)
    assert found.starts.tolist() == [0, 2]
    assert found.ends.tolist() == [2, 3]
    nothing = find_spans(np.empty(0, np.int64), np.array([0, 0]), table)
    assert len(nothing) == 0


def test_types_with_dashes_and_tags_without_a_type():
    assert part_tag("B-creative-work") == ("B", "creative-work")
    assert part_tag("I") == ("I", "_")
    assert part_tag("Inside") is None
    assert part_tag("O") is None
    assert TagTable.of(("O", "person"), scheme="io").type_names == ("person",)


def test_scores_by_hand():
    """Two of three predicted spans are right, of four true ones; six of eight tags are."""
    true = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "O", "B-PER", "O"]]
    said = [["B-PER", "I-PER", "O", "B-PER"], ["B-LOC", "O", "O", "O"]]
    found = score_tag_lists(said, true)
    assert found["overall_precision"] == pytest.approx(2 / 3)
    assert found["overall_recall"] == pytest.approx(2 / 4)
    assert found["overall_f1"] == pytest.approx(2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2))
    assert found["overall_accuracy"] == pytest.approx(6 / 8)
    assert found["LOC"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "number": 2}
    assert found["PER"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "number": 2}
    assert span_values(said, true)["f1_LOC"] == pytest.approx(2 / 3)


def test_scores_against_counting_word_by_word():
    draw = random.Random(11)
    true = random_sentences(draw, 300, TAGS)
    said = [[tag if draw.random() < 0.7 else draw.choice(TAGS) for tag in tags] for tags in true]
    spans = [(spans_word_by_word(one), spans_word_by_word(other)) for one, other in zip(said, true, strict=True)]
    right = sum(len(one & other) for one, other in spans)
    precision, recall = right / sum(len(one) for one, _ in spans), right / sum(len(other) for _, other in spans)
    values = span_values(said, true)
    assert values["precision"] == pytest.approx(precision, abs=1e-12)
    assert values["recall"] == pytest.approx(recall, abs=1e-12)
    assert values["f1"] == pytest.approx(2 * precision * recall / (precision + recall), abs=1e-12)
    people = [sum(kind == "PER" for kind, _, _ in one & other) for one, other in spans]
    assert values["recall_PER"] == pytest.approx(
        sum(people) / sum(kind == "PER" for _, other in spans for kind, _, _ in other)
    )


def test_nothing_said_scores_zero_and_nothing_true_too():
    assert score_tag_lists([["O", "O"]], [["O", "B-PER"]])["overall_f1"] == 0.0
    assert score_tag_lists([["O"]], [["O"]])["overall_f1"] == 0.0


def test_words_with_a_tag_each_score_like_classes():
    found = score_tag_lists([["NOUN", "VERB", "NOUN"]], [["NOUN", "VERB", "ADJ"]])
    assert found["overall_accuracy"] == pytest.approx(2 / 3)
    assert found["NOUN"] == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "number": 1}


def test_sentences_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="as many tags"):
        score_tag_lists([["O"]], [["O", "O"]])
    table = TagTable.of(("O",), scheme="bio")
    with pytest.raises(ValueError, match="predictions"):
        count_spans(np.zeros(2, np.int64), np.zeros(3, np.int64), np.array([0, 3]), table)


def test_intervals_hold_the_value_and_widen_with_fewer_sentences():
    draw = random.Random(3)
    table = TagTable.of(TAGS, scheme="bio")
    widths = []
    for number in (60, 600):
        true = random_sentences(draw, number, TAGS)
        said = [[tag if draw.random() < 0.8 else "O" for tag in tags] for tags in true]
        numbers, offsets = flat(true, table)
        counts = count_spans(flat(said, table)[0], numbers, offsets, table)
        found = span_intervals(counts)
        for name, value in span_scores(counts).items():
            assert found[name].value == pytest.approx(value)
            assert found[name].low <= value <= found[name].high
        assert found["f1_PER"].support == type_scores(counts)["PER"]["support"]
        assert found["macro_f1"].value == pytest.approx(macro_f1(counts))
        widths.append(found["f1"].high - found["f1"].low)
    assert widths[0] > 2 * widths[1] > 0


def test_an_interval_is_that_of_drawing_sentences_anew():
    """Against a loop that draws the same sentences and counts their spans again."""
    table = TagTable.of(("O", "B-X"), scheme="bio")
    draw = random.Random(1)
    true = [draw.choices(("O", "B-X"), k=3) for _ in range(30)]
    said = [draw.choices(("O", "B-X"), k=3) for _ in range(30)]
    numbers, offsets = flat(true, table)
    counts = count_spans(flat(said, table)[0], numbers, offsets, table)
    found = span_intervals(counts, resamples=200, seed=4)["f1"]
    rows = np.random.Generator(np.random.Philox(4)).integers(30, size=(200, 30))
    drawn = [span_values([said[i] for i in one], [true[i] for i in one])["f1"] for one in rows]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))


def test_evaluate_takes_and_gives_what_seqeval_does():
    from albert_cli.metrics.adapters import evaluate_metric

    true, said = [["B-PER", "O"], ["B-LOC"]], [["B-PER", "O"], ["O"]]
    theirs = evaluate_metric("seqeval").compute(predictions=said, references=true)
    assert theirs["overall_f1"] == pytest.approx(2 / 3)
    assert theirs["PER"]["number"] == 1
    flat_values = evaluate_metric("span_f1").compute(predictions=said, references=true)
    assert flat_values["f1"] == pytest.approx(2 / 3)
