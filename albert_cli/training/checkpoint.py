"""What does a run need to go on as if nothing had happened? Weights, optimiser state, and a few numbers.

The promise: a checkpoint exists whole and verified or not at all; going on takes the newest that verifies and says
which it left out; old ones go only after a new one is safe on the disk, and never the best or the last. There are no
random states in it, since order and dropout are functions of seed and step.
"""

from __future__ import annotations

import errno
import json
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from albert_cli.errors import AlbertError, CheckpointError
from albert_cli.files.atomic import new_directory, point_link, remove_directory, write_file
from albert_cli.files.checksum import MANIFEST, file_sha256, verify_manifest, write_manifest
from albert_cli.files.limits import free_bytes, require_free_space

WEIGHTS = "model.safetensors"
OPTIMIZER = "optimizer.pt"
STATE = "state.json"
FORMAT = 2  # of the three files; 1 had no number. What is added to `TrainState.extra` needs no new one.
_NAME = re.compile(r"step-(\d{8,})")

T = TypeVar("T")


@dataclass(frozen=True)
class TrainState:
    """The position of a run and what it may be resumed with.

    Attributes:
        step: updates made.
        seed: of order and dropout.
        best_score: of the best evaluation so far, or None.
        best_step: its step, or None.
        data_fingerprint: of the training data.
        versions: of the software that wrote it, by name.
        extra: more that the caller keeps; JSON values.
    """

    step: int
    seed: int
    best_score: float | None = None
    best_step: int | None = None
    data_fingerprint: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """The newest sound checkpoint, and the newer ones that were left out.

    Attributes:
        path: of the checkpoint, or None if there is no sound one.
        skipped: path and what is wrong with it, newest first.
    """

    path: Path | None
    skipped: list[tuple[Path, str]] = field(default_factory=list)


def checkpoint_name(step: int) -> str:
    """Directory name of a checkpoint: ``step-00000500``."""
    return f"step-{step:08d}"


