"""How much of what this machine can multiply does a training run use?

The limit is measured once, on a product of matrices as wide as the model's layers, but wide enough for the machine to
show what it can: a narrow model stays far below it. Counted are the products of the
layers alone, forward and backward: a run that also looks far (attention) and predicts words does more than is counted.

Shapes: N layers in depth, H hidden, I intermediate, E embedding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from albert_cli.models.config import AlbertConfig
from albert_cli.stages.bench.limit import product_limit

_NARROWEST = 768  # narrower products measure how threads are started
_WIDEST = 1024  # of the product on a processor, where larger ones take seconds and are no faster
_ROWS = {"cpu": 256, "cuda": 8192}


def layer_operations(config: AlbertConfig) -> float:
    """Operations that the products of the layers take for a token, forward and backward."""
    hidden, inner = config.hidden_size, config.intermediate_size
    depth = config.num_hidden_layers * config.inner_group_num
    return 3 * 2.0 * (depth * (4 * hidden * hidden + 2 * hidden * inner) + config.embedding_size * hidden)


def limit_share(config: AlbertConfig, accelerator: Any, precision: str) -> Callable[[float], float] | None:
    """Measure the limit of this process's device.

    Args:
        config: of the model.
        accelerator: device and number of processes; each is taken to have as much.
        precision: of the run.

    Returns:
        From tokens a second, of all processes, to the share of the limit; None for a device that is not measured.
    """
    kind = accelerator.device.type
    if kind not in _ROWS:
        return None
    width = min(max(config.hidden_size, _NARROWEST), _WIDEST) if kind == "cpu" else 4096
    with torch.random.fork_rng(devices=[accelerator.device] if kind == "cuda" else []):
        found = product_limit([(_ROWS[kind], width, width)], device=accelerator.device)
    limit = 1e9 * found["fp32" if precision == "fp32" else "bf16"] * accelerator.num_processes
    operations = layer_operations(config)
    return lambda tokens_per_second: tokens_per_second * operations / limit
