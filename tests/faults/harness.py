"""Faults put into small runs, each of which must lose nothing: ``python tests/faults/harness.py --points 50``.

``--seed S`` draws other points; ``--processes 1,2`` says with how many processes runs are killed; ``--only WORD`` takes
the kinds whose name holds the word. A table of counts goes to stdout and, with ``--out FOLDER``, into faults.json and
faults.md. The exit code is 1 if anything was lost, hung, or said unclearly.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, as children are forked
sys.path.insert(0, str(Path(__file__).resolve().parent))

import injections
import torch
from hooks import FULL, READ_ONLY
from injections import Bench, Result
from workload import STAGES, make_home, undisturbed

OUTCOMES = ("identical", "refused", "lost", "unclear", "hung")
Shot = tuple[str, Callable[[], Result]]


def main(arguments: Sequence[str]) -> int:
    """Run and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--points", type=int, default=50, help="kills for each number of processes")
    parser.add_argument("--others", type=int, default=None, help="faults of each other kind; a fifth of the points")
    parser.add_argument("--processes", default="1,2")
    parser.add_argument("--only", default="")
    parser.add_argument("--stages", default=",".join(STAGES), help="what is killed; other faults need both")
    parser.add_argument("--out", type=Path, default=None)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        results = list(_run(Path(folder), asked))
    summary = summarise(results, seed=asked.seed, seconds=time.monotonic() - began)
    print(table(summary))
    if asked.out is not None:
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / "faults.json").write_text(json.dumps(summary, indent=1) + "\n")
        (asked.out / "faults.md").write_text(table(summary) + "\n")
    return int(any(row[name] for row in summary["faults"].values() for name in ("lost", "unclear", "hung")))


def _run(folder: Path, asked: argparse.Namespace) -> Iterator[Result]:
    home = folder / "home"
    make_home(home)
    processes = [int(word) for word in asked.processes.split(",")]
    wanted = sorted({1, *processes})
    peace = {
        (stage, count): undisturbed(home, folder, stage, count) for stage in asked.stages.split(",") for count in wanted
    }
    bench = Bench(home, folder, peace)
    for name, shoot in _shots(bench, asked, processes):
        result = shoot()
        tries = 0
        while result.outcome == "missed" and tries < 5:  # the run was over; draw again
            result, tries = shoot(), tries + 1
        bad = result.outcome != "identical"
        more = f"\n    {result.said}" if bad else ""
        print(
            f"{time.strftime('%H:%M:%S')} {name}: {result.where}: {result.outcome}{more}", file=sys.stderr, flush=True
        )
        yield result


def _shots(bench: Bench, asked: argparse.Namespace, processes: Sequence[int]) -> Iterator[Shot]:
    draw = random.Random(asked.seed)
    others = asked.others if asked.others is not None else max(1, asked.points // 5)
    kinds: list[tuple[str, int, Callable[[int], Callable[[], Result]]]] = []
    for count in processes:
        kinds.append((f"kill -9, {count}", asked.points, partial(_kill, bench, draw, count, asked.stages.split(","))))
    kinds.append(("disk full", others, lambda n: partial(injections.unwritable, bench, draw, code=FULL, number=n)))
    kinds.append(
        (
            "disk becomes read-only",
            others,
            lambda n: partial(injections.unwritable, bench, draw, code=READ_ONLY, number=n),
        )
    )
    if injections.may_mount(bench.folder):
        kinds.append(("small file system", others, lambda n: partial(injections.small_disk, bench, draw, number=n)))
        kinds.append(("read-only directory", 2, lambda n: partial(injections.read_only, bench, draw, number=n)))
    else:
        print("left out: a small and a read-only file system (this user may not mount any)", file=sys.stderr)
    kinds.append(("clock", max(2, others // 3), lambda n: partial(injections.clock, bench, draw, number=n)))
    if 2 in processes:
        kinds.append(("hang", max(2, others // 3), lambda n: partial(injections.frozen, bench, draw, number=n)))
    for of in ("checkpoint", "token shard", "feature cache", "tokenizer", "run directory"):
        kinds.append((f"corrupted {of}", others, partial(_corrupt, bench, draw, of)))
    for name, times, make in kinds:
        for number in range(times if asked.only in name else 0):
            yield name, make(number)


def _kill(
    bench: Bench, draw: random.Random, processes: int, stages: Sequence[str], number: int
) -> Callable[[], Result]:
    stage = stages[number % len(stages)]
    return lambda: injections.killed(bench, draw, stage=stage, processes=processes, number=number)


_HALVES: dict[Path, dict[str, Path]] = {}


def _corrupt(bench: Bench, draw: random.Random, of: str, number: int) -> Callable[[], Result]:
    if bench.folder not in _HALVES:
        _HALVES[bench.folder] = injections.half_way(bench)
    return lambda: injections.corrupted(bench, draw, of=of, number=number, halves=_HALVES[bench.folder])


def summarise(results: Sequence[Result], *, seed: int, seconds: float) -> dict[str, object]:
    """Counts by fault and outcome, and what went wrong."""
    faults: dict[str, dict[str, int]] = {}
    for result in results:
        row = faults.setdefault(result.fault, dict.fromkeys(("injected", "message", *OUTCOMES), 0))
        if result.outcome in OUTCOMES:
            row["injected"] += 1
            row[result.outcome] += 1
            row["message"] += result.refused_first
    phases = Counter(result.during for result in results if result.during and result.outcome in OUTCOMES)
    bad = [vars(result) for result in results if result.outcome not in ("identical", "refused", "missed")]
    return {
        "schema_version": 1,
        "seed": seed,
        "seconds": round(seconds),
        "faults": faults,
        "killed_during": phases,
        "bad": bad,
    }


def table(summary: dict[str, object]) -> str:
    """The counts as a Markdown table."""
    rows = summary["faults"]
    assert isinstance(rows, dict)
    total = {key: sum(row[key] for row in rows.values()) for key in ("injected", "message", *OUTCOMES)}
    head = ("fault", "injected", "ended with a clear message", "resumed bit-identically", "resume refused, file named")
    lines = [[*head, "data lost", "unclear", "hangs"]]
    keys = ("injected", "message", "identical", "refused", "lost", "unclear", "hung")
    lines += [[name, *(str(row[key]) for key in keys)] for name, row in [*rows.items(), ("all", total)]]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
