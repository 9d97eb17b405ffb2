"""Where and in which numbers is an answer computed, given what was asked for and what this machine has?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from albert_cli.errors import ModelError, UsageError

Warn = Callable[[str], None]

# More gains no speed on a processor and lets answers wait (docs/performance.md).
BATCH_TOKENS = 1024
_GPU_BATCH_TOKENS = 16_384


@dataclass(frozen=True)
class Compute:
    """A device, the number format of its matrix products, and how much is computed at once.

    Attributes:
        device: where.
        autocast: bfloat16 or float16 for the matrix products; None computes everything in the type of the weights.
        batch_tokens: most tokens that are computed together; a longer text is computed alone.
    """

    device: torch.device
    autocast: torch.dtype | None = None
    batch_tokens: int = BATCH_TOKENS

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Compute without gradients, in the chosen format."""
        enabled = self.autocast is not None
        try:
            with torch.inference_mode(), torch.autocast(self.device.type, dtype=self.autocast, enabled=enabled):
                yield
        except torch.OutOfMemoryError as error:
            raise ModelError(f"out of memory on {self.device}", hint="use --device cpu, or shorter lines") from error


def choose_compute(device: str, precision: str, warn: Warn) -> Compute:
    """Settle device and number format; what is not there is replaced by what is, with a warning.

    Args:
        device: auto, cpu, cuda, cuda:N or mps.
        precision: fp32, bf16 or fp16.
        warn: takes a warning of one line.
    """
    chosen = choose_device(device, warn)
    if precision == "fp16" and chosen.type == "cpu":
        warn("fp16 needs a GPU; computing in fp32")
        return Compute(chosen)
    batch_tokens = BATCH_TOKENS if chosen.type == "cpu" else _GPU_BATCH_TOKENS
    return Compute(chosen, {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision], batch_tokens)


def choose_device(name: str, warn: Warn) -> torch.device:
    """Return the device of that name, or the processor with a warning when this machine lacks it.

    Args:
        name: auto (the GPU if there is one), cpu, cuda, cuda:N, mps.
        warn: takes a warning of one line.

    Raises:
        UsageError: no device has such a name.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda", "mps"):
        raise UsageError(f"no device is called {name!r}", hint="auto, cpu, cuda, cuda:N or mps")
    if is_there(device):
        return device
    warn(f"no device {name} on this machine; computing on the cpu")
    return torch.device("cpu")


def is_there(device: torch.device) -> bool:
    """Whether this machine has the device."""
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    return device.type != "mps" or torch.backends.mps.is_available()
