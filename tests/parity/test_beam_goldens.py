"""Do our question-answering heads give what Google's SQuAD graphs gave on the same checkpoints?

Reference outputs: ``A_google_tf1/squad1`` and ``squad2``. The checkpoints are read as `albert convert` reads them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from albert_cli.convert.formats import read_checkpoint
from albert_cli.models.heads import AlbertForQuestionAnswering, AlbertForQuestionAnsweringBeam
from albert_cli.models.pretrained import model_from_state

pytestmark = pytest.mark.shared

LIMIT = 1e-4


def load(folder: Path, cls: Any) -> tuple[Any, dict[str, Tensor], dict[str, Tensor]]:
    with np.load(folder / "io.npz") as stored:
        arrays = {name: torch.from_numpy(np.asarray(stored[name])) for name in stored.files}
    given = {name[3:]: values for name, values in arrays.items() if name.startswith("in/")}
    expected = {name[4:]: values for name, values in arrays.items() if name.startswith("out/")}
    content = read_checkpoint(folder, "tf1")
    assert content.head == cls.__name__
    content.config.extra.update({name: int(given[name]) for name in ("start_n_top", "end_n_top") if name in given})
    model, report = model_from_state(cls, content.config, content.state, place=folder)
    assert report.missing == []
    return model, given, expected


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
