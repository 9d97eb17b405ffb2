"""What computes for `albert run` and `albert predict`: chosen, said once with --verbose, refused where it cannot be."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import albert_cli
from albert_cli.cli.app import build_app
from albert_cli.convert.content import Content
from albert_cli.convert.onnx_export import write
from albert_cli.convert.verify import fixed_inputs
from albert_cli.errors import ModelError, UsageError
from albert_cli.inference import engine, prepared, products
from albert_cli.inference.engine import is_onnx, runs_onnx
from albert_cli.inference.onnx_model import OnnxModel, _groups
from albert_cli.inference.prepared import Products, choose_products, describe
from albert_cli.models.config import AlbertConfig
from albert_cli.models.layout import PackedLayout
from albert_cli.recipe.requests import Engine
from albert_cli.stages.bench.start import write_model

CPU, GPU = torch.device("cpu"), torch.device("cuda")
needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="the extra onnx is not installed",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engine") / "model"
    write_model(folder, "tiny")
    return folder


def answered(*arguments: str) -> tuple[int, list[Any], str, BaseException | None]:
    done = CliRunner().invoke(build_app(), ["run", "--task", "text-classification", *arguments])
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()], done.stderr, done.exception


def scores(*arguments: str) -> list[float]:
    code, lines, _, error = answered(*arguments, "--top-k", "2", "a fine film", "a film")
    assert code == 0, error
    return [result["score"] for line in lines for result in sorted(line["results"], key=lambda one: one["label"])]


def test_precisions_and_8_bits_answer_alike(model: Path) -> None:
    exact = scores("--model", str(model))
    assert scores("--model", str(model), "--precision", "bf16") == pytest.approx(exact, abs=2e-2)
    if products.int8_runs():
        assert scores("--model", str(model), "--int8") == pytest.approx(exact, abs=5e-2)


def test_verbose_says_once_what_computes(model: Path) -> None:
    said = answered("--model", str(model), "--verbose", "a film", "a film")[2]
    assert said.count("products: ") == 1
    assert "exact" in said
    assert "products" not in answered("--model", str(model), "a film")[2]


@pytest.mark.parametrize(
    "asked",
    [
        {"precision": "bf16", "int8": True},
        {"int8": True, "compiles": True},
        {"int8": True, "device": GPU},
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--int8"):
        choose_products(asked.pop("device", CPU), asked.pop("precision", "fp32"), **asked)


def test_8_bits_that_this_torch_lacks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "int8_runs", lambda: False)
    with pytest.raises(UsageError, match="8 bits"):
        choose_products(CPU, int8=True)


def test_the_kind_follows_device_and_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    for has_bfloat16, kind in ((True, "bf16"), (False, "weights16")):
        monkeypatch.setattr(prepared, "has_bfloat16", lambda has_bfloat16=has_bfloat16: has_bfloat16)
        monkeypatch.setattr(prepared, "weights16_run", lambda: True)
        assert choose_products(CPU, "bf16").kind == kind
        assert choose_products(GPU, "bf16").kind == "bf16"
    assert choose_products(GPU, "fp16").kind == "fp16"
    for rows, words in ((0, "torch's own ("), (31, "up to 31 tokens")):
        monkeypatch.setattr(prepared, "rows_for_arranged", lambda size, rows=rows: rows)
        assert words in describe(Products(), CPU)
    assert "compiled" in describe(Products("bf16", compiles=True), GPU)


@needs_onnx
def test_a_converted_model_answers_the_same(model: Path, tmp_path: Path) -> None:
    loaded = albert_cli.AlbertForSequenceClassification.from_pretrained(str(model))
    content = Content(type(loaded).__name__, loaded.config, dict(loaded.state_dict()))
    shutil.copytree(model, tmp_path / "onnx", ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    write(content, tmp_path / "onnx", example=fixed_inputs(content), int8=False)
    folder = str(tmp_path / "onnx")
    exact = scores("--model", str(model))
    assert scores("--model", folder) == pytest.approx(exact, abs=1e-5)  # recognised
    assert scores("--model", folder, "--onnx") == pytest.approx(exact, abs=1e-5)
    assert "onnxruntime" in answered("--model", folder, "--verbose", "a film")[2]
    with pytest.raises(ModelError, match="AlbertForTokenClassification"):
        OnnxModel(tmp_path / "onnx", "AlbertForTokenClassification")
    (tmp_path / "onnx" / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="cannot be read"):
        OnnxModel(tmp_path / "onnx", "AlbertForSequenceClassification")


@needs_onnx
@pytest.mark.parametrize("head", ["AlbertForPreTraining", "AlbertForMultipleChoice"])
def test_packed_batches_through_a_converted_model(head: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    ours = getattr(albert_cli, head)(AlbertConfig.named("tiny", vocab_size=40, num_hidden_layers=1)).eval()
    content = Content(head, ours.config, dict(ours.state_dict()))
    write(content, tmp_path, example=fixed_inputs(content), int8=False)
    theirs = OnnxModel(tmp_path, head).eval()
    for lengths in ((5, 9, 30, 3, 31, 3), (7,), (2, 2)):
        ids = torch.randint(5, 40, (sum(lengths),))
        more = {"num_choices": 1} if head == "AlbertForMultipleChoice" else {"masked_positions": torch.tensor([0, 3])}
        batch = {"token_type_ids": ids % 2, "layout": PackedLayout.from_lengths(lengths), **more}
        with torch.inference_mode():
            expected, found = ours(ids, **batch), theirs(ids, **batch)
        assert found.keys() == expected.keys()
        for name in expected.keys():  # noqa: SIM118 - iterating gives values
            assert found[name].shape == expected[name].shape
            assert float((found[name] - expected[name]).abs().max()) < 1e-5


def test_onnx_is_recognised_and_takes_no_other_option(tmp_path: Path) -> None:
    plain = Engine()
    assert not is_onnx(tmp_path)
    with pytest.raises(ModelError, match=r"no model\.onnx"):
        runs_onnx(tmp_path, Engine(onnx=True), device="auto", precision="fp32")
    (tmp_path / engine.FILE).touch()
    assert runs_onnx(tmp_path, plain, device="auto", precision="fp32")
    for wrong in (Engine(int8=True), Engine(compile=True)):
        with pytest.raises(UsageError, match="onnxruntime"):
            runs_onnx(tmp_path, wrong, device="auto", precision="fp32")
    for device, precision in (("cuda:0", "fp32"), ("cpu", "bf16")):
        with pytest.raises(UsageError, match="onnxruntime"):
            runs_onnx(tmp_path, plain, device=device, precision=precision)
    (tmp_path / "model.safetensors").touch()  # both: torch unless --onnx says otherwise
    assert not runs_onnx(tmp_path, plain, device="auto", precision="fp32")
    assert runs_onnx(tmp_path, Engine(onnx=True), device="auto", precision="fp32")


def test_sequences_of_about_one_length_run_together() -> None:
    lengths = [10, 3, 100, 9, 95, 10]
    groups = _groups(lengths, 4096)
    assert sorted(place for group in groups for place in group) == list(range(len(lengths)))
    for group in groups:
        longest = max(lengths[place] for place in group)
        assert min(lengths[place] for place in group) >= longest * 7 / 8
    assert all(len(group) == 1 for group in _groups([50, 50, 50], 60))
