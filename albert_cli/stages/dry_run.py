"""`--dry-run`: what can be known before a run, and one batch tried, so that the run itself holds no surprise."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from albert_cli.data.batching import PackedBatch
from albert_cli.errors import AlbertError
from albert_cli.files.hub import resolve_model
from albert_cli.files.limits import free_bytes
from albert_cli.files.text import safe_line
from albert_cli.models.config import AlbertConfig
from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.schema import FinetuneRecipe, PretrainRecipe
from albert_cli.report import numbers
from albert_cli.report.console import Talk
from albert_cli.report.process_memory import available_bytes, resident_bytes
from albert_cli.stages.assemble import Assembled
from albert_cli.stages.optimisation import TrainPlan
from albert_cli.stages.rehearsal import Rehearsal, Rehearsed, look, rehearse
from albert_cli.stages.tokenizers import is_written_out
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.loading import Indexed
from albert_cli.training.objectives import Objective

_FLOAT = 4
_STATES = 2  # numbers that AdamW and LAMB keep for each weight
# Wide tensors of the feed-forward part that the backward pass holds beside what was kept: the activation, its gradient,
# and that of what went in.
_WORKING = 3
_FORWARD_SHARE = 1 / 3  # of a training step's time, that an evaluation takes for the same tokens


@dataclass(frozen=True)
class Footprint:
    """Estimate of the memory of one process at its peak, in bytes.

    Attributes:
        process: program, data and weights; on a GPU the weights alone.
        gradients: one number for each weight that is trained.
        optimizer: two for each.
        activations: what the forward pass of a micro-batch keeps for the backward pass; 0 where nobody looked.
        working: what comes and goes.
    """

    process: int
    gradients: int
    optimizer: int
    activations: int
    working: int

    @property
    def total(self) -> int:
        """All of it together."""
        return self.process + self.gradients + self.optimizer + self.activations + self.working


@dataclass(frozen=True)
class DryRun:
    """A run that is about to begin.

    Attributes:
        loaded: its recipe.
        assembled: its model.
        tokenizer: its tokenizer.
        objective: its losses.
        source: its batches.
        plan: its steps.
        accelerator: its device.
        data: facts about its data, to be said.
        evaluated_tokens: tokens of one evaluation.
    """

    loaded: LoadedRecipe
    assembled: Assembled
    tokenizer: AlbertTokenizer
    objective: Objective
    source: Indexed[list[PackedBatch]]
    plan: TrainPlan
    accelerator: Any
    data: Mapping[str, Any]
    evaluated_tokens: int

    @property
    def recipe(self) -> PretrainRecipe | FinetuneRecipe:
        """The recipe, which is one of training."""
        assert isinstance(self.loaded.recipe, PretrainRecipe | FinetuneRecipe)
        return self.loaded.recipe


def dry_run(run: DryRun, talk: Talk) -> dict[str, Any]:
    """Look at everything and try one batch; the result is what ``--json`` prints.

    Raises:
        AlbertError: exit code 3, the disk has no room for the checkpoints; or what the first batch brought to light.
    """
    model, plan = run.assembled.model, run.plan
    files = list(_files(run.recipe))
    for found in files:
        size = f", {numbers.mebibytes(found['bytes'])}" if found["bytes"] else ""
        talk.say(f"{found['what']}: {found['name']}{size}")
    talk.say(f"tokenizer and model: {len(run.tokenizer):,} pieces, {model.config.vocab_size:,} rows, they fit")
    disk = _disk(run)
    talk.say(
        f"disk: {numbers.mebibytes(disk['needed_bytes'])} for {disk['checkpoints']} checkpoints of "
        f"{numbers.mebibytes(disk['checkpoint_bytes'])} and the model, {numbers.mebibytes(disk['free_bytes'])} free"
    )
    work = Rehearsed(model, run.objective, run.source, run.recipe, plan, run.accelerator)
    before = resident_bytes()
    seen = look(work)
    room, place = _room(run.accelerator.device)
    if room is not None and (needed := _wanted(run, footprint(run, seen, before), before)) > room:
        talk.warn(f"{numbers.mebibytes(needed)} for weights and optimiser alone, {place} has {numbers.mebibytes(room)}")
        tried = seen
    else:
        tried = rehearse(work, seen)
    memory = footprint(run, tried, before)
    _say_memory(run, talk, memory, tried, None if room is None else _wanted(run, memory, before) - room, place)
    seconds = _seconds(run, tried)
    _say_time(talk, tried, seconds)
    _refuse_full_disk(disk)
    found = {**asdict(memory), "total": memory.total, "available": room, "measured_peak": tried.peak}
    return {**_facts(run, tried), "files": files, "memory": found, "disk": disk, "seconds": seconds}


def _facts(run: DryRun, tried: Rehearsal) -> dict[str, Any]:
    """What is known of the run itself, and of the batch that was tried, for ``--json``."""
    model, plan = run.assembled.model, run.plan
    return {
        "command": run.recipe.stage,
        "dry_run": True,
        "max_steps": plan.max_steps,
        "effective_batch": plan.effective_batch,
        "steps_per_epoch": plan.steps_per_epoch,
        "parameters": model.num_parameters(),
        "trainable_parameters": _trainable(model),
        "pieces": len(run.tokenizer),
        "data": dict(run.data),
        "batch": {
            "sequences": len(tried.micro_batch),
            "tokens": sum(tried.micro_batch),
            "longest": max(tried.micro_batch),
            "fits": tried.fits,
        },
        "tried": None if tried.step is None else asdict(tried.step),
        "seconds_per_step": tried.update_seconds,
        "device": str(run.accelerator.device),
    }


def footprint(run: DryRun, tried: Rehearsal, before: int) -> Footprint:
    """Estimate the memory.

    Args:
        run: what is to be run.
        tried: what its first batch keeps.
        before: bytes that the process holds with the model loaded.
    """
    model, config = run.assembled.model, run.assembled.model.config
    tokens = sum(tried.micro_batch)
    on_gpu = run.accelerator.device.type == "cuda"
    width = _FLOAT if run.recipe.runtime.precision == "fp32" else _FLOAT // 2
    kept = tried.kept or 0
    gradients, optimizer = _trainable(model) * _FLOAT, _trainable(model) * _FLOAT * _STATES
    process = before if tried.resident is None else max(before, tried.resident - gradients - optimizer)
    if run.recipe.runtime.recompute:
        depth = config.num_hidden_layers * config.inner_group_num
        kept = kept // depth + depth * tokens * config.hidden_size * width
    return Footprint(
        process=_weights(model) if on_gpu else process,
        gradients=gradients,
        optimizer=optimizer,
        activations=kept,
        working=_working(config, tokens, width) if tried.kept is not None else 0,
    )


def _working(config: AlbertConfig, tokens: int, width: int) -> int:
    return _WORKING * tokens * config.intermediate_size * width


def _weights(model: torch.nn.Module) -> int:
    return sum(part.numel() * part.element_size() for part in model.parameters())


def _trainable(model: torch.nn.Module) -> int:
    return sum(part.numel() for part in model.parameters() if part.requires_grad)


def _wanted(run: DryRun, memory: Footprint, before: int) -> int:
    """Bytes that are still to be taken: by all processes of a machine, or by that of one GPU."""
    if run.accelerator.device.type == "cuda":
        return memory.total
    return memory.total * run.recipe.runtime.nproc - before


def _room(device: torch.device) -> tuple[int | None, str]:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0], "the GPU"
    return available_bytes(), "this machine"


def _disk(run: DryRun) -> dict[str, Any]:
    """What checkpoints and model take: the newest ones, the best, and the one being written."""
    model = run.assembled.model
    checkpoint = _weights(model) + _trainable(model) * _FLOAT * _STATES
    count = min(run.recipe.train.keep + 2, max(1, run.plan.max_steps // run.plan.save_every + 1))
    place = Path(run.recipe.out) if run.recipe.out else Path("runs")
    return {
        "checkpoint_bytes": checkpoint,
        "checkpoints": count,
        "needed_bytes": checkpoint * count + _weights(model),
        "free_bytes": free_bytes(place),
        "place": str(place),
    }


def _refuse_full_disk(disk: Mapping[str, Any]) -> None:
    if disk["free_bytes"] < disk["needed_bytes"]:
        raise AlbertError(
            f"no room for the checkpoints: {numbers.mebibytes(disk['needed_bytes'])} needed, "
            f"{numbers.mebibytes(disk['free_bytes'])} free ({disk['place']})",
            hint="free some space, write to another disk with --out, or keep fewer: --set train.keep=1",
            exit_code=3,
        )


def _seconds(run: DryRun, tried: Rehearsal) -> float | None:
    """Of the whole run: its updates, and the evaluations between them."""
    if tried.step is None or tried.update_seconds is None:
        return None
    per_token = tried.step.seconds / tried.step.tokens
    evaluations = -(-run.plan.max_steps // run.plan.eval_every) + 1 if run.evaluated_tokens else 0
    return tried.update_seconds * run.plan.max_steps + (evaluations * run.evaluated_tokens * per_token * _FORWARD_SHARE)


def _say_memory(run: DryRun, talk: Talk, memory: Footprint, tried: Rehearsal, lacking: int | None, place: str) -> None:
    parts = "  ".join(f"{name} {numbers.mebibytes(size)}" for name, size in asdict(memory).items() if size)
    each = " for each process" if run.recipe.runtime.nproc > 1 else ""
    measured = "" if tried.peak is None else f"; measured at the peak of one step {numbers.mebibytes(tried.peak)}"
    talk.say(f"memory: about {numbers.mebibytes(memory.total)}{each} ({parts}){measured}")
    if tried.fits is not None:
        talk.warn(f"the micro-batch does not fit into the GPU; {tried.fits} examples do, and training will take those")
    elif lacking is not None and lacking > 0:
        talk.warn(
            f"{place} has {numbers.mebibytes(lacking)} too little for that: lower train.batch_size and raise "
            "train.accumulate as much, or set runtime.recompute=true"
        )


def _say_time(talk: Talk, tried: Rehearsal, seconds: float | None) -> None:
    if tried.step is None or tried.update_seconds is None or seconds is None:
        return
    step = tried.step
    what = "a micro-batch" if step.is_whole else "part of a micro-batch"
    talk.say(
        f"tried: {what} of {step.tokens:,} tokens forward, backward and updated in {step.seconds:.2f} s "
        f"({numbers.count(step.tokens / step.seconds)} tokens/s)"
    )
    talk.say(
        f"time: about {numbers.duration(seconds)} for all steps and evaluations, {tried.update_seconds:.2f} s a step, "
        "if the machine has nothing else to do"
    )


def _files(recipe: PretrainRecipe | FinetuneRecipe) -> Iterator[dict[str, Any]]:
    """What the run reads, with sizes; 0 bytes where nothing lies on this disk yet."""
    sources: Sequence[Any] = [recipe.data, *(getattr(recipe.data, "sources", None) or ())]
    for source in sources:
        if source.path is not None:
            for path in [source.path] if isinstance(source.path, str) else source.path:
                yield {"what": "data", "name": safe_line(str(path)), "bytes": _size(Path(path))}
        elif source.dataset is not None:
            name = source.dataset + (f", {source.config}" if getattr(source, "config", None) else "")
            yield {"what": "data", "name": safe_line(name), "bytes": 0}
    for what, name in (("model", recipe.model), ("weights", recipe.init.from_), ("tokenizer", recipe.tokenizer)):
        if isinstance(name, str) and not (what == "model" and is_written_out(name)):
            place = Path(name) if Path(name).is_file() else resolve_model(name)
            yield {"what": what, "name": safe_line(name), "bytes": _size(place)}


def _size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; 0 for what is not there."""
    path = path.expanduser()
    if path.is_dir():
        found = (os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)
        return sum(os.stat(file).st_size for file in found if os.path.exists(file))
    return path.stat().st_size if path.exists() else 0
