"""Models as ONNX files: any batch and length, the shared layer once, the outputs of the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from albert_cli.convert import onnx_export
from albert_cli.models.heads import MODEL_CLASSES
from albert_cli.recipe.requests import ConvertRequest
from albert_cli.stages.convert import convert


def exported(source: Path, target: Path, **more: Any) -> Any:
    return convert(ConvertRequest(source=str(source), target=str(target), to="onnx", quiet=True, **more))


@pytest.mark.parametrize("head", ["AlbertForMaskedLM", "AlbertForMultipleChoice", "AlbertForQuestionAnsweringBeam"])
def test_outputs_of_any_batch_and_length(tiny_model: Callable[..., Path], tmp_path: Path, head: str) -> None:
    source = tiny_model(head, num_hidden_layers=6)
    report = exported(source, tmp_path / "onnx")
    assert report.largest_difference < 1e-4
    model = MODEL_CLASSES[head].from_pretrained(source)
    draw = torch.Generator().manual_seed(1)
    for batch, length in ((1, 5), (3, 17)):
        shape = (batch, 4, length) if head == "AlbertForMultipleChoice" else (batch, length)
        ids = torch.randint(5, 90, shape, generator=draw)
        mask = torch.ones_like(ids)
        mask[0, ..., 3:] = 0
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
        with torch.inference_mode():
            expected = model(**inputs)
        found = onnx_export.run(tmp_path / "onnx", inputs)
        for name, value in found.items():
            # Places that the padding rules out are equally unlikely: their order means nothing.
            likely = expected.get(name.replace("_index", "_log_probs"), torch.zeros(()))
            same = (value - expected[name]).abs() < 1e-4
            assert bool((same | (likely < -1e20)).all()), (name, batch, length)
    # Six depths share one layer: its weights are there once (a quarter more for the graph itself).
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert (tmp_path / "onnx" / "model.onnx").stat().st_size < 4 * parameters + 1_500_000


def test_weights_of_eight_bits_make_a_smaller_file(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    source = tiny_model("AlbertForSequenceClassification")
    exported(source, tmp_path / "plain")
    report = exported(source, tmp_path / "small", int8=True)
    plain, small = (tmp_path / name / "model.onnx" for name in ("plain", "small"))
    assert small.stat().st_size < 0.9 * plain.stat().st_size  # of so small a model the graph is the larger part
    assert any("8 bits" in note for note in report.notes)
    assert not (tmp_path / "small" / "plain.onnx").exists()
