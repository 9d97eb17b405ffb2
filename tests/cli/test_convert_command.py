"""`albert convert` from the command line: with arguments, from a recipe, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_arguments(albert: Callable[..., Any], tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    outcome = albert("convert", tiny_model("AlbertForMaskedLM"), tmp_path / "flax", "--to", "flax", "--json")
    assert outcome.code == 0
    report = json.loads(outcome.out)
    assert report["command"] == "convert"
    assert (report["source_format"], report["target_format"]) == ("hf", "flax")
    assert all(line["is_equal"] for line in report["tensors"])
    assert (tmp_path / "flax" / "flax_model.msgpack").is_file()
    again = albert("convert", tmp_path / "flax", tmp_path / "hf", "--to", "hf")
    assert again.code == 0
    assert again.out.splitlines()[-1] == f"written: {tmp_path / 'hf'}"


def test_a_shipped_recipe(albert: Callable[..., Any], tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    source = tiny_model("AlbertForPreTraining", embedding_size=64)
    outcome = albert("convert", "convert/hf-to-tf1", "--set", f"source={source}", "--out", tmp_path / "tf1")
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "tf1" / "model.ckpt-best.index").is_file()
    assert (tmp_path / "tf1" / "30k-clean.model").is_file()
    back = albert("convert", "convert/tf1-to-hf", "--set", f"source={tmp_path / 'tf1'}", "--out", tmp_path / "hf")
    assert back.code == 0, back.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("SRC", "DST"), 2, "no format to write"),
        (("SRC", "--to", "hf"), 2, "no directory to write"),
        (("SRC", "DST", "--to", "pt"), 2, "must be one of hf, hf-bin, tf1, tf2, flax, onnx"),
        (("SRC", "DST", "--to", "onnx", "--from", "onnx"), 2, "from must be one of"),
        (("SRC", "DST", "--to", "hf", "--int8"), 2, "int8 is for onnx alone"),
        (("SRC", "DST", "--to", "hf", "--out", "DST"), 2, "exclude each other"),
        (("SRC", "SRC", "--to", "hf"), 2, "exists"),
        (("glue/mrpc",), 2, "is a recipe for finetune"),
        (("convert/tf1-to-hf",), 2, "source is required"),
        (("DST", "OTHER", "--to", "hf"), 3, "DST"),
        (("SRC", "DST", "--to", "tf1"), 3, "cannot be written as tf1"),
    ],
)
def test_refusals(
    words: tuple[str, ...],
    code: int,
    message: str,
    albert: Callable[..., Any],
    tiny_model: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    source = str(tiny_model("AlbertForTokenClassification"))
    outcome = albert("convert", *(source if word == "SRC" else word for word in words))
    assert outcome.code == code, outcome.err
    errors = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert outcome.err.splitlines()[-1].startswith("try: ")
    assert not (tmp_path / "DST").exists()
