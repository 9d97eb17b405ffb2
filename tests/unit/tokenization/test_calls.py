"""What a tokenizer call takes, gives and refuses."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from albert_cli.errors import ModelError
from albert_cli.tokenization.tokenizer import AlbertTokenizer

A, B = "the river road 2011, was well known", "a garden"


def test_a_text_becomes_cls_text_sep(tokenizer: AlbertTokenizer) -> None:
    encoded = tokenizer(A)
    body = tokenizer.encode_batch([A])[0]
    assert encoded["input_ids"] == [2, *body, 3] == encoded.input_ids
    assert encoded.token_type_ids == [0] * (len(body) + 2)
    assert encoded.attention_mask == [1] * (len(body) + 2)
    assert list(encoded) == ["input_ids", "token_type_ids", "attention_mask"]


def test_a_pair_becomes_cls_a_sep_b_sep(tokenizer: AlbertTokenizer) -> None:
    a, b = tokenizer.encode_batch([A, B])
    encoded = tokenizer(A, B, return_special_tokens_mask=True)
    assert encoded.input_ids == [2, *a, 3, *b, 3] == tokenizer.build_inputs_with_special_tokens(a, b)
    assert encoded.token_type_ids == tokenizer.create_token_type_ids_from_sequences(a, b)
    assert encoded.special_tokens_mask == tokenizer.get_special_tokens_mask(a, b)
    assert encoded.sequence_ids() == [None, *[0] * len(a), None, *[1] * len(b), None]
    marked = tokenizer.get_special_tokens_mask(encoded.input_ids, already_has_special_tokens=True)
    assert [i for i, m in enumerate(marked) if m] == [0, len(a) + 1, len(a) + len(b) + 2]
    assert tokenizer.num_special_tokens_to_add(pair=True) == 3


def test_batches_are_padded_to_the_longest_row(tokenizer: AlbertTokenizer) -> None:
    encoded = tokenizer([A, B], padding=True, return_tensors="pt", return_length=True)
    assert encoded.input_ids.dtype == torch.int64
    assert encoded.input_ids.shape == encoded.attention_mask.shape == (2, int(encoded.length[0]))
    assert encoded.attention_mask.sum(1).tolist() == encoded.length.tolist()
    assert (encoded.input_ids[1][encoded.attention_mask[1] == 0] == tokenizer.pad_token_id).all()
    left = tokenizer([A, B], padding=True, padding_side="left", return_tensors="np")
    assert isinstance(left.input_ids, numpy.ndarray)
    assert left.attention_mask[1][0] == 0
    assert left.input_ids[1][-1] == tokenizer.sep_token_id


def test_pairs_may_come_as_tuples(tokenizer: AlbertTokenizer) -> None:
    assert tokenizer([(A, B), (B, A)]).data == tokenizer([A, B], [B, A]).data


def test_long_texts_become_windows_with_a_mapping(tokenizer: AlbertTokenizer) -> None:
    ids = tokenizer.encode_batch([A])[0]
    encoded = tokenizer(
        [B, A], max_length=8, truncation=True, stride=2, return_overflowing_tokens=True, return_offsets_mapping=True
    )
    rows = [
        row[1:-1]
        for row, sample in zip(encoded.input_ids, encoded.overflow_to_sample_mapping, strict=True)
        if sample == 1
    ]
    assert encoded.overflow_to_sample_mapping == [0, 0, *[1] * len(rows)]
    assert rows[0] + [index for row in rows[1:] for index in row[2:]] == ids
    assert all(len(row) <= 8 for row in encoded.input_ids)
    whole = tokenizer(A, return_offsets_mapping=True).offset_mapping
    assert encoded.offset_mapping[2][1:-1] == whole[1:7]
    assert encoded.offset_mapping[3][1:-1] == whole[5:11]
    assert encoded.word_ids(2)[1] == 0


def test_model_max_length_limits_by_default(own_model: Path) -> None:
    tokenizer = AlbertTokenizer(own_model, model_max_length=6, truncation_side="left", padding_side="left")
    assert len(tokenizer(A, truncation=True).input_ids) == 6
    assert tokenizer(A, truncation=True).input_ids[1:-1] == tokenizer.encode_batch([A])[0][-4:]
    assert tokenizer("", padding="max_length").attention_mask == [0, 0, 0, 0, 1, 1]


def test_a_bare_max_length_cuts(tokenizer: AlbertTokenizer) -> None:
    assert len(tokenizer(A, max_length=5).input_ids) == 5


def test_words_keep_their_index_and_offsets_count_inside_each(tokenizer: AlbertTokenizer) -> None:
    words = ["the", "garden", "", "2011,"]
    encoded = tokenizer(words, is_split_into_words=True, return_offsets_mapping=True)
    assert encoded.input_ids[1:-1] == [i for row in tokenizer.encode_batch(words) for i in row]
    ids = [i for i in encoded.word_ids() if i is not None]
    assert sorted(set(ids)) == [0, 1, 3]
    assert encoded.offset_mapping[-2] == (4, 5)
    batch = tokenizer([["the"], ["a", "garden"]], is_split_into_words=True)
    assert len(batch.input_ids) == 2


def test_words_are_parted_by_space_and_by_recognised_tokens(tokenizer: AlbertTokenizer) -> None:
    encoded = tokenizer("the [MASK]. end")
    words = dict(zip(encoded.tokens(), encoded.word_ids(), strict=True))
    assert (words["[MASK]"], words["."]) == (1, 2)
    assert encoded.char_to_token(4) == encoded.tokens().index("[MASK]")
    assert encoded.token_to_chars(0, encoded.tokens().index("[MASK]")) == (4, 10)
    assert encoded.token_to_chars(0, 0) is None


def test_special_tokens_in_text_are_tokens_or_text(tokenizer: AlbertTokenizer, own_model: Path) -> None:
    assert tokenizer.mask_token_id in tokenizer("a [MASK]").input_ids
    assert tokenizer.mask_token_id not in tokenizer("a [MASK]", split_special_tokens=True).input_ids
    assert tokenizer.mask_token_id not in tokenizer.encode_batch(["a [MASK]"])[0]
    assert tokenizer.mask_token_id in tokenizer.encode_batch(["a [MASK]"], split_special_tokens=False)[0]
    assert tokenizer.tokenize("a <PAD>")[-1] == "<pad>", "the slow tokenizer lower-cases before it looks"
    safe = AlbertTokenizer(own_model, split_special_tokens=True)
    assert safe.mask_token_id not in safe("a [MASK]").input_ids


def test_columns_can_be_chosen(own_model: Path, tokenizer: AlbertTokenizer) -> None:
    assert list(tokenizer(A, return_token_type_ids=False, return_attention_mask=False)) == ["input_ids"]
    short = AlbertTokenizer(own_model, model_input_names=["input_ids"])
    assert list(short(A)) == ["input_ids"]
    assert list(short(A, return_token_type_ids=True)) == ["input_ids", "token_type_ids"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding": "yes"}, "padding takes"),
        ({"truncation": "first"}, "truncation takes"),
        ({"truncation": ["x"]}, "truncation takes"),
        ({"padding": True, "max_length": 8}, "max_length does nothing"),
        ({"truncation": False, "max_length": 8}, "max_length does nothing"),
        ({"stride": 2}, "stride does nothing"),
        ({"stride": 2, "truncation": True}, "stride does nothing"),
        ({"pad_to_multiple_of": 8}, "pad_to_multiple_of does nothing"),
        ({"pad_to_multiple_of": 8, "padding": True, "truncation": True, "max_length": 10}, "no multiple"),
        ({"max_length": -1}, "at least 0"),
        ({"max_length": 3.5}, "whole number"),
        ({"padding_side": "up"}, "padding_side takes"),
        ({"truncation_side": "up"}, "truncation_side takes"),
        ({"return_tensors": "tf"}, "'pt', 'np'"),
    ],
)
def test_options_that_are_wrong_or_would_do_nothing_are_refused(
    tokenizer: AlbertTokenizer, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        tokenizer(A, **options)


def test_what_is_no_text_or_no_option_is_refused(tokenizer: AlbertTokenizer) -> None:
    for bad in (None, 3, b"bytes", [1, 2], [[A, B, A]], {"text": A}):
        with pytest.raises(TypeError):
            tokenizer(bad)
    with pytest.raises(TypeError, match="max_len"):
        tokenizer(A, max_len=3)
    with pytest.raises(TypeError, match="text_pair"):
        tokenizer(A, 3)
    with pytest.raises(ValueError, match="same length"):
        tokenizer([A], [A, B])
    with pytest.raises(ValueError, match="text_pair is a batch"):
        tokenizer(A, [A])
    with pytest.raises(TypeError, match="words"):
        tokenizer("not words", is_split_into_words=True)
    with pytest.raises(ValueError, match="padding=True"):
        tokenizer([A, B], return_tensors="pt")


def test_an_empty_batch_is_an_empty_batch(tokenizer: AlbertTokenizer) -> None:
    assert tokenizer([]).input_ids == []
    assert tokenizer([], padding=True, return_tensors="pt").input_ids.shape == (0, 0)


def test_rows_encoded_one_by_one_can_be_padded(tokenizer: AlbertTokenizer) -> None:
    rows = [tokenizer(A), tokenizer(B)]
    padded = tokenizer.pad(rows, return_tensors="pt")
    whole = tokenizer([A, B], padding=True, return_tensors="pt")
    assert all(torch.equal(padded[name], whole[name]) for name in whole)
    single = tokenizer.pad({"input_ids": [1, 2]}, padding="max_length", max_length=4)
    assert single.data == {"input_ids": [1, 2, 0, 0], "attention_mask": [1, 1, 0, 0]}
    labelled = tokenizer.pad([{"input_ids": [1], "labels": 0}, {"input_ids": [1, 2], "labels": 1}])
    assert labelled["labels"] == [0, 1]
    with pytest.raises(ValueError, match="input_ids"):
        tokenizer.pad({"labels": [1]})
    with pytest.raises(TypeError, match="truncation"):
        tokenizer.pad({"input_ids": [1]}, truncation=True)


def test_an_encoding_moves_copies_and_pickles(tokenizer: AlbertTokenizer) -> None:
    encoded = tokenizer(A, return_tensors="pt")
    assert encoded.to("cpu") is encoded
    assert torch.equal(copy.copy(encoded).input_ids, encoded.input_ids)
    again = pickle.loads(pickle.dumps(encoded))
    assert torch.equal(again.input_ids, encoded.input_ids)
    with pytest.raises(ModelError, match="no link to its text"):
        again.word_ids()
    with pytest.raises(AttributeError, match="labels"):
        _ = encoded.labels
    assert encoded[0].tokens[0] == "[CLS]"


def test_a_tokenizer_pickles(tokenizer: AlbertTokenizer) -> None:
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again(A, B).data == tokenizer(A, B).data
    assert again.fingerprint == tokenizer.fingerprint


def test_sampling_draws_other_segmentations_and_offsets_of_the_same_draw(own_model: Path) -> None:
    options = {"enable_sampling": True, "nbest_size": -1, "alpha": 0.1}
    tokenizer = AlbertTokenizer(own_model, sp_model_kwargs=options)
    seen = set()
    for _ in range(20):
        encoded = tokenizer(A, return_offsets_mapping=True)
        seen.add(tuple(encoded.input_ids))
        pieces = zip(encoded.tokens(), encoded.offset_mapping, strict=True)
        assert all(
            A[a:b] == piece.lstrip("\u2581") for piece, (a, b) in pieces if piece[0] != "[" and piece != "\u2581"
        )
    assert len(seen) > 1
    with pytest.raises(ModelError, match="add_bos"):
        AlbertTokenizer(own_model, sp_model_kwargs={"add_bos": True})


def test_offsets_can_hold_the_space_before_a_word(own_model: Path) -> None:
    wide = AlbertTokenizer(own_model, trim_offsets=False)
    first = wide("the  road", return_offsets_mapping=True)
    start, end = first.offset_mapping[first.word_ids().index(1)]
    assert start == 3
    assert end > 5


def test_the_prefix_space_can_be_left_out(own_model: Path, tokenizer: AlbertTokenizer) -> None:
    bare = AlbertTokenizer(own_model, add_prefix_space=False)
    assert tokenizer.tokenize("was 2011, now")[:3] == ["\u2581w", "a", "s"]
    assert bare.tokenize("was 2011, now")[:3] == ["w", "a", "s"]
    assert bare.tokenize("was 2011, now")[3:] == tokenizer.tokenize("was 2011, now")[3:]


def test_torch_is_loaded_only_for_tensors(own_model: Path) -> None:
    code = (
        "import sys; from albert_cli.tokenization.tokenizer import AlbertTokenizer as T; "
        f"t = T({str(own_model)!r}); t.decode(t(['a','b c'], padding=True, return_tensors='np').input_ids[0]); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "False"
