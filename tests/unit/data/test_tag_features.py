"""Which token speaks for which word, in one window or several."""

from __future__ import annotations

from itertools import pairwise

import datasets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from albert_cli.data.finetuning import FinetuneSource, evaluation_batches
from albert_cli.data.tag_features import encode_tags, plan_windows
from albert_cli.tokenization.tokenizer import AlbertTokenizer

LINE = "people walk along its old stone bridges every morning some of them carry bread others read"


def rows(sentences: list[list[str]], tags: list[list[int] | None]) -> datasets.Dataset:
    label = datasets.ClassLabel(names=["O", "B-X", "I-X"])
    features = datasets.Features(
        {"tokens": datasets.Sequence(datasets.Value("string")), "tags": datasets.Sequence(label)}
    )
    return datasets.Dataset.from_dict({"tokens": sentences, "tags": tags}, features=features)


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer) -> AlbertTokenizer:
    return AlbertTokenizer.from_pretrained(tiny_tokenizer)


def spoken(examples, tokenizer) -> list[list[str]]:
    """The piece that speaks for each word, by window."""
    whole = examples.pack(np.arange(len(examples)), with_labels=False)
    pieces = [tokenizer.id_to_piece(int(whole.input_ids[place])) for place in whole.targets["word_positions"]]
    counts = whole.targets["word_counts"].tolist()
    return [[pieces.pop(0) for _ in range(count)] for count in counts]


def test_the_first_piece_of_each_word_carries_its_tag(tokenizer):
    sentences = [["The", "rivér", "Paris"], ["LONDON"]]
    examples = encode_tags(rows(sentences, [[0, 1, 2], [1]]), tokenizer, max_length=32)
    batch = examples.pack(np.array([1, 0]), with_labels=True)
    firsts = [tokenizer.encode_batch([word])[0][0] for word in ["LONDON", "The", "rivér", "Paris"]]
    assert batch.input_ids[batch.targets["word_positions"]].tolist() == firsts
    assert batch.targets["labels"].tolist() == [1, 0, 1, 2]
    assert batch.targets["word_counts"].tolist() == [1, 3]
    assert batch.indices.tolist() == [1, 0]
    assert batch.input_ids[0] == tokenizer.cls_token_id
    assert batch.input_ids[batch.lengths[0] - 1] == tokenizer.sep_token_id


def test_words_of_which_nothing_is_left_are_unknown_pieces(tokenizer):
    sentences = [["a", " ", "\u200b", "", "b", "\u0301"]]
    examples = encode_tags(rows(sentences, [[0, 1, 0, 1, 2, 0]]), tokenizer, max_length=32)
    batch = examples.pack(np.array([0]), with_labels=True)
    said = batch.input_ids[batch.targets["word_positions"]].tolist()
    assert batch.targets["labels"].tolist() == [0, 1, 0, 1, 2, 0]
    assert len(set(batch.targets["word_positions"].tolist())) == 6
    assert said[1] == said[2] == said[3] == said[5] == tokenizer.unk_token_id


def test_special_tokens_in_words_are_text(tokenizer):
    examples = encode_tags(rows([["[MASK]", "[SEP]"]], [[0, 0]]), tokenizer, max_length=64)
    inner = examples.pack(np.array([0]), with_labels=False).input_ids[1:-1].tolist()
    assert tokenizer.mask_token_id not in inner
    assert tokenizer.sep_token_id not in inner


@pytest.mark.parametrize("max_length", [8, 11, 16, 40])
@pytest.mark.parametrize("overlap", [0, 3, 32])
def test_every_word_is_answered_once_whatever_the_windows(tokenizer, max_length, overlap):
    words = [
        "people",
        "walk",
        "along",
        "its",
        "old",
        "stone",
        "bridges",
        "every",
        "morning",
        "some",
        "of",
        "them",
        "carry",
        "bread",
        "others",
        "read",
    ]
    sentences = [words, words[:1], [], [*words, "bridges" * 40, *words]]
    tags = [[number % 3 for number in range(len(sentence))] for sentence in sentences]
    examples = encode_tags(rows(sentences, tags), tokenizer, max_length=max_length, overlap=overlap)
    assert examples.lengths.max() <= max_length
    whole = examples.pack(np.arange(len(examples)), with_labels=True)
    assert whole.targets["labels"].tolist() == [tag for row in tags for tag in row]
    firsts = [tokenizer.encode_batch([word])[0][0] for sentence in sentences for word in sentence]
    assert whole.input_ids[whole.targets["word_positions"]].tolist() == firsts
    assert 2 not in examples.sentences
    assert examples.truncated.sum() == 1  # the long word alone loses pieces
    assert np.diff(examples.word_offsets).min() >= 1


@given(
    pieces=st.lists(st.integers(1, 30), min_size=1, max_size=60),
    room=st.integers(1, 40),
    overlap=st.integers(0, 50),
)
def test_windows_cover_every_word_once_and_move_on(pieces, room, overlap):
    windows = plan_windows(pieces, room=room, overlap=overlap)
    assert [n for one in windows for n in range(one.own_first, one.own_last)] == list(range(len(pieces)))
    for one in windows:
        assert one.first <= one.own_first < one.own_last <= one.last
        assert sum(pieces[one.first : one.last]) <= room or one.last == one.first + 1
    for one, other in pairwise(windows):
        assert other.last > one.last
        assert other.first <= one.last
        assert sum(pieces[other.first : one.last]) <= min(overlap, room // 2)


def test_a_word_near_a_border_is_answered_where_more_of_its_neighbours_are():
    windows = plan_windows([1] * 20, room=10, overlap=4)
    assert [(one.first, one.last) for one in windows] == [(0, 10), (6, 16), (12, 20)]
    assert [(one.own_first, one.own_last) for one in windows] == [(0, 8), (8, 14), (14, 20)]


def test_unlabelled_sentences_and_their_batches(tokenizer):
    examples = encode_tags(rows([["a"], ["b"]], [[0], None]), tokenizer, max_length=16)
    assert not examples.is_labelled
    batches = evaluation_batches(examples, max_tokens=100)
    assert all("labels" not in batches[number].targets for number in range(len(batches)))
    with pytest.raises(ValueError, match="label"):
        FinetuneSource(examples, 2, seed=1, max_steps=1)


def test_the_fingerprint_changes_with_words_tags_and_windows(tokenizer):
    base = encode_tags(rows([["a", "b"] * 9], [[0, 1] * 9]), tokenizer, max_length=16).fingerprint()
    assert base == encode_tags(rows([["a", "b"] * 9], [[0, 1] * 9]), tokenizer, max_length=16).fingerprint()
    others = [
        encode_tags(rows([["a", "c"] * 9], [[0, 1] * 9]), tokenizer, max_length=16),
        encode_tags(rows([["a", "b"] * 9], [[0, 2] * 9]), tokenizer, max_length=16),
        encode_tags(rows([["a", "b"] * 9], [[0, 1] * 9]), tokenizer, max_length=12),
    ]
    assert len({base, *(other.fingerprint() for other in others)}) == 4


def test_no_room_for_a_word_is_refused(tokenizer):
    with pytest.raises(ValueError, match="no room"):
        encode_tags(rows([["a"]], [[0]]), tokenizer, max_length=2)
