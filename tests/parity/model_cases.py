"""Weights that a formula gives, batches, and the classes of both sides, for the parity tests of the model.

The formula and the table of values made with it come from measurements of transformers 4.57.1 and 5.23.0 that agree.
"""

from __future__ import annotations

import math
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn

import albert_cli
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig

TABLE_CONFIG: dict[str, Any] = {
    "vocab_size": 50,
    "embedding_size": 6,
    "hidden_size": 12,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "max_position_embeddings": 16,
}
IDS = torch.tensor([[2, 7, 11, 4, 23, 3, 9, 3], [2, 30, 41, 3, 17, 3, 0, 0]])
TYPES = torch.tensor([[0, 0, 0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 1, 1, 0, 0]])
MASK = (IDS != 0).long()
BATCH = {"input_ids": IDS, "attention_mask": MASK, "token_type_ids": TYPES}

HEADS = (
    "AlbertModel",
    "AlbertForPreTraining",
    "AlbertForMaskedLM",
    "AlbertForSequenceClassification",
    "AlbertForMultipleChoice",
    "AlbertForTokenClassification",
    "AlbertForQuestionAnswering",
)


@torch.no_grad()
def fill_by_formula(model: nn.Module) -> None:
    """0.3 sin(0.11 i + 2 pi (crc32(name) mod 1000) / 1000), and 1 more for gains of norms. Tied weights once."""
    for name, parameter in model.named_parameters():
        phase = 2 * math.pi * (crc32(name.encode()) % 1000) / 1000
        values = 0.3 * np.sin(0.11 * np.arange(parameter.numel(), dtype=np.float64) + phase)
        if name.endswith(("LayerNorm.weight", "layer_norm.weight")):
            values += 1
        parameter.copy_(torch.from_numpy(values).to(parameter.dtype).view(parameter.shape))


def our_class(name: str) -> type[AlbertPreTrainedModel]:
    found: type[AlbertPreTrainedModel] = getattr(albert_cli, name)
    return found


def table_model(name: str, **overrides: Any) -> AlbertPreTrainedModel:
    model = our_class(name)(AlbertConfig(**{**TABLE_CONFIG, **overrides}))
    fill_by_formula(model)
    return model.eval()


def fill_at_random(model: nn.Module, *, seed: int, std: float = 0.2) -> None:
    """Draw every parameter, biases and norms too, so that a wrong place shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * std)
        for part in model.modules():
            if isinstance(part, nn.LayerNorm):
                part.weight.add_(1)


def labels_for(name: str, ids: Tensor, *, num_labels: int, seed: int) -> dict[str, Tensor]:
    """Labels of a head's own kind for a batch (B, L), or (B, C, L) for multiple choice."""
    draw = torch.Generator().manual_seed(seed)
    rows = ids.shape[0]

    def below(limit: int, *shape: int) -> Tensor:
        return torch.randint(0, limit, shape, generator=draw)

    if name == "AlbertForSequenceClassification":
        return {"labels": torch.rand(rows, generator=draw) if num_labels == 1 else below(num_labels, rows)}
    if name == "AlbertForMultipleChoice":
        return {"labels": below(ids.shape[1], rows)}
    if name == "AlbertForQuestionAnswering":
        return {"start_positions": below(ids.shape[1], rows), "end_positions": below(ids.shape[1], rows)}
    if name == "AlbertForTokenClassification":
        labels = below(num_labels, *ids.shape).masked_fill(below(3, *ids.shape) == 0, -100)
        labels[0, 0] = num_labels - 1  # only ignored labels would give NaN on both sides
        return {"labels": labels}
    if name in ("AlbertForMaskedLM", "AlbertForPreTraining"):
        labels = ids.masked_fill(below(3, *ids.shape) != 0, -100)
        labels[0, 0] = ids[0, 0]
        found = {"labels": labels}
        return found | ({"sentence_order_label": below(2, rows)} if name == "AlbertForPreTraining" else {})
    return {}


def difference(ours: Tensor, theirs: Tensor | np.ndarray[Any, Any]) -> float:
    other = torch.as_tensor(theirs)
    assert ours.shape == other.shape, (ours.shape, other.shape)
    return float((ours.detach().double() - other.detach().double()).abs().max())
