"""Vocabularies of WordPiece (``vocab.txt``): the ids of transformers' BertTokenizer, our interface."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, BertTokenizer, BertTokenizerFast

from albert_cli import AlbertTokenizer
from albert_cli.data.words import piece_kinds
from albert_cli.errors import ModelError

PIECES = [
    "[PAD]",
    *(f"[unused{number}]" for number in range(1, 5)),
    *("[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *'!",-.()[]:;?。，！？',
    *"abcdefghijklmnopqrstuvwxyzßøé0123456789",
    *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyzé0123456789"),
    *"中国上海北京大学的人在天气好我们",
    *("the", "cafe", "snow", "##ing", "mask", "un", "##aff", "##able", "Paris", "##中"),
]
STRINGS = (
    "今天天气好，我们在北京大学。",
    "上海shanghai 2024年的天气",
    "the cafés are snowing!",
    "Café CAFÉ cafe\u0301 naïve Ångström",
    "unaffable, un-affable... (un)affable?",
    "  the\t\tsnow \n\n the  ",
    "[MASK]国 the [MASK] snow[SEP] [mask] [UNK]",
    "İstanbul ΑΣ straße ﬁn ½ ①",
    "a" * 100 + " " + "a" * 101 + " b",
    "ｆｕｌｌ　ｗｉｄｔｈ 한국어 日本語 ไทย",
    "x\u0000y\ufffdz\u200b\u00adsoft\u2028line",
    "emoji 👩‍👩‍👧 ❤️ 𠮷野家",
    "",
    "   ",
)
PAIRS = [("今天 the cafe", "snow 好"), ("[MASK]", "天气好" * 5)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that holds a vocabulary alone, under the name that google's Chinese checkpoints have."""
    place = tmp_path_factory.mktemp("wordpiece")
    (place / "vocab_chinese.txt").write_text("".join(f"{piece}\n" for piece in PIECES), encoding="utf-8")
    return place


@pytest.mark.parametrize("lower", [True, False])
def test_ids_offsets_and_text_are_those_of_the_peer(folder: Path, lower: bool) -> None:
    ours = AlbertTokenizer.from_pretrained(folder, do_lower_case=lower)
    theirs = BertTokenizer(str(folder / "vocab_chinese.txt"), do_lower_case=lower)
    for text in STRINGS:
        expected = theirs(text, return_offsets_mapping=True)
        found = ours(text, return_offsets_mapping=True)
        assert {**found} == {**expected}, text
        assert found.word_ids() == expected.word_ids(), text
        assert ours.tokenize(text) == theirs.tokenize(text), text
        assert ours.decode(found["input_ids"]) == theirs.decode(expected["input_ids"])
        assert ours.decode(found["input_ids"], skip_special_tokens=True) == theirs.decode(
            expected["input_ids"], skip_special_tokens=True
        )
    kwargs = {"padding": True, "truncation": True, "max_length": 9}
    assert {**ours(PAIRS, **kwargs)} == {**theirs(PAIRS, **kwargs)}


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_has_the_ids_of_the_peer(text: str) -> None:
    assert OURS.encode_batch([text]) == [THEIRS.encode(text, add_special_tokens=False).ids]
    encoded = OURS.encode_with_offsets(text)
    assert encoded.ids == OURS.encode_batch([text])[0]
    assert encoded.starts == sorted(encoded.starts)
    assert all(0 <= start < end <= len(text) for start, end in zip(encoded.starts, encoded.ends, strict=True))
    assert encoded.words == sorted(encoded.words or [])


def _peer() -> tuple[AlbertTokenizer, object]:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "vocab.txt"
        path.write_text("".join(f"{piece}\n" for piece in PIECES), encoding="utf-8")
        # The peer recognises [MASK] in text; without special tokens it is plain WordPiece.
        peer = BertTokenizerFast(str(path))
        plain = type(peer.backend_tokenizer).from_str(
            json.dumps({**json.loads(peer.backend_tokenizer.to_str()), "added_tokens": []})
        )
        return AlbertTokenizer(path), plain


OURS, THEIRS = _peer()


