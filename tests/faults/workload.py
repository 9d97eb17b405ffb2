"""Two small runs that faults are put into, and what it means that one of them ended as it should have."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import forked
from hooks import PLACES, count_to
from small_texts import write_corpus, write_reviews

from albert_cli.files.checksum import verify_manifest
from albert_cli.training.checkpoint import list_checkpoints

PATIENCE = 300.0  # seconds after which a command counts as hanging; a sound one takes two to ten
ARCHITECTURE = {
    "embedding_size": 16,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
TRAIN = {
    "max_steps": 24,
    "learning_rate": 2e-3,
    "warmup_steps": 4,
    "dropout": 0.1,
    "log_every": 2,
    "eval_every": 8,
    "save_every": 4,
}
STAGES = ("pretrain", "finetune")
# Of metrics.jsonl: what depends on the time of day.
_CLOCKED = ("tokens_per_second", "data_share", "saving_share", "evaluating_share")


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, what it said, seconds; ``hung`` if it had to be killed."""

    code: int
    said: str
    seconds: float
    hung: bool = False

    @property
    def is_clear(self) -> bool:
        """Whether it failed with one message of ours and no trace of a defect."""
        errors = [line for line in self.said.splitlines() if line.startswith("error: ")]
        return self.code > 0 and len(errors) >= 1 and "Traceback" not in self.said and "a defect in" not in self.said


def make_home(home: Path) -> None:
    """Text, reviews, tokenizer and two recipes, all named relative to the folder."""
    home.mkdir(parents=True)
    write_corpus(home / "text.txt")
    write_reviews(home / "SST-2", train=520)  # as many rows as the feature cache keeps
    words = ["train-tokenizer", "--input", "text.txt", "--set", "tokenizer.vocab_size=75", "--out", "tokenizer"]
    assert run_to_end([*words, "--threads", "1"], home).code == 0
    runtime = {"threads": 1, "device": "cpu"}
    common = {"model": ARCHITECTURE, "tokenizer": "tokenizer", "runtime": runtime}
    data = {"path": "text.txt", "max_length": 48, "held_out": 0.1, "cache": "cache", "workers": 1}
    pretrain = {"stage": "pretrain", **common, "data": data, "train": {**TRAIN, "optimizer": "lamb"}}
    data = {"path": "SST-2", "max_length": 32, "cache": "cache"}
    finetune = {"stage": "finetune", "task": "sst2", **common, "data": data, "train": TRAIN}
    (home / "pretrain.yaml").write_text(json.dumps(pretrain, indent=1))
    (home / "finetune.yaml").write_text(json.dumps(finetune, indent=1))


def copy_of(home: Path, folder: Path) -> Path:
    """A home of its own for a run that is to be harmed."""
    shutil.copytree(home, folder, symlinks=True)
    return folder


def words(stage: str, processes: int, *more: str) -> list[str]:
    """The command of a run: every step sees 8 examples, however many processes there are."""
    divided = ["--set", f"train.batch_size={8 // processes}", *(["--nproc", str(processes)] if processes > 1 else [])]
    return [stage, f"{stage}.yaml", "--out", "run", *divided, *more]


def start(arguments: Sequence[str], home: Path, setup: forked.Setup | None = None) -> forked.Child:
    """Start a command."""
    return forked.start(arguments, folder=home, log=home / "said.txt", setup=setup)


def end_of(child: forked.Child, home: Path, *, patience: float = PATIENCE) -> Ended:
    """Wait for a command, and kill it where it hangs."""
    began = time.monotonic()
    while child.poll() is None and time.monotonic() - began < patience:
        time.sleep(0.02)
    hung = child.poll() is None
    if hung:
        child.send_signal(9)
    code = child.wait()
    return Ended(code, (home / "said.txt").read_text(errors="replace"), time.monotonic() - began, hung)


def run_to_end(arguments: Sequence[str], home: Path, setup: forked.Setup | None = None) -> Ended:
    """Run a command and wait for it."""
    return end_of(start(arguments, home, setup), home)


def go_on(stage: str, processes: int, home: Path) -> Ended:
    """Give the same command again, with ``--resume`` where a run has begun, until nobody else holds the directory."""
    for _ in range(40):
        resume = ["--resume"] if (home / "run" / "status.json").exists() else []
        ended = run_to_end(words(stage, processes, *resume), home)
        # The processes of a killed launcher end a moment later, and may have begun the run in between.
        if "another run is writing" not in ended.said and "already holds a run" not in ended.said:
            break
        time.sleep(0.5)
    return ended


def trace_of(home: Path) -> dict[str, Any]:
    """What a run leaves that must be the same: weights, predictions, metrics without clocks."""
    run = home / "run"
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    files = [path for part in ("model", "predictions") for path in sorted((run / part).rglob("*")) if path.is_file()]
    newest = list_checkpoints(run / "checkpoints")[-1]
    files += [newest / name for name in ("model.safetensors", "optimizer.pt")]
    return {
        "metrics": [{key: value for key, value in line.items() if key not in _CLOCKED} for line in metrics],
        "files": {str(path.relative_to(run)): path.read_bytes() for path in files},
    }


def damaged_by_a_kill(home: Path) -> list[str]:
    """Checkpoints that are there and not whole, and links that lead nowhere; a kill may leave none."""
    folder = home / "run" / "checkpoints"
    wrong = [path.name for path in list_checkpoints(folder) if verify_manifest(path) is not None]
    for name in ("last", "best"):
        if (folder / name).is_symlink() and not (folder / name).exists():
            # a checkpoint of the same step is about to take the place that its name still has
            aside = list(folder.glob(f".partial-old-{(folder / name).readlink()}-*"))
            wrong += [] if aside else [name]
    return wrong


def newest_step(home: Path) -> int:
    """Step of the newest checkpoint; 0 if there is none."""
    found = list_checkpoints(home / "run" / "checkpoints")
    return int(found[-1].name.rpartition("-")[2]) if found else 0


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing happened to.

    Attributes:
        home: its folder.
        trace: of `trace_of`.
        seconds: that it took.
        counts: places by name, for the process that writes.
    """

    home: Path
    trace: Mapping[str, Any]
    seconds: float
    counts: Mapping[str, int]


def undisturbed(home: Path, folder: Path, stage: str, processes: int) -> Undisturbed:
    """Run a stage in peace, twice: to know what it leaves and how long it takes, and to count places."""
    first = copy_of(home, folder / f"{stage}-{processes}")
    ended = run_to_end(words(stage, processes), first)
    assert ended.code == 0, ended.said
    second = copy_of(home, folder / f"{stage}-{processes}-counted")
    counts = second / "counts.json"
    counted = run_to_end(words(stage, processes), second, count_to(counts, below=second))
    assert counted.code == 0, counted.said
    trace = trace_of(first)
    assert trace_of(second) == trace, "two undisturbed runs differ"
    found = json.loads(counts.read_text())
    assert all(found[place] for place in PLACES), found
    return Undisturbed(first, trace, ended.seconds, found)
