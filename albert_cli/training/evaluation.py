"""How good is the model on data it does not train on? One pass, shared among the processes.

Shapes: N examples of all processes, B examples of a batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from albert_cli.data.batching import PackedBatch
from albert_cli.training.interrupt import StopFlag
from albert_cli.training.loading import Indexed, fetch
from albert_cli.training.memory import memory_explained
from albert_cli.training.objectives import Objective, Predictions

# Batches between two looks at the stop flag of the other processes.
_LOOK_EVERY = 8
_LESS_MEMORY = "shorten data.max_length, use --precision bf16, or a smaller model"


@dataclass(frozen=True)
class Evaluation:
    """The outcome, the same on every process.

    Attributes:
        loss: sum of the losses' means; nan where no batch had labels.
        losses: mean of each loss.
        metrics: sum of each metric (hits, sums of losses and their denominators).
        counts: denominators of the losses.
        indices: (N,) int64, ascending: place of each example in its data set.
        rows: by name, what the model said of each example in the order of ``indices``: (N, ...) float32, or a list of N
            arrays where their shapes differ.
    """

    loss: float
    losses: dict[str, float]
    metrics: dict[str, float]
    counts: dict[str, float]
    indices: np.ndarray
    rows: dict[str, np.ndarray | list[np.ndarray]]


class EvaluationStopped(Exception):  # noqa: N818 - a request, not an error
    """Someone asked to stop in the middle of an evaluation; raised on all processes together.

    Args:
        signal_number: the signal that asked.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by signal {signal_number}")
        self.signal_number = signal_number


@dataclass
class _Tally:
    losses: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    indices: list[int] = field(default_factory=list)
    rows: dict[str, list[np.ndarray]] = field(default_factory=dict)


def evaluate(
    model: nn.Module,
    objective: Objective,
    *,
    batches: Indexed[PackedBatch],
    accelerator: Accelerator,
    workers: int = 0,
    stop: StopFlag | None = None,
) -> Evaluation:
    """Run a model over evaluation batches; call it on all processes.

    Args:
        model: bare, not wrapped for several processes; left in the mode it was in.
        objective: what to compute.
        batches: all batches, the same on every process; process r takes every world-th from the r-th.
        accelerator: device, precision and the other processes.
        workers: data-loading processes.
        stop: looked at between batches.

    Returns:
        The same evaluation on every process.

    Raises:
        EvaluationStopped: ``stop`` was set on any process.
        TrainingError: out of memory.
    """
    was_training = model.training
    _bring_to(model, accelerator.device)
    model.eval()
    try:
        with torch.inference_mode(), memory_explained("while scoring", hint=_LESS_MEMORY):
            tally = _run(model, objective, batches=batches, accelerator=accelerator, workers=workers, stop=stop)
    finally:
        model.train(was_training)
    return _finish(_gather(tally, accelerator))


def _bring_to(model: nn.Module, device: torch.device) -> None:
    """Move a model that is elsewhere, and leave alone one that is there.

    For torch "cpu" and "cpu:0" (a device of several processes) differ, and ``to`` would copy weights and gradients in
    the middle of training.
    """
    places = {parameter.device for parameter in model.parameters()}
    if device.type == "cpu":
        device = torch.device("cpu")
    if any(place.type != device.type or device.index not in (None, place.index) for place in places):
        model.to(device)


def _run(
    model: nn.Module,
    objective: Objective,
    *,
    batches: Indexed[PackedBatch],
    accelerator: Accelerator,
    workers: int,
    stop: StopFlag | None,
) -> _Tally:
    world, rank = accelerator.num_processes, accelerator.process_index
    own = fetch(batches, range(rank, len(batches), world), workers=workers)
    tally = _Tally()
    pending: list[tuple[PackedBatch, Predictions]] = []
    # Every process makes the same number of rounds, so that all of them meet at each look at the flag.
    for number in range(-(-len(batches) // world)):
        if stop is not None and number % _LOOK_EVERY == 0:
            _look(stop, accelerator)
        batch = next(own, None)
        if batch is not None:
            with accelerator.autocast():
                pending.append((batch, objective.predictions(model, batch.to(accelerator.device))))
        if len(pending) == _LOOK_EVERY:
            _read(pending, objective, tally)
    _read(pending, objective, tally)
    return tally


def _look(stop: StopFlag, accelerator: Accelerator) -> None:
    numbers = [0 if stop.signal_number is None else stop.signal_number]
    if accelerator.num_processes > 1:
        numbers = gather_object(numbers)
    if max(numbers):
        raise EvaluationStopped(max(numbers))


def _read(pending: list[tuple[PackedBatch, Predictions]], objective: Objective, tally: _Tally) -> None:
    """Bring finished predictions to the host; several at once, so that a GPU need not wait after each batch."""
    for batch, predictions in pending:
        if predictions.sums is not None:
            _add(tally.losses, {name: float(value) for name, value in predictions.sums.losses.items()})
            _add(tally.metrics, {name: float(value) for name, value in predictions.sums.metrics.items()})
            _add(tally.counts, objective.counts(batch))
        tally.indices.extend(batch.indices.tolist())
        for name, rows in predictions.rows.items():
            tally.rows.setdefault(name, []).extend(_host_array(row) for row in _on_host(rows))
    pending.clear()


def _on_host(rows: Tensor | list[Tensor]) -> list[Tensor] | Tensor:
    return rows.cpu() if isinstance(rows, Tensor) else [row.cpu() for row in rows]


def _host_array(row: Tensor) -> np.ndarray:
    return (row.float() if row.is_floating_point() else row).numpy()


def _add(total: dict[str, float], part: dict[str, float]) -> None:
    for name, value in part.items():
        total[name] = total.get(name, 0.0) + value


def _gather(tally: _Tally, accelerator: Accelerator) -> _Tally:
    if accelerator.num_processes == 1:
        return tally
    whole = _Tally()
    for part in cast(list[_Tally], gather_object([tally])):
        _add(whole.losses, part.losses)
        _add(whole.metrics, part.metrics)
        _add(whole.counts, part.counts)
        whole.indices.extend(part.indices)
        for name, rows in part.rows.items():
            whole.rows.setdefault(name, []).extend(rows)
    return whole


def _finish(tally: _Tally) -> Evaluation:
    losses = {name: total / max(tally.counts[name], 1.0) for name, total in tally.losses.items()}
    indices = np.asarray(tally.indices, dtype=np.int64)
    order = np.argsort(indices, kind="stable")
    rows: dict[str, np.ndarray | list[np.ndarray]] = {}
    for name, parts in tally.rows.items():
        ordered = [parts[place] for place in order]
        same = len({part.shape for part in ordered}) == 1
        rows[name] = np.stack(ordered) if same else ordered
    loss = sum(losses.values()) if losses else float("nan")
    return Evaluation(loss, losses, tally.metrics, tally.counts, indices[order], rows)