def test_what_is_saved_is_read_by_the_peer_and_by_us(folder: Path, tmp_path: Path) -> None:
    ours = AlbertTokenizer.from_pretrained(folder, do_lower_case=False, keep_accents=False)
    ours.add_tokens(["snowman"])
    written = {Path(path).name for path in ours.save_pretrained(tmp_path)}
    assert written == {"vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}
    again, theirs = AlbertTokenizer.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    assert again.fingerprint == ours.fingerprint
    assert (again.do_lower_case, again.keep_accents, len(again)) == (False, False, len(PIECES) + 1)
    assert theirs.is_fast
    assert "Bert" in type(theirs).__name__
    for text in (*STRINGS, "a snowman Café"):
        expected = {**theirs(text)}
        assert {**ours(text)} == {**again(text)} == expected, text
    (tmp_path / "vocab.txt").unlink()
    assert AlbertTokenizer.from_pretrained(tmp_path).fingerprint == ours.fingerprint
    (tmp_path / "tokenizer.json").unlink()
    ours.save_vocabulary(tmp_path)
    assert AlbertTokenizer.from_pretrained(tmp_path).fingerprint == ours.fingerprint


def test_an_added_word_is_found_whatever_its_case_and_a_special_one_as_written(folder: Path, tmp_path: Path) -> None:
    ours = AlbertTokenizer.from_pretrained(folder)
    ours.add_tokens(["snowman"])
    ours.save_pretrained(tmp_path)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    for text in ("a SNOWMAN!", "Snowman snowman", "[mask] [Mask] [MASK]snowman"):
        assert {**ours(text)} == {**theirs(text)}, text
        assert ours(text)["input_ids"].count(len(PIECES)) == text.lower().count("snowman")


def test_what_the_peer_saves_is_read(folder: Path, tmp_path: Path) -> None:
    theirs = BertTokenizerFast(str(folder / "vocab_chinese.txt"), strip_accents=False, tokenize_chinese_chars=False)
    theirs.save_pretrained(tmp_path)
    ours = AlbertTokenizer.from_pretrained(tmp_path)
    assert (ours.keep_accents, ours.tokenize_chinese_chars) == (True, False)
    for text in STRINGS:
        assert {**ours(text)} == {**theirs(text)}, text


def test_the_interface_is_that_of_any_tokenizer(folder: Path) -> None:
    tokenizer = AlbertTokenizer.from_pretrained(folder)
    assert (tokenizer.pad_token, tokenizer.unk_token, tokenizer.mask_token) == ("[PAD]", "[UNK]", "[MASK]")
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.cls_token_id) == (0, 5, 6)
    assert tokenizer.vocab_size == len(tokenizer) == len(PIECES)
    assert pickle.loads(pickle.dumps(tokenizer)).encode("天气") == tokenizer.encode("天气")
    ids, sizes = tokenizer.flat_encoder()(["天气好", "[MASK]", ""])
    assert ids.tolist() == [index for row in tokenizer.encode_batch(["天气好", "[MASK]", ""]) for index in row]
    assert sizes.tolist() == [3, 3, 0]  # [MASK] is text there
    assert tokenizer.encode_batch(["天气好", "the"], threads=2) == tokenizer.encode_batch(["天气好", "the"])
    assert tokenizer.encode_batch(["天\ud800气"]) == tokenizer.encode_batch(["天气"])


def test_the_original_recognises_nothing_in_text_and_takes_longer_words(folder: Path) -> None:
    tokenizer = AlbertTokenizer.from_pretrained(folder, algorithm="original")
    assert tokenizer.tokenize("the [MASK]") == ["the", "[", "mask", "]"]
    assert len(tokenizer.tokenize("a" * 200)) == 200
    assert tokenizer.tokenize("a" * 201) == ["[UNK]"]


def test_a_piece_that_comes_twice_has_its_last_id(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nsnow\nthe\n")
    ours = AlbertTokenizer(path)
    assert ours("the snow [PAD]")["input_ids"] == BertTokenizer(str(path))("the snow [PAD]")["input_ids"]
    ours.save_pretrained(tmp_path)
    again = AlbertTokenizer.from_pretrained(tmp_path)
    assert again.encode("the snow") == ours.encode("the snow") == [2, 7, 6, 3]
    assert len(again) == len(ours) == 8


@pytest.mark.parametrize("rule", ["spaces", "english"])
def test_masking_hides_words_by_their_own_mark(folder: Path, rule: str) -> None:
    kinds = piece_kinds(AlbertTokenizer.from_pretrained(folder), rule)  # type: ignore[arg-type]
    begins = {piece: bool(code) for piece, code in zip(PIECES, kinds.code, strict=True)}
    assert begins["中"]
    assert begins["."]
    assert begins["the"]
    assert not begins["##ing"]
    assert kinds.mask == PIECES.index("[MASK]")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a\nb\n", r"has no \[UNK\]"),
        (b"", r"has no \[UNK\]"),
        (b"<pad>\t0\n<unk>\t0\n\xe2\x96\x81the\t-3.4\n", "SentencePiece pieces with scores"),
        (b"[UNK]\n\xff\xfe\n", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_vocabulary_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "vocab.txt").write_bytes(content)
    with pytest.raises(ModelError, match=says):
        AlbertTokenizer.from_pretrained(tmp_path)


def test_settings_of_the_other_kind_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="sp_model_kwargs"):
        AlbertTokenizer.from_pretrained(folder, sp_model_kwargs={"alpha": 0.1})
    with pytest.raises(TypeError, match="tokenize_chinese_chars"):
        AlbertTokenizer(vocab=[("<unk>", 0.0), ("a", -1.0)], tokenize_chinese_chars=True)
    json_file = tmp_path / "tokenizer.json"
    AlbertTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    content = json.loads(json_file.read_text())
    content["normalizer"] = {"type": "Lowercase"}
    json_file.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="not those of BERT"):
        AlbertTokenizer(tokenizer_file=json_file)
