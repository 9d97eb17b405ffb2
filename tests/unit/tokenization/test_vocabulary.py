"""Tokens, ids, special tokens, and text from ids."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import torch

from albert_cli.errors import ModelError
from albert_cli.tokenization.decoding import clean_up_spaces
from albert_cli.tokenization.specials import AddedToken
from albert_cli.tokenization.tokenizer import AlbertTokenizer, AlbertTokenizerFast


def test_special_tokens_have_their_documented_names_and_ids(tokenizer: AlbertTokenizer) -> None:
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.cls_token_id) == (0, 1, 2)
    assert (tokenizer.sep_token_id, tokenizer.mask_token_id) == (3, 4)
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.mask_token) == ("[CLS]", "[SEP]", "[MASK]")
    assert tokenizer.all_special_tokens == ["[CLS]", "[SEP]", "<unk>", "<pad>", "[MASK]"]
    assert tokenizer.all_special_ids == [2, 3, 1, 0, 4]
    assert tokenizer.special_tokens_map["mask_token"] == "[MASK]"
    assert AlbertTokenizerFast is AlbertTokenizer


def test_tokens_and_ids_map_to_each_other(tokenizer: AlbertTokenizer) -> None:
    vocabulary = tokenizer.get_vocab()
    assert len(vocabulary) == len(tokenizer) == tokenizer.vocab_size == 420
    assert all(tokenizer.convert_ids_to_tokens(index) == token for token, index in vocabulary.items())
    assert tokenizer.convert_tokens_to_ids(["[MASK]", "\u2581win", "no such piece"]) == [4, vocabulary["\u2581win"], 1]
    assert tokenizer.convert_tokens_to_ids("[SEP]") == 3
    assert tokenizer.piece_table()[4] == tokenizer.id_to_piece(4) == "[MASK]"
    assert tokenizer.convert_ids_to_tokens([2, 4, 3], skip_special_tokens=True) == []


@pytest.mark.parametrize("index", [-1, 420, 10**9])
def test_an_id_outside_the_vocabulary_is_refused(tokenizer: AlbertTokenizer, index: int) -> None:
    with pytest.raises(IndexError, match="outside the vocabulary of 420"):
        tokenizer.decode([index])


def test_decoding_takes_lists_arrays_tensors_and_batches(tokenizer: AlbertTokenizer) -> None:
    ids = tokenizer("the river [MASK], (2011)").input_ids
    expected = "[CLS] the river[MASK] , (2011)[SEP]"
    for kind in (list, tuple, numpy.array, torch.tensor):
        assert tokenizer.decode(kind(ids)) == expected
    assert (
        tokenizer.batch_decode(torch.tensor([ids, ids])) == [expected] * 2 == tokenizer.decode(torch.tensor([ids, ids]))
    )
    assert tokenizer.decode(ids, skip_special_tokens=True) == "the river , (2011)"
    assert tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=True) == "the river, (2011)"
    assert tokenizer.decode(4) == tokenizer.decode(torch.tensor(4)) == "[MASK]"
    assert tokenizer.decode([]) == ""


def test_english_spacing_is_repaired() -> None:
    assert clean_up_spaces("do n't stop , it 's `` fine '' !") == "don't stop, it's `` fine ''!"


def test_added_tokens_get_new_ids_and_are_found_in_text(own_model: Path) -> None:
    tokenizer = AlbertTokenizer(own_model)
    assert tokenizer.add_tokens(["<new>", AddedToken("[X]", special=False)]) == 2
    assert tokenizer.add_tokens("<new>") == 0
    assert (len(tokenizer), tokenizer.vocab_size) == (422, 420)
    assert tokenizer.tokenize("a <new>road [X]")[1:3] == ["a", "<new>"]
    assert tokenizer.convert_tokens_to_ids("[X]") == 421
    text = tokenizer.decode(tokenizer("a <new>road").input_ids, skip_special_tokens=True)
    assert text == "a <new> road"
    assert tokenizer.decode([420, 421], spaces_between_special_tokens=False) == "<new>[X]"


def test_roles_can_be_given_to_other_tokens(own_model: Path) -> None:
    tokenizer = AlbertTokenizer(own_model, mask_token="<mask>", additional_special_tokens=["<one>"])
    assert tokenizer.mask_token_id == 420
    assert tokenizer.additional_special_tokens == ["<one>"]
    assert tokenizer.add_special_tokens({"pad_token": "[PAD]", "additional_special_tokens": ["<two>"]}) == 2
    assert (tokenizer.pad_token, tokenizer.pad_token_id) == ("[PAD]", 422)
    assert tokenizer(["a", "the road"], padding=True).input_ids[0][-1] == 422
    assert tokenizer.decode(tokenizer("a <two><one>").input_ids, skip_special_tokens=True) == "a"
    with pytest.raises(ValueError, match="no_token"):
        tokenizer.add_special_tokens({"no_token": "x"})


def test_the_fingerprint_changes_with_what_changes_ids(own_model: Path, tokenizer: AlbertTokenizer) -> None:
    assert AlbertTokenizer(own_model, model_max_length=9, padding_side="left").fingerprint == tokenizer.fingerprint
    others = [
        AlbertTokenizer(own_model, do_lower_case=False),
        AlbertTokenizer(own_model, keep_accents=True),
        AlbertTokenizer(own_model, algorithm="original"),
        AlbertTokenizer(own_model, add_prefix_space=False),
        AlbertTokenizer(own_model, mask_token="<mask>"),
    ]
    assert len({tokenizer.fingerprint, *(other.fingerprint for other in others)}) == 6


def test_wrong_construction_is_refused(own_model: Path) -> None:
    with pytest.raises(ModelError, match="one source"):
        AlbertTokenizer()
    with pytest.raises(ModelError, match="one source"):
        AlbertTokenizer(own_model, vocab=str(own_model))
    with pytest.raises(ModelError, match="is a directory"):
        AlbertTokenizer(own_model.parent)
    with pytest.raises(TypeError, match="chat_template"):
        AlbertTokenizer(own_model, chat_template="x")
    with pytest.raises(ValueError, match="algorithm takes"):
        AlbertTokenizer(own_model, algorithm="bert")
    with pytest.raises(ValueError, match="padding_side takes"):
        AlbertTokenizer(own_model, padding_side="top")
    with pytest.raises(ValueError, match="model_input_names"):
        AlbertTokenizer(own_model, model_input_names=["labels"])
    with pytest.raises(ModelError, match="<unk>"):
        AlbertTokenizer(vocab=[("a", -1.0)])
    with pytest.raises(ModelError, match="neither a path nor a list"):
        AlbertTokenizer(vocab=3)


def test_unknown_text_that_spells_a_control_symbol_is_one_only_for_the_original_algorithm() -> None:
    pieces = [("<unk>", 0.0), ("[MASK]", 0.0), ("[CLS]", 0.0), ("[SEP]", 0.0), ("<pad>", 0.0), ("\u2581", -1.0)]
    original = AlbertTokenizer(vocab=pieces, algorithm="original", do_lower_case=False)
    assert original("[MASK]", add_special_tokens=False).input_ids == [5, 1]
    assert original.encode_with_offsets("[MASK]", split_special_tokens=False).ids == [5, 1]
    assert original.encode_batch(["[MASK]"]) == [[5, 0]], "training text never makes one"
    assert AlbertTokenizer(vocab=pieces, do_lower_case=False).encode_batch(["[MASK]"]) == [[5, 0]]


def test_a_list_of_pieces_makes_a_tokenizer() -> None:
    pieces = [("<pad>", 0.0), ("<unk>", 0.0), ("[CLS]", 0.0), ("[SEP]", 0.0), ("[MASK]", 0.0), ("(", 0.0)]
    tokenizer = AlbertTokenizer(vocab=[*pieces, ("\u2581a", -1.0), ("\u2581", -2.0), ("b", -3.0)])
    assert tokenizer("a (b").input_ids == [2, 6, 7, 5, 8, 3]
