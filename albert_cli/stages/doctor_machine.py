"""What is slow or missing on this machine: processor, threads, memory, disk, optional packages, the hub."""

from __future__ import annotations

import os
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import torch

from albert_cli.files.limits import free_bytes
from albert_cli.report import numbers
from albert_cli.report.checklist import Check
from albert_cli.report.environment import describe_environment
from albert_cli.report.process_memory import available_bytes
from albert_cli.stages.bench.limit import product_limit

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "plot": ("matplotlib",),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "serve": ("starlette", "uvicorn", "prometheus_client"),
    "search": ("optuna",),
    "trackers": ("tensorboard",),
}
"""Packages of each extra, by the name they are imported under."""

_PRODUCT = (128, 768, 768)
_LITTLE_MEMORY = 2 * 2**30
_LITTLE_DISK = 2 * 2**30
_BF16_PAYS = 1.2
_HUB_SECONDS = 3.0


def machine_checks() -> Iterator[Check]:
    """Look at everything, one after another; nothing here fails."""
    facts = describe_environment(devices=True)
    yield Check("albert", "ok", f"{facts['albert_cli']}, Python {facts['python']}, torch {torch.__version__}")
    yield _threads(facts["processor"]["model"], facts["processor"]["cores"], torch.get_num_threads())
    yield _products()
    yield _accelerators(facts["devices"])
    yield _memory(facts["memory_bytes"], available_bytes())
    yield _disk(Path.cwd(), Path(tempfile.gettempdir()))
    yield _extras()
    yield hub_check()


def _threads(model: str, cores: int, threads: int) -> Check:
    said = f"{model}, {cores} cores, {threads} threads"
    if threads > cores:
        return Check("processor", "note", f"{said}: more threads than cores are slow; OMP_NUM_THREADS={cores}")
    if threads < cores and "OMP_NUM_THREADS" in os.environ:
        kept = os.environ["OMP_NUM_THREADS"]
        return Check("processor", "note", f"{said}: OMP_NUM_THREADS={kept} keeps it from the rest; --threads {cores}")
    return Check("processor", "ok", said)


def _products() -> Check:
    """Whether bf16 pays is measured: what a processor claims to have and what torch makes of it are two things."""
    found = product_limit([_PRODUCT])
    times = found["bf16"] / found["fp32"]
    said = f"fp32 {found['fp32']:,.0f} GFLOP/s, bf16 {times:.1f} times that"
    if times >= _BF16_PAYS:
        return Check("matrix products", "ok", f"{said}: --precision bf16 pays on this processor")
    return Check("matrix products", "note", f"{said}: stay with fp32 on this processor{_lacking()}")


def _lacking() -> str:
    ask = getattr(torch.cpu, "get_capabilities", None)
    has = dict(ask()) if ask is not None else {}
    if not has or has.get("amx_bf16") or has.get("avx512_bf16") or has.get("bf16"):
        return ""
    return ", it has no bf16 instructions"


def _accelerators(devices: Mapping[str, object]) -> Check:
    found = devices["accelerators"]
    if isinstance(found, list) and found:
        words = []
        for one in found:
            memory = f", {numbers.mebibytes(one['memory_bytes'])}" if "memory_bytes" in one else ""
            bf16 = "" if one.get("bf16", True) else ", no bf16: --precision fp16"
            words.append(f"{one['device']} {one['name']}{memory}{bf16}")
        return Check("accelerator", "ok", "; ".join(words))
    if devices["cuda"] is not None:
        why = "torch is built for CUDA and sees no device; `nvidia-smi` says whether the driver does"
    else:
        why = "this torch is built without CUDA"
    return Check("accelerator", "note", f"none, the processor computes ({why})")


def _memory(total: int | None, available: int | None) -> Check:
    if total is None:
        return Check("memory", "note", "the system does not say")
    said = numbers.mebibytes(total)
    if available is None:
        return Check("memory", "ok", said)
    said = f"{numbers.mebibytes(available)} of {said} available"
    if available < _LITTLE_MEMORY:
        return Check("memory", "note", f"{said}: close to the limit already for base; --dry-run estimates a run")
    return Check("memory", "ok", said)


def _disk(here: Path, temporary: Path) -> Check:
    free, scratch = free_bytes(here), free_bytes(temporary)
    said = f"{numbers.mebibytes(free)} free here, {numbers.mebibytes(scratch)} in the temporary directory"
    if min(free, scratch) < _LITTLE_DISK:
        return Check("disk", "note", f"{said}: --dry-run says what the checkpoints of a run take")
    return Check("disk", "ok", said)


def _extras() -> Check:
    missing = [name for name, packages in EXTRAS.items() if not all(_installed(package) for package in packages)]
    there = ", ".join(name for name in EXTRAS if name not in missing) or "none"
    if missing:
        return Check(
            "extras", "note", f"{there}; missing: {', '.join(missing)} (pip install 'albert-cli[{','.join(missing)}]')"
        )
    return Check("extras", "ok", there)


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def hub_check(seconds: float = _HUB_SECONDS) -> Check:
    """Whether the Hugging Face hub answers, within a few seconds."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return Check("hub", "note", "not asked, HF_HUB_OFFLINE is set: models and data come from this disk")
    heard: list[str | None] = []  # by a thread: looking up a name has no time-out of its own
    asking = threading.Thread(target=lambda: heard.append(_ask(constants.ENDPOINT, seconds)), daemon=True)
    began = time.monotonic()
    asking.start()
    asking.join(seconds)
    problem = heard[0] if heard else f"no answer within {seconds:g} s"
    if problem is None:
        return Check("hub", "ok", f"answers in {time.monotonic() - began:.1f} s")
    return Check("hub", "note", f"out of reach ({problem}): models and data come from this disk")


def _ask(address: str, seconds: float) -> str | None:
    """What is wrong with an address; None if it answers at all."""
    request = urllib.request.Request(address, method="HEAD", headers={"User-Agent": "albert-cli doctor"})
    try:
        with urllib.request.urlopen(request, timeout=seconds):
            return None
    except urllib.error.HTTPError as error:
        return None if error.code < 500 else f"it answers {error.code}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return str(getattr(reason, "strerror", None) or reason or type(error).__name__)
