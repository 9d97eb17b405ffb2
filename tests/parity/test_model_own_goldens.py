"""Does our model still give what transformers 5.23 gave (tests/goldens/make_model_goldens.py)?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_cases import difference, fill_by_formula, our_class

from albert_cli.models.config import AlbertConfig

with np.load(Path(__file__).resolve().parents[1] / "goldens" / "model_goldens.npz") as stored:
    GOLDENS = {name: stored[name] for name in stored.files}
CASES: dict[str, Any] = json.loads(str(GOLDENS["facts"]))["cases"]


def part(case: str, kind: str) -> dict[str, torch.Tensor]:
    start = f"{case}/{kind}/"
    return {
        name.removeprefix(start): torch.tensor(values) for name, values in GOLDENS.items() if name.startswith(start)
    }


@pytest.mark.parametrize("kind", ["plain", "sdpa"])
@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients(case: str, kind: str) -> None:
    model = our_class(CASES[case]["class"])(AlbertConfig(**CASES[case]["config"])).eval()
    fill_by_formula(model)
    model.set_attention(kind)
    expected = part(case, "out")
    output = model(
        **part(case, "in"), output_attentions="attentions" in expected, output_hidden_states="hidden_states" in expected
    )
    assert output.keys() == list(expected)
    for field, value in output.items():
        limit = 1e-4 if "logits" in field or field == "loss" else 2e-5
        assert difference(torch.stack(value) if isinstance(value, tuple) else value, expected[field]) < limit, field
    (output.loss if "loss" in output else output[0].square().sum() + output[1].square().sum()).backward()
    norms = part(case, "grad")
    found = {name: values.grad for name, values in model.named_parameters() if values.grad is not None}
    assert found.keys() == norms.keys()
    for name, norm in norms.items():
        assert abs(float(found[name].norm()) - float(norm)) < 1e-4 * max(1.0, float(norm)), name
