"""Does saving, keeping and resuming again and again leave anything behind? ``python tests/faults/cycles.py``.

``--cycles N`` times in one process: some steps of a tiny model, a checkpoint (two are kept), a look for the newest one,
and a resume from it into a model and an optimiser made anew. ``--processes N`` times in processes one after another: a
whole ``albert finetune --resume`` that makes a few more steps each. Memory, files, bytes on the disk and open handles
are measured all along; the exit code is 1 if they grow, or if the weights are not those of one uninterrupted run.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch
from hooks import kill_at
from torch import nn
from workload import copy_of, make_home, run_to_end, trace_of, words

from albert_cli.files.atomic import sweep_partial
from albert_cli.files.lock import lock_directory
from albert_cli.training.checkpoint import TrainState, find_checkpoint, load_checkpoint, mend_links, save_checkpoint
from albert_cli.training.optim import Lamb, parameter_groups

_WIDTH = 32
_STEPS_IN_A_CYCLE = 2


def main(arguments: Sequence[str]) -> int:
    """Run and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=50)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="cycles-") as folder:
        outcome = {
            "one process": in_one_process(Path(folder) / "one", asked.cycles) if asked.cycles else None,
            "across processes": across_processes(Path(folder) / "many", asked.processes) if asked.processes else None,
        }
    print(json.dumps({"schema_version": 1, **outcome}, indent=1))
    return int(any(part is not None and part["grown"] for part in outcome.values()))


def in_one_process(folder: Path, cycles: int) -> dict[str, Any]:
    """Save, look, load, step."""
    began = time.monotonic()
    model, optimizer = _fresh()
    whole, whole_optimizer = _fresh()
    measured: list[dict[str, int]] = []
    step = 0
    for cycle in range(cycles):
        with lock_directory(folder):
            sweep_partial(folder / "checkpoints")
            for _ in range(_STEPS_IN_A_CYCLE):
                _step(model, optimizer, step)
                _step(whole, whole_optimizer, step)
                step += 1
            save_checkpoint(
                folder / "checkpoints",
                model=model,
                optimizer=optimizer,
                state=TrainState(step=step, seed=1, best_step=step - step % 10, extra={"cycle": cycle}),
                best=step % 10 == 0,
            )
            found = find_checkpoint(folder / "checkpoints")
            assert found.path is not None
            assert not found.skipped
            model, optimizer = _fresh()
            state = load_checkpoint(found.path, model=model, optimizer=optimizer)
            mend_links(folder / "checkpoints", found.path, best_step=state.best_step or None)
        if cycle in _looks(cycles):
            measured.append({"cycle": cycle + 1, **_measure(folder)})
    same = all(torch.equal(one, other) for one, other in zip(model.parameters(), whole.parameters(), strict=True))
    return _judged(measured, same=same, seconds=time.monotonic() - began)


def across_processes(folder: Path, processes: int) -> dict[str, Any]:
    """Each process makes some steps and is killed; the last one ends the run."""
    began = time.monotonic()
    home = folder / "home"
    make_home(home)
    more = ["--set", f"train.max_steps={4 * processes}", "--set", "train.eval_every=40"]
    peace, run = copy_of(home, folder / "peace"), copy_of(home, folder / "run")
    assert run_to_end(words("finetune", 1, *more), peace).code == 0
    measured = []
    for number in range(processes - 1):
        resume = ["--resume"] if number else []
        # A checkpoint is made every 4 steps; each process is killed at the step after its own.
        ended = run_to_end(words("finetune", 1, *more, *resume), run, kill_at("step", 5, below=run))
        assert ended.code == -9, ended.said
        if number in _looks(processes - 1):
            measured.append({"cycle": number + 1, **_files_below(run / "run"), **_handles()})
    assert run_to_end(words("finetune", 1, *more, "--resume"), run).code == 0
    return _judged(measured, same=trace_of(run) == trace_of(peace), seconds=time.monotonic() - began)


def _fresh() -> tuple[nn.Module, Lamb]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(_WIDTH, _WIDTH), nn.Tanh(), nn.Linear(_WIDTH, 1))
    return model, Lamb(parameter_groups(model), lr=1e-3)


def _step(model: nn.Module, optimizer: Lamb, step: int) -> None:
    inputs = torch.randn(4, _WIDTH, generator=torch.Generator().manual_seed(step))
    optimizer.zero_grad()
    model(inputs).square().sum().backward()
    optimizer.step()


def _looks(cycles: int) -> set[int]:
    """Cycles after which to measure: after a tenth, which warms up, and nine times more."""
    return {cycles * part // 10 - 1 for part in range(1, 11)}


def _measure(folder: Path) -> dict[str, int]:
    gc.collect()
    objects = len(gc.get_objects())
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "resident_kib": pages * os.sysconf("SC_PAGE_SIZE") // 1024,
        "objects": objects,
        **_files_below(folder),
        **_handles(),
    }


def _files_below(folder: Path) -> dict[str, int]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    unfinished = list(folder.rglob(".partial-*"))
    kept = [path for path in files if path.parent.name.startswith("step-")]
    return {"files": len(kept), "bytes": sum(path.stat().st_size for path in kept), "unfinished": len(unfinished)}


def _handles() -> dict[str, int]:
    return {"handles": len(os.listdir("/proc/self/fd")), "threads": len(os.listdir("/proc/self/task"))}


def _judged(measured: list[dict[str, int]], *, same: bool, seconds: float) -> dict[str, Any]:
    """Growth from half-way to the end: none of files, bytes and handles; memory within a mebibyte.

    By then the best checkpoint is one that is no longer among the newest.
    """
    first, last = measured[len(measured) // 2], measured[-1]
    allowed = {"resident_kib": 1024, "objects": 100, "bytes": 4096, "unfinished": 1}
    grown = {
        name: last[name] - first[name]
        for name in first
        if name != "cycle" and last[name] - first[name] > allowed.get(name, 0)
    }
    return {
        "same_weights": same,
        "seconds": round(seconds, 1),
        "grown": grown if same else {"weights": 1},
        "measured": measured,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
