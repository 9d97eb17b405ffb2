"""The tokenizer beside the weights: every kind of directory into every format, and where the peers make other ids."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from albert_cli.convert.cells import SOURCES, TARGETS
from albert_cli.convert.tokenizer_differences import GOOGLE, KNOWN, LIBRARY, differences, under_the_original_recipe
from albert_cli.convert.tokenizer_files import special_ids, tokenizer_place
from albert_cli.recipe.requests import ConvertRequest
from albert_cli.stages.convert import convert, report_lines
from albert_cli.tokenization.tokenizer import AlbertTokenizer

GOLDEN = Path(__file__).resolve().parents[2] / "goldens" / "tokenizer" / "spiece.model"
WITHOUT_ONNX = [target for target in TARGETS if target != "onnx"]
TEXT = "Snow covers the roofs (twice), in 2011, [MASK] \u0130stanbul"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"天气好(),.", "snow", "the", "##s", "in", "##1", "2"]


def test_a_directory_with_tokenizer_json_alone_into_every_format(
    tiny_model: Callable[..., Path], tmp_path: Path
) -> None:
    first = tiny_model("AlbertForMaskedLM", embedding_size=64)
    source = shutil.copytree(first, tmp_path / "source")
    for name in ("spiece.model", "tokenizer_config.json", "special_tokens_map.json"):
        (source / name).unlink()
    ours = AlbertTokenizer.from_pretrained(first)
    for target in WITHOUT_ONNX:
        out = tmp_path / target
        report = convert(ConvertRequest(source=str(source), target=str(out), to=target, quiet=True))
        assert report.tokenizer is not None
        assert any("rebuilt from tokenizer.json" in note for note in report.tokenizer.notes)
        again = AlbertTokenizer.from_pretrained(out)
        assert again.kind == "sentencepiece"
        assert again(TEXT)["input_ids"] == ours(TEXT)["input_ids"]
        model = out / ("30k-clean.model" if target == "tf1" else "spiece.model")
        assert AlbertTokenizer(model)(TEXT)["input_ids"] == ours(TEXT)["input_ids"]


@pytest.mark.parametrize("form", ["vocab.txt", "tokenizer.json"])
def test_a_wordpiece_vocabulary_into_every_format(form: str, tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    first = tiny_model("AlbertForMaskedLM", embedding_size=64, vocab_size=len(VOCABULARY))
    vocab = tmp_path / "vocab.txt"
    vocab.write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    ours = AlbertTokenizer(vocab)
    source = tmp_path / "source"
    source.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(first / name, source)
    ours.save_pretrained(tmp_path / "saved")
    shutil.copy(tmp_path / "saved" / form, source)
    for target in WITHOUT_ONNX:
        out = tmp_path / target
        report = convert(ConvertRequest(source=str(source), target=str(out), to=target, quiet=True))
        assert report.tokenizer is not None
        assert (report.tokenizer.kind, report.tokenizer.pieces) == ("wordpiece", len(VOCABULARY))
        assert "vocab.txt" in report.tokenizer.files
        assert not list(out.glob("*.model"))
        again = AlbertTokenizer.from_pretrained(out)
        assert again(TEXT)["input_ids"] == ours(TEXT)["input_ids"]
        assert again.fingerprint == ours.fingerprint
        if target != "tf1":
            assert AutoTokenizer.from_pretrained(out)(TEXT)["input_ids"] == ours(TEXT)["input_ids"]
    assert tuple(WITHOUT_ONNX) == SOURCES  # and back from each of them
    for source_format in WITHOUT_ONNX:
        out = tmp_path / f"{source_format}-back"
        convert(ConvertRequest(source=str(tmp_path / source_format), target=str(out), to="hf", quiet=True))
        assert AlbertTokenizer.from_pretrained(out).fingerprint == ours.fingerprint


def test_known_differences_are_tried_and_said(tmp_path: Path) -> None:
    tokenizer = AlbertTokenizer(GOLDEN, keep_accents=True)
    tokenizer.save_pretrained(tmp_path)
    found = differences(tokenizer, under_the_original_recipe(tmp_path, tokenizer), tmp_path)
    named = {(one.peer, one.key): one for one in found}
    assert {
        (GOOGLE, "special tokens in text"),
        (GOOGLE, "quotes"),
        (GOOGLE, "accents"),
        (LIBRARY, "number before a comma"),
    } <= named.keys()
    library = AutoTokenizer.from_pretrained(tmp_path)
    for one in found:
        assert 0 < one.differing <= one.tried
        assert one.examples
        if one.peer == LIBRARY:  # the peer itself, on the strings that are named
            for text in one.examples:
                theirs = library.encode(text, add_special_tokens=False)
                assert theirs != tokenizer.encode(text, add_special_tokens=False), text


def test_what_cannot_be_tried_is_said_where_it_applies(tmp_path: Path) -> None:
    plain = AlbertTokenizer(GOLDEN)
    odd = AlbertTokenizer(GOLDEN, algorithm="original", sp_model_kwargs={"enable_sampling": True})
    odd.save_pretrained(tmp_path)
    keys = {one.key for one in KNOWN if one.probes is None and one.applies(odd)}
    assert keys == {one.key for one in KNOWN if one.probes is None}
    assert not [one for one in KNOWN if one.probes is None and one.applies(plain)]
    said = {one.key for one in differences(odd, plain, tmp_path)}
    assert said == {"original recipe", "sampling"}
    (tmp_path / "tokenizer.json").unlink()
    assert not {one.key for one in differences(odd, odd, tmp_path)}  # tf1: no peer reads that file there


def test_the_report_has_the_differences_in_words_and_as_data(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    source = tiny_model("AlbertForMaskedLM", embedding_size=64)
    report = convert(ConvertRequest(source=str(source), target=str(tmp_path / "out"), to="hf-bin", quiet=True))
    data = json.loads(json.dumps(report.to_dict()))["tokenizer"]
    assert data["kind"] == "sentencepiece"
    quotes = next(one for one in data["differences"] if one["key"] == "quotes")
    assert quotes["peer"] == GOOGLE
    assert quotes["examples"] == ["``a''"]
    lines = "\n".join(report_lines(report))
    assert "differs, quotes: `` and '' stay as they are there; here they become one double quote (1 of 1" in lines
    assert "model_max_length 512 is more than the model's 64 positions" in lines
    assert AlbertTokenizer.from_pretrained(tmp_path / "out").model_max_length == 64


def test_token_types_are_always_among_the_inputs(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    """Without them transformers 5 reads a pair as one segment."""
    source = shutil.copytree(tiny_model("AlbertForMaskedLM", embedding_size=64), tmp_path / "source")
    path = source / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_input_names": ["input_ids", "attention_mask"]}))
    report = convert(ConvertRequest(source=str(source), target=str(tmp_path / "out"), to="hf", quiet=True))
    assert report.tokenizer is not None
    assert any("model_input_names lacked some" in note for note in report.tokenizer.notes)
    assert set(AutoTokenizer.from_pretrained(tmp_path / "out")("snow", "roofs")) == {
        "input_ids",
        "token_type_ids",
        "attention_mask",
    }


def test_no_tokenizer_is_no_error(tmp_path: Path) -> None:
    assert tokenizer_place(tmp_path, None) is None
    assert special_ids(None) is None
    assert tokenizer_place(tmp_path, "named") == "named"
