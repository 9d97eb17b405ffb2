"""How does a training run use its machine, and does it go on in the same way when it is resumed?

Which product of matrices is taken and how many threads share a sum decide the last bits of the numbers. What the recipe
leaves open is settled when a run starts, travels in its checkpoints, and holds again when it is continued.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from albert_cli.errors import ModelError
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.linear import Linear, choose_backend, set_backend
from albert_cli.recipe.sections import Runtime
from albert_cli.report.console import Talk
from albert_cli.training.device import set_threads


def settle(model: AlbertPreTrainedModel, runtime: Runtime) -> None:
    """Fix the product of matrices, and compile the layers if asked to.

    Raises:
        ModelError: the product that was asked for is not there.
    """
    set_backend(model, choose_backend(runtime.linear).backend)
    if runtime.compile:
        model.compile_layers()


def settled(model: AlbertPreTrainedModel) -> dict[str, Any]:
    """What a checkpoint keeps: ``linear`` and ``threads``."""
    backends = sorted({part.backend for part in model.modules() if isinstance(part, Linear)})
    return {"linear": backends[0] if backends else "default", "threads": torch.get_num_threads()}


def take_up(model: AlbertPreTrainedModel, runtime: Runtime, before: Mapping[str, Any], talk: Talk) -> None:
    """Go on as a checkpoint says, where the recipe leaves it open.

    Args:
        model: of the run, settled as for a new one.
        runtime: what the recipe fixes.
        before: what the checkpoint kept; nothing changes where it says nothing.
        talk: hears what is not as it was on this machine.
    """
    product = before.get("linear")
    if runtime.linear == "auto" and product is not None and product != settled(model)["linear"]:
        try:
            set_backend(model, product)
            talk.say(f"runtime.linear: {product}, as the run was started with")
        except ModelError:
            talk.warn(
                f"the run was started with runtime.linear={product}, which is not here: the last digits may differ"
            )
    threads = before.get("threads")
    if runtime.threads is None and threads is not None and threads != torch.get_num_threads():
        talk.say(f"runtime.threads: {threads}, as the run was started with")
        set_threads(threads)
