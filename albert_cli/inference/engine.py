"""What computes the answers: torch with products prepared for this machine, or onnxruntime?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from albert_cli.errors import ModelError, UsageError
from albert_cli.files.hub import resolve_model
from albert_cli.inference.device import BATCH_TOKENS, Compute, Warn, choose_compute
from albert_cli.inference.prepared import choose_products, describe, prepare
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.recipe.requests import Engine

if TYPE_CHECKING:
    from albert_cli.inference.loading import Loaded

FILE = "model.onnx"
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "*.index.json")

Say = Callable[[str], object]
_PRECISION = {None: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}


def load_engine(
    task: str,
    model: str,
    *,
    tokenizer: str | None,
    device: str,
    precision: str,
    engine: Engine,
    warn: Warn,
    say: Say,
    batch_tokens: int | None = None,
) -> tuple[Loaded, Compute]:
    """Load a model with what computes its answers.

    Args:
        task: task of `albert run`.
        model: directory, run directory or hub id; one with ``model.onnx`` alone runs with onnxruntime.
        tokenizer: another tokenizer than the model's.
        device: auto, cpu, cuda, cuda:N or mps.
        precision: fp32, bf16 or fp16.
        engine: what was asked for.
        warn: takes a warning of one line.
        say: takes what computes, in one line.
        batch_tokens: most tokens computed together; None takes the usual number.

    Raises:
        UsageError: things that do not go together.
        ModelError: no such model, or one that is not trained for the task.
    """
    from albert_cli.inference.loading import load_for_task, load_onnx

    folder = resolve_model(model)
    if runs_onnx(folder, engine, device=device, precision=precision):
        compute = Compute(torch.device("cpu"), batch_tokens=batch_tokens or BATCH_TOKENS)
        loaded = load_onnx(task, folder, tokenizer=tokenizer)
        say(f"products: onnxruntime, {FILE}")
        return loaded, compute
    asked = choose_compute(device, precision, warn)
    compute = replace(asked, autocast=None, batch_tokens=batch_tokens or asked.batch_tokens)
    check_products(compute.device, _PRECISION[asked.autocast], engine)
    loaded = load_for_task(task, folder, device=compute.device, tokenizer=tokenizer)
    say(equip(loaded.model, compute.device, _PRECISION[asked.autocast], engine))
    return loaded, compute


def check_products(device: torch.device, precision: str, engine: Engine) -> None:
    """Refuse before anything is loaded what `equip` would refuse.

    Raises:
        UsageError: things that do not go together.
    """
    choose_products(device, precision, int8=engine.int8, compiles=engine.compile)


def equip(model: AlbertPreTrainedModel, device: torch.device, precision: str, engine: Engine) -> str:
    """Put the fastest products that fit what was asked into a model, and say which.

    Args:
        model: any of ours, on its device.
        device: where it is.
        precision: fp32, bf16 or fp16.
        engine: what was asked for.
    """
    products = choose_products(device, precision, int8=engine.int8, compiles=engine.compile)
    prepare(model, products)
    return describe(products, device)


def is_onnx(directory: Path) -> bool:
    """Whether a directory holds an ONNX model and no other weights."""
    return (directory / FILE).is_file() and not any(any(directory.glob(pattern)) for pattern in _WEIGHTS)


def runs_onnx(folder: Path, engine: Engine, *, device: str, precision: str) -> bool:
    """Whether onnxruntime answers for a directory.

    Raises:
        UsageError: it would, and something else was asked for that it cannot do.
        ModelError: it was asked for, and there is no such file.
    """
    if engine.onnx and not (folder / FILE).is_file():
        raise ModelError(f"no {FILE} in {folder}", hint=f"make one: albert convert {folder} NEW_DIRECTORY --to onnx")
    if not engine.onnx and not is_onnx(folder):
        return False
    options = {
        "--int8": engine.int8,
        "--compile": engine.compile,
        f"--precision {precision}": precision != "fp32",
        f"--device {device}": device not in ("auto", "cpu"),
    }
    for option, is_given in options.items():
        if is_given:
            raise UsageError(
                f"{FILE} runs with onnxruntime as it is; {option} means nothing to it",
                hint="`albert convert MODEL DIR --to onnx --int8` writes 8 bits"
                if engine.int8
                else f"leave {option} out",
            )
    return True
