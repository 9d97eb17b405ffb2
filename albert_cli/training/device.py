"""Where does it run, how precisely, on how many threads? What was asked for, checked against what is there."""

from __future__ import annotations

import gc
import re
from dataclasses import dataclass
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs

from albert_cli.errors import UsageError
from albert_cli.training.launch import local_world_size, usable_cores, world_size

PRECISIONS = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}
ATTENTION_KINDS = ("auto", "plain", "sdpa", "varlen")
_PATIENCE = 30.0


@dataclass(frozen=True)
class Placement:
    """Where a run computes.

    Attributes:
        accelerator: device, autocast, loss scaling and the other processes.
        warning: what was asked for and is not there, for the user to read; None if all is as asked.
    """

    accelerator: Accelerator
    warning: str | None = None


def choose_device(asked: str = "auto", *, for_inference: bool = False) -> tuple[torch.device, str | None]:
    """Read ``--device``.

    Args:
        asked: ``auto`` (a CUDA device if there is one, else cpu), ``cpu`` or ``-1``, ``cuda``, ``cuda:N`` or ``N``,
            ``mps``.
        for_inference: take the cpu where the device is not there, with a warning.

    Returns:
        The device, and the warning or None.

    Raises:
        UsageError: no such name; or, for training, a device that is not there.
    """
    match = re.fullmatch(r"(?:cuda:)?(\d+)", asked)
    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu"), None
    if asked in ("cpu", "-1"):
        return torch.device("cpu"), None
    if match is None and asked not in ("cuda", "mps"):
        raise UsageError(f"unknown device {asked!r}", hint="use auto, cpu, cuda, cuda:N, N, -1 (cpu) or mps")
    index = int(match[1]) if match else None
    if asked == "mps":
        there = torch.backends.mps.is_available()
    else:
        there = torch.cuda.is_available() and (index or 0) < torch.cuda.device_count()
    if there:
        return torch.device(asked if index is None else f"cuda:{index}"), None
    if not for_inference:
        raise UsageError(f"device {asked!r} is not there", hint=f"use --device cpu; {_devices_here()}")
    return torch.device("cpu"), f"device {asked!r} is not there, using the cpu"


def make_accelerator(
    device: str = "auto", precision: str = "fp32", *, for_inference: bool = False, patience: float = _PATIENCE
) -> Placement:
    """Set up device, precision and, where this process is one of several, the link to the others.

    May be called again in the same process; the newest settings hold.

    Args:
        device: as for `choose_device`.
        precision: ``fp32``, ``bf16`` or ``fp16``; parameters and optimiser stay float32 in any case.
        for_inference: what is not there becomes a warning, and cpu or fp32.
        patience: minutes that a process waits for another.

    Raises:
        UsageError: a device or precision that is not there, or one GPU named for several processes.
    """
    place, warning = choose_device(device, for_inference=for_inference)
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision {precision!r}", hint="use fp32, bf16 or fp16")
    problem = _precision_problem(place, precision)
    if problem is not None and not for_inference:
        raise UsageError(problem, hint="use --precision bf16 or fp32")
    if problem is not None:
        precision, warning = "fp32", "; ".join(filter(None, [warning, f"{problem}, computing in fp32"]))
    if place.type == "cuda":
        _check_gpus(place)
        if place.index is not None:
            torch.cuda.set_device(place)
    warning = "; ".join(filter(None, [warning, _slowness(place, precision)])) or None
    AcceleratorState._reset_state(reset_partial_state=True)
    link = InitProcessGroupKwargs(timeout=timedelta(minutes=patience))
    accelerator = Accelerator(cpu=place.type == "cpu", mixed_precision=PRECISIONS[precision], kwargs_handlers=[link])
    return Placement(accelerator, warning)


def leave_processes() -> None:
    """Take leave of the other processes, if there are any, before this one ends."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        # A wrapped model that an old frame still holds would keep threads alive beyond the end and abort the process.
        gc.collect()
        torch.distributed.destroy_process_group()


def set_threads(threads: int | None = None) -> int:
    """Choose the threads of this process.

    Args:
        threads: so many. None: with several processes on this machine the cores are shared out evenly (launchers leave
            each of them one thread); a process alone keeps torch's choice, which follows OMP_NUM_THREADS.

    Returns:
        Threads in use.
    """
    if threads is None and local_world_size() > 1:
        threads = max(1, usable_cores() // local_world_size())
    if threads is not None:
        torch.set_num_threads(threads)
    return torch.get_num_threads()


def resolve_attention(kind: str, *, device: torch.device, precision: str) -> str:
    """Check the way attention is computed against device and precision.

    Args:
        kind: ``auto``, ``plain``, ``sdpa`` or ``varlen``.
        device: where the model is.
        precision: ``fp32``, ``bf16`` or ``fp16``.

    Returns:
        What to hand to ``model.set_attention``; ``auto`` stays, as the model chooses batch by batch.

    Raises:
        UsageError: no such kind, or ``varlen`` where it cannot run.
    """
    if kind not in ATTENTION_KINDS:
        raise UsageError(f"unknown attention {kind!r}", hint=f"use one of {', '.join(ATTENTION_KINDS)}")
    if kind == "varlen" and (device.type != "cuda" or precision == "fp32"):
        raise UsageError(
            f"attention 'varlen' needs a CUDA device and bf16 or fp16, not {device.type} and {precision}",
            hint="use runtime.attention=auto",
        )
    return kind


def _precision_problem(device: torch.device, precision: str) -> str | None:
    if precision == "fp16" and device.type != "cuda":
        return f"fp16 needs a CUDA device, this is {device.type}"
    if precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        return f"this GPU ({torch.cuda.get_device_name(device)}) has no bf16"
    return None


def _slowness(device: torch.device, precision: str) -> str | None:
    if device.type != "cpu" or precision != "bf16" or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return None
    return "this processor has no bf16 arithmetic, so bf16 takes several times as long as fp32"


def _check_gpus(device: torch.device) -> None:
    processes, gpus = local_world_size(), torch.cuda.device_count()
    if processes > gpus:
        raise UsageError(
            f"{processes} processes on this machine, but {gpus} GPUs", hint=f"use --nproc {gpus} or --device cpu"
        )
    if device.index is not None and world_size() > 1:
        raise UsageError(
            f"device cuda:{device.index} names one GPU for {world_size()} processes",
            hint="use --device cuda; CUDA_VISIBLE_DEVICES chooses among them",
        )


def _devices_here() -> str:
    names = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    names += ["mps"] if torch.backends.mps.is_available() else []
    return f"here are: cpu{''.join(', ' + name for name in names)}"