def save_checkpoint(
    folder: Path,
    *,
    model: nn.Module,
    optimizer: Optimizer,
    state: TrainState,
    scaler: torch.amp.GradScaler | None = None,
    keep: int = 2,
    best: bool = False,
    more: Callable[[Path], None] | None = None,
) -> Path:
    """Save a checkpoint, point ``last`` (and ``best``) at it, and remove old ones.

    Args:
        folder: of all checkpoints of the run.
        model: bare, not wrapped for several processes.
        optimizer: its state is saved.
        state: position and fingerprints.
        scaler: loss scaling of fp16, or None.
        keep: newest checkpoints to keep, 1 or more; the best is kept besides.
        best: whether this is the best so far.
        more: writes more files into the directory it is given, such as the model's configuration.

    Returns:
        The checkpoint's directory.

    Raises:
        CheckpointError: it could not be written; all earlier ones are as they were.
    """
    if keep < 1:
        raise ValueError(f"keep must be 1 or more, not {keep}")
    weights = _weights(model)
    training = {"optimizer": optimizer.state_dict(), "scaler": None if scaler is None else scaler.state_dict()}
    require_free_space(folder, _bytes_of([weights, training]) * 11 // 10 + 2**20, what="a checkpoint")
    path = folder / checkpoint_name(state.step)
    with _explained(path), new_directory(path) as partial:
        save_file(weights, partial / WEIGHTS, metadata={"format": "pt"})
        torch.save(training, partial / OPTIMIZER)
        write_file(partial / STATE, json.dumps({"format": FORMAT, **asdict(state)}, indent=1) + "\n")
        if more is not None:
            more(partial)
        write_manifest(partial)
    with _explained(path):
        point_link(folder / "last", path.name)
        if best:
            point_link(folder / "best", path.name)
        _remove_old(folder, keep)
    return path


def find_checkpoint(folder: Path) -> Found:
    """Look for the newest checkpoint that verifies.

    Args:
        folder: of all checkpoints of the run; need not exist.
    """
    skipped: list[tuple[Path, str]] = []
    for path in reversed(list_checkpoints(folder)):
        problem = verify_manifest(path)
        if problem is None:
            return Found(path, skipped)
        skipped.append((path, problem))
    return Found(None, skipped)


def step_of(path: Path) -> int:
    """Updates made before a checkpoint, from its directory's name."""
    return int(path.name.rpartition("-")[2])


def forget_later(folder: Path, path: Path) -> None:
    """Go back to a checkpoint for good: remove those made after it, and point ``last`` at it.

    ``best`` follows if it was among the removed.

    Args:
        folder: of all checkpoints of the run.
        path: the one to go back to.
    """
    best = folder / "best"
    if best.is_symlink() and (not best.exists() or step_of(best.resolve()) > step_of(path)):
        point_link(best, path.name)
    point_link(folder / "last", path.name)
    for later in list_checkpoints(folder):
        if step_of(later) > step_of(path):
            remove_directory(later)


def mend_links(folder: Path, path: Path, *, best_step: int | None) -> str | None:
    """After a checkpoint was chosen to go on from: let ``last`` and ``best`` point at sound ones.

    Damaged ones made after it are removed; the run makes them again.

    Args:
        folder: of all checkpoints of the run.
        path: the newest sound one.
        best_step: step of the best one so far, as ``path`` has it; None if there is none.

    Returns:
        What is wrong with the best one, which ``best`` then no longer names; None if it is sound, or there is none.
    """
    for later in list_checkpoints(folder):
        if step_of(later) > step_of(path):
            remove_directory(later)
    point_link(folder / "last", path.name)
    if best_step is None:
        (folder / "best").unlink(missing_ok=True)
        return None
    best = folder / checkpoint_name(best_step)
    problem = verify_manifest(best) if best.is_dir() else "it is not there"
    point_link(folder / "best", path.name if problem else best.name)
    return problem


def list_checkpoints(folder: Path) -> list[Path]:
    """Directories of checkpoints, oldest first, sound or not."""
    if not folder.is_dir():
        return []
    numbered = [(int(match[1]), path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(numbered) if path.is_dir()]


def load_checkpoint(
    path: Path,
    *,
    model: nn.Module | None = None,
    optimizer: Optimizer | None = None,
    scaler: torch.amp.GradScaler | None = None,
) -> TrainState:
    """Read a checkpoint into what is given.

    Args:
        path: directory of the checkpoint (``best`` and ``last`` are fine).
        model: takes the weights.
        optimizer: takes its state; the groups must be those it was saved with.
        scaler: takes the loss scaling, if it was saved.

    Returns:
        Position and fingerprints. With nothing given, reading them is all that happens.

    Raises:
        CheckpointError: it is missing, damaged, or of another model.
    """
    problem = verify_manifest(path) if path.is_dir() else "there is no such directory"
    if problem is not None:
        raise CheckpointError(f"checkpoint {path}: {problem}", hint="use an earlier one, or start anew")
    try:
        state = _read_state(path)
        if model is not None:
            _load_weights(model, load_file(path / WEIGHTS))
        if optimizer is not None or scaler is not None:
            training = _load_training(path)
            if optimizer is not None:
                optimizer.load_state_dict(training["optimizer"])
            if scaler is not None and training["scaler"] is not None:
                scaler.load_state_dict(training["scaler"])
    except (KeyError, ValueError, TypeError, RuntimeError, SafetensorError, OSError) as error:
        raise CheckpointError(
            f"checkpoint {path} does not fit: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            hint="resume with the recipe that made it",
        ) from error
    return state


def _read_state(path: Path) -> TrainState:
    """The position in a checkpoint of this format or an older one.

    Raises:
        CheckpointError: it is of a newer one.
    """
    saved = json.loads((path / STATE).read_text(encoding="utf-8"))
    if saved.get("format", 1) > FORMAT:
        raise CheckpointError(
            f"checkpoint {path} is of format {saved['format']}, and this albert knows those up to {FORMAT}",
            hint="update albert to the version that wrote it (environment.json names it)",
        )
    return TrainState(**{item.name: saved[item.name] for item in fields(TrainState) if item.name in saved})


def load_on_all(
    accelerator: Accelerator, path: Path, *, model: nn.Module, optimizer: Optimizer | None = None
) -> TrainState:
    """`load_checkpoint` on all processes, also where only the main one's machine has the files.

    Args:
        accelerator: who the processes are; also its loss scaling is read, if there is an optimiser.
        path: directory of the checkpoint, as the main process sees it.
        model: takes the weights.
        optimizer: takes its state.

    Raises:
        CheckpointError: it is missing, damaged, or of another model; on every process.
    """
    scaler = accelerator.scaler if optimizer is not None else None
    if accelerator.num_processes == 1 or len(set(gather_object([_files_seen(path)]))) == 1:
        return load_checkpoint(path, model=model, optimizer=optimizer, scaler=scaler)

    def read() -> tuple[TrainState, dict[str, Tensor], Any, Any]:
        state = load_checkpoint(path, model=model, optimizer=optimizer, scaler=scaler)
        steps = None if optimizer is None else optimizer.state_dict()
        return state, _weights(model), steps, None if scaler is None else scaler.state_dict()

    state, weights, steps, scale = on_main_process(accelerator, read)
    if not accelerator.is_main_process:
        _load_weights(model, weights)
        if optimizer is not None:
            optimizer.load_state_dict(steps)
        if scaler is not None and scale is not None:
            scaler.load_state_dict(scale)
    return state


def _files_seen(path: Path) -> str:
    """Sizes and sums of a checkpoint's files as this machine has them, in one word; empty where it has none."""
    manifest = path / MANIFEST
    return file_sha256(manifest) if manifest.is_file() else ""


def on_main_process(accelerator: Accelerator, action: Callable[[], T]) -> T:
    """Do something on the main process while the others wait; its failure reaches all of them.

    Args:
        accelerator: who the processes are.
        action: called on the main process only; its result must pickle.

    Returns:
        The action's result, on every process.

    Raises:
        Exception: what the action raised, on every process.
    """
    if accelerator.num_processes == 1:
        return action()
    outcome: list[Any] = [None, None]
    failure: Exception | None = None
    if accelerator.is_main_process:
        try:
            outcome[0] = action()
        except Exception as error:
            failure = error
            outcome[1] = error if isinstance(error, AlbertError) else RuntimeError(f"the main process failed: {error}")
    broadcast_object_list(outcome)
    if failure is not None or outcome[1] is not None:
        raise failure or outcome[1]
    result: T = outcome[0]
    return result


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """The state dict with each tied tensor once, under its first name."""
    seen: set[int] = set()
    weights = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            weights[name] = tensor.detach().contiguous()
    return weights


def _load_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    expected = _weights(model)
    missing, unexpected = sorted(expected.keys() - weights.keys()), sorted(weights.keys() - expected.keys())
    if missing or unexpected:
        raise KeyError(f"missing weights {missing[:3]}, unexpected weights {unexpected[:3]}")
    with torch.no_grad():
        for name, tensor in expected.items():
            if tensor.shape != weights[name].shape:
                raise ValueError(f"{name} is {tuple(weights[name].shape)}, the model has {tuple(tensor.shape)}")
    model.load_state_dict(weights, strict=False)


def _load_training(path: Path) -> dict[str, Any]:
    try:
        training: dict[str, Any] = torch.load(path / OPTIMIZER, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError) as error:
        raise ValueError(f"{OPTIMIZER} holds something else than tensors and numbers") from error
    return training


def _bytes_of(part: Any) -> int:
    """Bytes of all tensors in nested dicts and lists."""
    if isinstance(part, Tensor):
        return part.numel() * part.element_size()
    values = part.values() if isinstance(part, dict) else part if isinstance(part, list | tuple) else ()
    return sum(_bytes_of(value) for value in values)


def _remove_old(folder: Path, keep: int) -> None:
    protected = {(folder / link).resolve() for link in ("best", "last")}
    for path in list_checkpoints(folder)[:-keep]:
        if path.resolve() not in protected:
            remove_directory(path)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say in our words why a checkpoint could not be written."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        # torch and safetensors report a full disk as errors of their own, without the system's number
        full = getattr(error, "errno", None) == errno.ENOSPC or "os error 28" in str(error)
        full = full or ("unexpected pos" in str(error) and free_bytes(path.parent) < 2**24)
        reason = "no space left on the disk" if full else str(error).splitlines()[0]
        raise CheckpointError(
            f"could not write {path}: {reason}",
            hint="free some space"
            if full
            else "look at the directory's permissions; earlier checkpoints are untouched",
        ) from error
