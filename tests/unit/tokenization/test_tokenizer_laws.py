"""Laws of every tokenizer, of either kind: what the test suites of other libraries ask of one, asked of ours.

The list, with the places of the laws that stand elsewhere, is in docs/reference/python.md.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForMaskedLM
from albert_cli.tokenization.tokenizer import AlbertTokenizer

TEXTS = (
    "the river was a road",
    "a",
    "she said that the road (2011) was long, and the river too",
    "",
    "  in the  house ",
)
PAIRS = tuple(zip(TEXTS, reversed(TEXTS), strict=True))
COLUMNS = ("input_ids", "token_type_ids", "attention_mask")


@pytest.fixture(scope="module", params=["sentencepiece", "wordpiece"])
def either(
    request: pytest.FixtureRequest, own_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> AlbertTokenizer:
    if request.param == "sentencepiece":
        return AlbertTokenizer(own_model)
    words = sorted({word for text in TEXTS for word in text.replace(",", " ,").split()})
    letters = [*"abcdefghijklmnopqrstuvwxyz0123456789(),"]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *letters, *(f"##{letter}" for letter in letters)]
    path = tmp_path_factory.mktemp("wordpiece") / "vocab.txt"
    path.write_text("\n".join(dict.fromkeys(pieces)) + "\n", encoding="utf-8")
    return AlbertTokenizer.from_pretrained(path.parent)


@pytest.fixture
def own(either: AlbertTokenizer) -> AlbertTokenizer:
    """A copy that a test may change."""
    return copy.deepcopy(either)


def test_tokens_and_ids_go_there_and_back(either: AlbertTokenizer) -> None:
    table = either.get_vocab()
    assert len(table) == len(either) == len(set(table.values()))
    assert either.vocab_size <= len(either)
    for token, index in table.items():
        assert either.convert_tokens_to_ids(token) == index
        assert either.convert_ids_to_tokens(index) == token
    assert [either.convert_tokens_to_ids(name) for name in either.all_special_tokens] == either.all_special_ids


@pytest.mark.parametrize("text", TEXTS)
def test_the_ways_to_encode_agree(either: AlbertTokenizer, text: str) -> None:
    bare = either.encode(text, add_special_tokens=False)
    assert either.convert_tokens_to_ids(either.tokenize(text)) == bare == either.encode_batch([text])[0]
    assert either(text).input_ids == either.encode(text) == either.build_inputs_with_special_tokens(bare)
    assert either(text, TEXTS[0]).input_ids == either.build_inputs_with_special_tokens(
        bare, either.encode(TEXTS[0], add_special_tokens=False)
    )
    assert either.decode(either.encode(text), skip_special_tokens=True).split() == either.decode(bare).split()
    assert either.encode(either.decode(bare), add_special_tokens=False) == bare


@pytest.mark.parametrize("second", [False, True])
def test_a_batch_holds_what_its_rows_are_alone(either: AlbertTokenizer, second: bool) -> None:
    rows = PAIRS if second else [(text,) for text in TEXTS]
    options: dict[str, Any] = {"return_special_tokens_mask": True, "return_offsets_mapping": True}
    batch = either(*(list(column) for column in zip(*rows, strict=True)), **options)
    for number, row in enumerate(rows):
        alone = either(*row, **options)
        assert {name: values[number] for name, values in batch.items()} == dict(alone.items())
        assert list(alone)[:3] == ["input_ids", "token_type_ids", "attention_mask"]
        assert len({len(values) for values in alone.values()}) == 1


def test_marks_of_special_tokens_and_types_agree_with_the_methods(either: AlbertTokenizer) -> None:
    first, second = (either.encode(TEXTS[place], add_special_tokens=False) for place in (0, 2))
    for parts, texts in (((first,), TEXTS[:1]), ((first, second), (TEXTS[0], TEXTS[2]))):
        row = either(*texts, return_special_tokens_mask=True)
        assert row.special_tokens_mask == either.get_special_tokens_mask(*parts)
        assert row.special_tokens_mask == either.get_special_tokens_mask(row.input_ids, already_has_special_tokens=True)
        assert row.token_type_ids == either.create_token_type_ids_from_sequences(*parts)
        assert sum(row.special_tokens_mask) == either.num_special_tokens_to_add(pair=len(parts) == 2)
        assert len(row.input_ids) - sum(map(len, parts)) == either.num_special_tokens_to_add(pair=len(parts) == 2)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("padding", [True, "max_length"])
@pytest.mark.parametrize("multiple", [None, 8])
def test_padding_adds_and_changes_nothing(
    either: AlbertTokenizer, own: AlbertTokenizer, side: str, padding: Any, multiple: int | None
) -> None:
    plain = either(list(TEXTS), return_special_tokens_mask=True)
    shape = {"padding": padding, "pad_to_multiple_of": multiple} | ({"max_length": 50} if padding != True else {})  # noqa: E712
    own.padding_side = side
    padded = own(list(TEXTS), return_special_tokens_mask=True, **shape)
    assert padded == either(list(TEXTS), return_special_tokens_mask=True, padding_side=side, **shape)
    width = len(padded.input_ids[0])
    longest = max(map(len, plain.input_ids)) if padding is True else 50
    assert width == (longest if multiple is None else -(-longest // multiple) * multiple)
    fill = {"input_ids": own.pad_token_id, "special_tokens_mask": 1}
    for name, rows in padded.items():
        for row, short in zip(rows, plain[name], strict=True):
            extra = [fill.get(name, 0)] * (width - len(short))
            assert row == (extra + short if side == "left" else short + extra)
    assert padded == either.pad(plain, padding_side=side, **shape)


@pytest.mark.parametrize("side", ["right", "left"])
def test_cutting_takes_from_the_asked_side(either: AlbertTokenizer, own: AlbertTokenizer, side: str) -> None:
    own.truncation_side = side
    whole = either.encode(TEXTS[2], add_special_tokens=False)
    for limit in range(3, len(whole) + 4):
        cut = own(TEXTS[2], truncation=True, max_length=limit).input_ids
        kept = min(limit - 2, len(whole))
        assert cut == either.build_inputs_with_special_tokens(
            whole[:kept] if side == "right" else whole[len(whole) - kept :]
        )
    first = either.encode(TEXTS[0], add_special_tokens=False)
    both = own(TEXTS[0], TEXTS[2], truncation=True, max_length=9).input_ids  # three of each are left
    parts = (first[:3], whole[:3]) if side == "right" else (first[-3:], whole[-3:])
    assert both == either.build_inputs_with_special_tokens(*parts)
    for strategy, kept_whole in (("only_first", whole), ("only_second", first)):
        ids = own(TEXTS[0], TEXTS[2], truncation=strategy, max_length=len(first) + len(whole) + 1).input_ids
        assert len(ids) == len(first) + len(whole) + 1
        text = [index for index in ids if index not in either.all_special_ids]
        assert (text[-len(whole) :] if strategy == "only_first" else text[: len(first)]) == kept_whole


def test_windows_of_a_long_text_hold_it_all(either: AlbertTokenizer) -> None:
    whole = either.encode(TEXTS[2], add_special_tokens=False)
    rows = either(
        TEXTS[2], truncation=True, max_length=7, stride=2, return_overflowing_tokens=True, return_offsets_mapping=True
    )
    joined: list[int] = []
    for ids, spans in zip(rows.input_ids, rows.offset_mapping, strict=True):
        inner = ids[1:-1]
        assert len(ids) <= 7
        assert spans[1:-1] == sorted(spans[1:-1])
        assert spans[0] == spans[-1] == (0, 0)
        assert not joined or joined[-2:] == inner[:2]
        joined += inner if not joined else inner[2:]
    assert joined == whole
    assert rows.overflow_to_sample_mapping == [0] * len(rows.input_ids)


@pytest.mark.parametrize("text", TEXTS)
def test_spans_give_the_text_back(either: AlbertTokenizer, text: str) -> None:
    row = either(text, return_offsets_mapping=True)
    assert [span for span, mark in zip(row.offset_mapping, row.sequence_ids(), strict=True) if mark is None] == [
        (0, 0)
    ] * 2
    covered = {place for start, end in row.offset_mapping for place in range(start, end)}
    assert covered >= {place for place, char in enumerate(text) if not char.isspace()}
    assert len(row.word_ids()) == len(row.tokens()) == len(row.input_ids)


def test_words_given_apart_are_the_words_of_the_text(either: AlbertTokenizer) -> None:
    words = TEXTS[0].split()
    apart = either(words, is_split_into_words=True)
    assert apart.input_ids == either(TEXTS[0]).input_ids
    assert {word for word in apart.word_ids() if word is not None} == set(range(len(words)))
    batch = either([words, words[:2]], is_split_into_words=True)
    assert batch.input_ids == [apart.input_ids, either(" ".join(words[:2])).input_ids]


def test_lists_arrays_and_tensors_hold_the_same_numbers(either: AlbertTokenizer) -> None:
    lists = either(list(TEXTS), padding=True)
    arrays, tensors = (either(list(TEXTS), padding=True, return_tensors=kind) for kind in ("np", "pt"))
    for name, values in lists.items():
        assert isinstance(arrays[name], np.ndarray)
        assert tensors[name].dtype == torch.int64
        assert arrays[name].tolist() == tensors[name].tolist() == values
    texts = [either.decode(row, skip_special_tokens=True) for row in lists.input_ids]
    assert either.batch_decode(tensors.input_ids, skip_special_tokens=True) == texts
    assert either.batch_decode(arrays.input_ids, skip_special_tokens=True) == texts


def test_added_tokens_are_found_kept_and_known_to_the_model(own: AlbertTokenizer, tmp_path: Path) -> None:
    before = len(own)
    assert own.add_tokens(["newword", "another_one"]) == 2
    assert own.add_tokens("newword") == 0
    assert own.add_special_tokens({"additional_special_tokens": ["<extra>"]}) == 1
    assert len(own) == before + 3
    text = "the river newword was <extra> another_one road"
    own.save_pretrained(tmp_path)
    for tokenizer in (own, AlbertTokenizer.from_pretrained(tmp_path)):
        ids = tokenizer.encode(text)
        assert [index for index in ids if index >= before] == tokenizer.convert_tokens_to_ids(
            ["newword", "<extra>", "another_one"]
        )
        assert "<extra>" in tokenizer.all_special_tokens
        assert "newword" not in tokenizer.all_special_tokens
        plain = tokenizer.decode(ids, skip_special_tokens=True)
        assert "newword" in plain
        assert "<extra>" not in plain
        assert tokenizer.encode(text) == own.encode(text)
    model = AlbertForMaskedLM(AlbertConfig.named("tiny", vocab_size=before, num_hidden_layers=1))
    model.resize_token_embeddings(len(own))
    assert model(**own(text, return_tensors="pt")).logits.shape[-1] == before + 3


def test_saved_and_loaded_it_is_the_same_tokenizer(own: AlbertTokenizer, tmp_path: Path) -> None:
    own.padding_side, own.model_max_length = "left", 33
    own.save_pretrained(tmp_path / "first")
    again = AlbertTokenizer.from_pretrained(tmp_path / "first")
    again.save_pretrained(tmp_path / "second")
    assert (again.padding_side, again.model_max_length, again.fingerprint) == ("left", 33, own.fingerprint)
    assert again.get_vocab() == own.get_vocab()
    assert again.special_tokens_map == own.special_tokens_map
    assert again(list(TEXTS), padding=True) == own(list(TEXTS), padding=True)
    names = {path.name for path in (tmp_path / "first").iterdir()}
    assert names == {path.name for path in (tmp_path / "second").iterdir()}
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name
