"""Layout, truncation and labels of encoded rows."""

from __future__ import annotations

import datasets
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from task_files import LetterTokenizer

from albert_cli.data import features
from albert_cli.data.features import encode_task, kept_lengths

CLS, SEP = 2, 3


def letters(text):
    return LetterTokenizer().encode_batch([text])[0]


def dataset(texts, pairs=None, labels=None, classes=("a", "b")):
    columns = {"text": list(texts), "label": labels or [0] * len(texts)}
    if pairs is not None:
        columns["text_pair"] = list(pairs)
    feature = datasets.ClassLabel(names=list(classes))
    kinds = {name: datasets.Value("string") for name in columns} | {"label": feature}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(kinds))


def rows(encoded):
    return [encoded.ids[start:end].tolist() for start, end in zip(encoded.offsets, encoded.offsets[1:], strict=False)]


def shortened(first, second, budget):
    """The original's rule, one token at a time."""
    first, second = list(first), list(second)
    while len(first) + len(second) > budget:
        (first if len(first) > len(second) else second).pop()
    return first, second


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 50))
def test_kept_lengths_are_those_of_one_token_at_a_time(first, second, budget):
    expected = shortened(range(first), range(second), budget)
    kept = kept_lengths(np.array([first]), np.array([second]), budget=budget)
    assert [int(part[0]) for part in kept] == [len(part) for part in expected]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.text("abc ", max_size=14), st.text("abc ", max_size=14)), min_size=1, max_size=8),
    st.integers(4, 20),
)
def test_pairs_are_laid_out_and_cut_as_the_original_does(pairs, max_length):
    encoded = encode_task(dataset(*zip(*pairs, strict=True)), LetterTokenizer(), max_length=max_length)
    for (first, second), row, size, cut in zip(
        pairs, rows(encoded), encoded.first_lengths, encoded.truncated, strict=True
    ):
        a, b = letters(first), letters(second)
        kept_a, kept_b = shortened(a, b, max_length - 3) if b else (a[: max_length - 2], [])
        head = [CLS, *kept_a, SEP]
        # the second part is there if there was a second text, even where nothing of it is left
        assert row == head + ([*kept_b, SEP] if b else [])
        assert size == len(head)
        assert cut == ((kept_a, kept_b) != (a, b))
        assert len(row) <= max_length


def test_single_texts():
    encoded = encode_task(dataset(["abcdef", "a", ""]), LetterTokenizer(), max_length=5)
    assert rows(encoded) == [[CLS, *letters("abc"), SEP], [CLS, *letters("a"), SEP], [CLS, SEP]]
    assert encoded.truncated_fraction == pytest.approx(1 / 3)
    assert encoded.first_lengths.tolist() == encoded.lengths.tolist() == [5, 3, 2]


def test_rows_are_the_same_in_blocks_of_any_size(monkeypatch):
    draw = np.random.default_rng(0)
    texts = ["".join(draw.choice(list("abcd"), size)) for size in draw.integers(0, 30, 25)]
    whole = encode_task(dataset(texts, texts[::-1]), LetterTokenizer(), max_length=24)
    monkeypatch.setattr(features, "_ROWS_AT_ONCE", 4)
    parts = encode_task(dataset(texts, texts[::-1]), LetterTokenizer(), max_length=24)
    assert rows(whole) == rows(parts)
    assert np.array_equal(whole.offsets, parts.offsets)
    assert np.array_equal(whole.truncated, parts.truncated)


def test_no_rows():
    encoded = encode_task(dataset(["a"]).select([]), LetterTokenizer(), max_length=8)
    assert (len(encoded), encoded.truncated_fraction, encoded.offsets.tolist()) == (0, 0.0, [0])


def test_no_room():
    with pytest.raises(ValueError, match="no room"):
        encode_task(dataset(["a"]), LetterTokenizer(), max_length=3)


def test_labels_of_each_kind():
    encoded = encode_task(dataset(["a", "b"], labels=[1, -1]), LetterTokenizer(), max_length=8)
    assert (encoded.kind, encoded.labels.tolist(), encoded.labels.dtype) == ("classification", [1, -1], np.int64)
    assert not encoded.is_labelled
    texts = {"text": ["a", "b", "c"]}
    scores = datasets.Dataset.from_dict({**texts, "label": [0.5, None, -1.0]})
    encoded = encode_task(scores, LetterTokenizer(), max_length=8)
    assert (encoded.kind, encoded.labels.dtype) == ("regression", np.float32)
    assert features.labelled_rows(encoded.labels).tolist() == [True, False, True]
    kinds = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.Sequence(datasets.ClassLabel(names=["x", "y", "z"]))}
    )
    sets = datasets.Dataset.from_dict({**texts, "label": [[0, 2], None, []]}, features=kinds)
    encoded = encode_task(sets, LetterTokenizer(), max_length=8)
    assert (encoded.kind, encoded.labels.dtype) == ("multi-label", np.float32)
    assert encoded.labels.tolist() == [[1, 0, 1], [-1, -1, -1], [0, 0, 0]]
    assert features.labelled_rows(encoded.labels).tolist() == [True, False, True]
