"""What machine, software and command was this? For issues, run directories and model cards.

No user name, home directory, host name or token is kept: what is collected here gets pasted into public places.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from albert_cli.report import numbers
from albert_cli.report.tables import Table

PACKAGES = (
    "torch",
    "accelerate",
    "datasets",
    "evaluate",
    "numpy",
    "sentencepiece",
    "sentencex",
    "tokenizers",
    "safetensors",
    "huggingface-hub",
    "pydantic",
    "typer",
    "rich",
    "transformers",
    "matplotlib",
    "onnxruntime",
)
_SWITCHES = (
    "HF_HUB_OFFLINE",
    "HF_DATASETS_OFFLINE",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "WORLD_SIZE",
    "NO_COLOR",
)
_SECRET = re.compile(r"(?i)((?<![a-z])token(?![a-z])|secret|password|api[_-]?key|credential)")
_PATH = re.compile(r"(?<![\w./:~>-])/[^\s'\"<>,;:()\[\]{}]+")
_PATH_VALUE = re.compile(r"""^(\s*(?:- )*(?:[\w.-]+: +)?["']?)(/[^"']*[^"'\s])(?=["']?\s*$)""")
_TOKEN = re.compile(r"\b(hf_[A-Za-z0-9]{8,}|sk-[A-Za-z0-9-]{8,}|gh[pousr]_[A-Za-z0-9]{8,})")


def describe_environment(*, devices: bool = False, command: Sequence[str] | None = None) -> dict[str, Any]:
    """Collect the facts.

    Args:
        devices: ask torch about accelerators and threads; this imports torch, which takes seconds.
        command: the command line to keep, secrets and private paths taken out; None keeps none.

    Returns:
        A mapping that JSON can hold: ``albert_cli``, ``python``, ``platform``, ``processor``, ``memory_bytes``,
        ``packages``, ``git``, ``switches``, and where asked ``devices`` and ``command``.
    """
    facts: dict[str, Any] = {
        "albert_cli": _version("albert-cli"),
        "python": platform.python_version(),
        "platform": platform.platform(terse=False),
        "processor": {"model": _processor_model(), "cores": _usable_cores(), "architecture": platform.machine()},
        "memory_bytes": _memory_bytes(),
        "packages": {name: _version(name) for name in PACKAGES},
        "git": _git_state(Path.cwd()),
        "switches": {name: os.environ[name] for name in _SWITCHES if name in os.environ},
    }
    if devices:
        facts["devices"] = _devices()
    if command is not None:
        facts["command"] = redact(command)
    return facts


def environment_table(facts: dict[str, Any]) -> Table:
    """Lay the facts out for people."""
    processor = facts["processor"]
    rows = [
        ("albert-cli", facts["albert_cli"] or "not installed"),
        ("python", facts["python"]),
        ("platform", facts["platform"]),
        ("processor", f"{processor['model']}, {processor['cores']} cores, {processor['architecture']}"),
        ("memory", numbers.mebibytes(facts["memory_bytes"]) if facts["memory_bytes"] else "unknown"),
    ]
    rows += [(name, version or "not installed") for name, version in facts["packages"].items()]
    rows += [(name, value) for name, value in facts["switches"].items()]
    if facts["git"]:
        rows.append(("git", facts["git"]["commit"] + (" with changes" if facts["git"]["is_dirty"] else "")))
    for name, value in facts.get("devices", {}).items():
        if isinstance(value, dict):
            text = ", ".join(f"{part} {number}" for part, number in value.items())
        else:
            text = ", ".join(map(_device_text, value)) or "none" if isinstance(value, list) else str(value)
        rows.append((name, text))
    return Table(("what", "value"), rows)


def redact(command: Iterable[str]) -> list[str]:
    """Take secrets and private places out of a command line.

    The value of an option or key that is called token, password or the like becomes ``***``, as does anything that
    looks like an access token. Absolute paths become relative to the working directory or keep their last part only.
    """
    clean: list[str] = []
    hide_next = False
    for argument in command:
        secret = _SECRET.search(argument)
        equals = argument.find("=", secret.end()) if secret else -1
        if hide_next:
            clean.append("***")
        elif equals >= 0:
            clean.append(f"{argument[:equals]}=***")
        else:
            clean.append(_TOKEN.sub("***", _shorten_paths(argument)))
        hide_next = secret is not None and equals < 0 and argument.startswith("-")
    return clean


def public_text(text: str) -> str:
    """Take access tokens and private places out of a text such as a recipe: what `redact` does for a command line.

    A line's value that is an absolute path goes as a whole, whatever characters it holds; in other text a path ends at
    a blank, quote or bracket.
    """
    lines = (_PATH_VALUE.sub(lambda found: found[1] + _shorten_paths(found[2]), line) for line in text.split("\n"))
    return _TOKEN.sub("***", _PATH.sub(lambda found: _shorten_paths(found[0]), "\n".join(lines)))


def _shorten_paths(argument: str) -> str:
    prefix, equals, value = argument.rpartition("=")
    if not os.path.isabs(value):
        return argument
    path = Path(value)
    inside = path.is_relative_to(Path.cwd()) and Path.cwd() != Path(path.anchor)
    return prefix + equals + (str(path.relative_to(Path.cwd())) if inside else f".../{path.name}")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _usable_cores() -> int:
    """Cores that this process may run on, which a container or a job scheduler may have limited."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no such call
        return os.cpu_count() or 1


def _memory_bytes() -> int | None:
    """Memory of the machine, or the limit of its container where that is lower."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):
        return physical
    return min(physical, limit)


def _git_state(directory: Path) -> dict[str, Any] | None:
    """Commit of the repository that the command was run in, and whether its tracked files were changed."""
    commit = _git(directory, "rev-parse", "HEAD")
    if not commit:
        return None
    changes = _git(directory, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "is_dirty": bool(changes)}


def _git(directory: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(directory), *arguments], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _devices() -> dict[str, Any]:
    import torch

    from albert_cli.models.linear import choose_backend

    product = choose_backend()
    accelerators = []
    for number in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(number)
        accelerators.append(
            {
                "device": f"cuda:{number}",
                "name": facts.name,
                "memory_bytes": facts.total_memory,
                "capability": f"{facts.major}.{facts.minor}",
                "bf16": facts.major >= 8,
            }
        )
    if torch.backends.mps.is_available():
        accelerators.append({"device": "mps", "name": "Apple GPU"})
    return {
        "accelerators": accelerators,
        "cuda": torch.version.cuda,
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "linear": product.backend,
        "linear_reason": product.reason,
    }


def _device_text(device: dict[str, Any]) -> str:
    memory = f", {numbers.mebibytes(device['memory_bytes'])}" if "memory_bytes" in device else ""
    return f"{device['device']} {device['name']}{memory}"
