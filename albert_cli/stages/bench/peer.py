"""The other side of a comparison: ALBERT of ``transformers``, as its example scripts train it, on the same weights.

Imported only where somebody asks for the comparison; nothing else of the package knows ``transformers``.

Shapes: S sequences, L tokens of the longest (or of the maximum), B questions, C choices.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from albert_cli.data.batching import PackedBatch
from albert_cli.errors import UsageError
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig
from albert_cli.models.layout import PackedLayout
from albert_cli.stages.bench.workloads import CHOICES, Workload

_CLASSES = {
    "pretrain": "AlbertForPreTraining",
    "classify": "AlbertForSequenceClassification",
    "choose": "AlbertForMultipleChoice",
}
_IGNORED = -100


def transformers() -> Any:
    """The library.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise UsageError(
            "transformers is not installed, and --vs transformers compares with it", hint="pip install transformers"
        ) from error


def peer_model(work: Workload, ours: AlbertPreTrainedModel, *, attention: str = "sdpa") -> Any:
    """Its model with our weights, in training mode.

    Args:
        work: says which head.
        ours: where config and weights come from.
        attention: its ``attn_implementation``; sdpa is what it takes by itself.
    """
    library = transformers()
    fields = {name: value for name, value in ours.config.to_dict().items() if name != "architectures"}
    config = library.AlbertConfig(**fields)
    config._attn_implementation = attention
    model = getattr(library, _CLASSES[work.kind])(config)
    missing, unexpected = model.load_state_dict(ours.state_dict(), strict=False)
    missing = [name for name in missing if "position_ids" not in name]
    if missing or unexpected:
        raise UsageError(f"transformers {library.__version__} has other weights: {(missing + unexpected)[:3]}")
    return model.train()


def padded(work: Workload, batch: PackedBatch, *, to_maximum: bool = False) -> dict[str, Tensor]:
    """A batch as its collators make it: (S, L), filled up to the longest or to the maximum, with a mask and labels."""
    length = work.longest if to_maximum else max(batch.lengths)
    rows = {"input_ids": batch.input_ids, "token_type_ids": batch.token_type_ids}
    rows["attention_mask"] = torch.ones_like(batch.input_ids)
    if work.kind == "pretrain":
        labels = torch.full_like(batch.input_ids, _IGNORED)
        labels[batch.targets["masked_positions"]] = batch.targets["masked_labels"]
        rows["labels"] = labels
    layout = PackedLayout.from_lengths(batch.lengths)
    filled = {}
    for name, values in rows.items():
        table = layout.pad(values, fill=_IGNORED if name == "labels" else 0)  # (S, longest)
        filled[name] = torch.nn.functional.pad(table, (0, length - table.shape[1]), value=0)
    if work.kind == "pretrain":
        return {**filled, "sentence_order_label": batch.targets["sentence_order_label"]}
    if work.kind == "choose":
        filled = {name: values.view(-1, CHOICES, length) for name, values in filled.items()}  # (B, C, L)
    return {**filled, "labels": batch.targets["labels"]}


def peer_step(
    model: Any,
    inputs: dict[str, Tensor],
    *,
    learning_rate: float,
    autocast: Callable[[], AbstractContextManager[Any]],
) -> Callable[[], Tensor]:
    """One update as its trainer makes it: loss, gradient, clip, AdamW in torch's fused form. Gives the loss."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.01, fused=True)

    def step() -> Tensor:
        with autocast():
            loss: Tensor = model(**inputs).loss
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    return step


def bench_config(size: str, layers: int | None) -> AlbertConfig:
    """A released size without dropout, with another number of layers where given."""
    config = AlbertConfig.named(
        size, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, classifier_dropout_prob=0.0
    )
    return config if layers is None else config.changed(num_hidden_layers=layers)
