"""Do our question-answering heads give what Google's SQuAD graphs gave on the same checkpoints?

Reference outputs: ``A_google_tf1/squad1`` and ``squad2``. No public loader reads these heads, so the checkpoints are
read here: their one data file holds the variables as little-endian float32, in the order of their names.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForQuestionAnswering, AlbertForQuestionAnsweringBeam

pytestmark = pytest.mark.shared

LIMIT = 1e-4
# Names of the original's variables, first match first (spec of the checkpoint format).
NAMES = (
    (r"^bert/embeddings/LayerNorm", "albert.embeddings.LayerNorm"),
    (r"^bert/embeddings/(\w+)$", r"albert.embeddings.\1.weight"),
    (r"^bert/encoder/embedding_hidden_mapping_in", "albert.encoder.embedding_hidden_mapping_in"),
    (
        r"^bert/encoder/transformer/group_(\d+)/inner_group_(\d+)",
        r"albert.encoder.albert_layer_groups.\1.albert_layers.\2",
    ),
    (r"/attention_1/self/(\w+)", r".attention.\1"),
    (r"/attention_1/output/dense", ".attention.dense"),
    (r"/ffn_1/intermediate/output/dense", ".ffn_output"),
    (r"/ffn_1/intermediate/dense", ".ffn"),
    (r"(albert_layers\.\d+)/LayerNorm_1", r"\1.full_layer_layer_norm"),
    (r"(albert_layers\.\d+)/LayerNorm", r"\1.attention.LayerNorm"),
    (r"^cls/squad/output_weights", "qa_outputs.weight"),
    (r"^cls/squad/output_bias", "qa_outputs.bias"),
    (r"/(kernel|gamma)$", ".weight"),
    (r"/(bias|beta)$", ".bias"),
    (r"/", "."),
)


def checkpoint(folder: Path) -> dict[str, Tensor]:
    listed = json.loads((folder / "variables.json").read_text())
    shapes = sorted((name, shape) for name, shape in [*listed["trainable"], *listed["other"]])
    numbers = np.fromfile(folder / "model.ckpt-best.data-00000-of-00001", dtype="<f4")
    state, begin = {}, 0
    for name, shape in shapes:
        end = begin + int(np.prod(shape))
        values = torch.from_numpy(numbers[begin:end].reshape(shape).copy())
        begin = end
        ours = name
        for pattern, written in NAMES:
            ours = re.sub(pattern, written, ours)
        state[ours] = values.t().contiguous() if name.endswith("/kernel") else values
    assert begin == len(numbers)
    return {name: values for name, values in state.items() if not name.startswith("bert.pooler")}


def load(folder: Path, cls: Any) -> tuple[Any, dict[str, Tensor], dict[str, Tensor]]:
    with np.load(folder / "io.npz") as stored:
        arrays = {name: torch.from_numpy(np.asarray(stored[name])) for name in stored.files}
    given = {name[3:]: values for name, values in arrays.items() if name.startswith("in/")}
    expected = {name[4:]: values for name, values in arrays.items() if name.startswith("out/")}
    values = json.loads((folder / "albert_config.json").read_text())
    tops = {name: int(given[name]) for name in ("start_n_top", "end_n_top") if name in given}
    config = AlbertConfig.from_dict({**values, **tops, "hidden_act": "gelu_new"})
    model = cls(config)
    model.load_state_dict(checkpoint(folder))  # strict: every name has its place, every place its name
    return model.eval(), given, expected


def inputs(given: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        "input_ids": given["input_ids"].long(),
        "attention_mask": given["input_mask"].long(),
        "token_type_ids": given["segment_ids"].long(),
        "start_positions": given["start_positions"].long(),
        "end_positions": given["end_positions"].long(),
    }


def assert_near(found: Tensor, expected: Tensor) -> None:
    np.testing.assert_allclose(found.detach().numpy(), expected.numpy(), atol=LIMIT, rtol=1e-6)


def test_the_plain_head_of_squad_1(shared_dir: Path) -> None:
    model, given, expected = load(shared_dir / "goldens" / "A_google_tf1" / "squad1", AlbertForQuestionAnswering)
    output = model(**inputs(given))
    assert_near(output.start_logits, expected["start_logits"])
    assert_near(output.end_logits, expected["end_logits"])
    assert_near(output.loss, expected["loss"])


def test_the_beam_head_of_squad_2(shared_dir: Path) -> None:
    model, given, expected = load(shared_dir / "goldens" / "A_google_tf1" / "squad2", AlbertForQuestionAnsweringBeam)
    output = model(**inputs(given), p_mask=given["p_mask"], is_impossible=given["is_impossible"])
    for name in ("start_top", "end_top"):
        assert_near(output[f"{name}_log_probs"], expected[f"{name}_log_probs"])
        assert torch.equal(output[f"{name}_index"], expected[f"{name}_index"].long())
    assert_near(output.cls_logits, expected["cls_logits"])
    assert_near(output.start_log_probs, expected["train_start_log_probs"])
    assert_near(output.end_log_probs, expected["train_end_log_probs"])
    assert_near(output.loss, expected["train_total_loss"])
    spans = model(**inputs(given), p_mask=given["p_mask"]).loss
    assert_near(spans, (expected["train_start_loss"] + expected["train_end_loss"]) / 2)
    assert_near(output.loss - spans, expected["train_regression_loss"] / 2)
