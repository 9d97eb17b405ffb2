"""The same faults for us and for `transformers`' Trainer, side by side: ``python tests/faults/peer_trainer.py``.

Both fine-tune a model of the same small shape on the same reviews, on the CPU, with a checkpoint every four steps, two
kept, and the best loaded at the end. The peer is resumed as its documentation says, with
``resume_from_checkpoint=True`` where there is a checkpoint. ``--points N`` faults of each kind; the table goes to
stdout, ``--out FILE`` keeps it as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter as Counts
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
sys.path.insert(0, str(Path(__file__).resolve().parent))

import forked
import torch
import transformers
from hooks import FULL, Counter, fail_from, kill_at
from injections import Bench
from safetensors.torch import load_file
from workload import ARCHITECTURE, PATIENCE, Ended, copy_of, go_on, make_home, run_to_end, trace_of, undisturbed, words
from workload import end_of as end_of_ours

from albert_cli import AlbertTokenizer

CORRUPTED, CHANGED = "corrupted byte of the newest checkpoint", "changed training row"
FAULTS = ("kill -9", "kill -9 in a save", CORRUPTED, CHANGED, "disk full")
# What became of a run, best first; the last three mean that something was lost.
OUTCOMES = {
    "identical": "the weights of an undisturbed run",
    "refused": "one message that names what is wrong",
    "traceback": "ends with a traceback, the checkpoint has to be repaired by hand",
    "other": "goes on and says nothing, with other weights",
    "restarted": "begins anew from the first step",
}


def main(arguments: Sequence[str]) -> int:
    """Run and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=None)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    found: dict[str, dict[str, Counts[str]]] = {}
    with tempfile.TemporaryDirectory(prefix="peer-") as folder:
        home = Path(folder) / "home"
        make_home(home)
        for name, side in (("albert", Ours(home, Path(folder))), ("Trainer", Peer(home, Path(folder)))):
            found[name] = _all_faults(name, side, random.Random(asked.seed), asked.points)
    print(table(found))
    if asked.out is not None:
        facts = {"schema_version": 1, "seed": asked.seed, "transformers": transformers.__version__, "found": found}
        asked.out.write_text(json.dumps(facts, indent=1) + "\n")
    return int(any(counts[bad] for counts in found["albert"].values() for bad in ("other", "traceback", "restarted")))


def _all_faults(name: str, side: Ours | Peer, draw: random.Random, points: int) -> dict[str, Counts[str]]:
    counts: dict[str, Counts[str]] = {fault: Counts() for fault in FAULTS}
    for fault in FAULTS:
        for number in range(points if fault != CHANGED else min(points, 3)):
            outcome = side.harm(fault, draw, number)
            counts[fault][outcome] += 1
            print(f"{time.strftime('%H:%M:%S')} {name}: {fault}: {outcome}", file=sys.stderr, flush=True)
    return counts


def table(found: dict[str, dict[str, Counts[str]]]) -> str:
    """Both sides' counts as a Markdown table."""
    lines = ["| fault | side | injected | " + " | ".join(OUTCOMES.values()) + " |"]
    lines.append("| --- | --- | " + "---: | " * (len(OUTCOMES) + 1))
    for fault in FAULTS:
        for side, counts in found.items():
            row = [str(counts[fault][outcome] or "") for outcome in OUTCOMES]
            lines.append(f"| {fault} | {side} | {sum(counts[fault].values())} | {' | '.join(row)} |")
    return "\n".join(lines)


@dataclass
class Ours:
    """`albert finetune`, and `--resume`."""

    home: Path
    folder: Path

    def __post_init__(self) -> None:
        self.peace = undisturbed(self.home, self.folder / "ours", "finetune", 1)
        self.bench = Bench(self.home, self.folder, {("finetune", 1): self.peace})

    def harm(self, fault: str, draw: random.Random, number: int) -> str:
        """Do something to a run and resume it."""
        home = copy_of(self.home, self.folder / f"ours-{FAULTS.index(fault)}-{number}")
        try:
            return self._harmed(fault, draw, home)
        finally:
            shutil.rmtree(home, ignore_errors=True)

    def _harmed(self, fault: str, draw: random.Random, home: Path) -> str:
        steps, files = self.peace.counts["step"], self.peace.counts["file"]
        if fault == "kill -9":
            child = forked.start(words("finetune", 1), folder=home, log=home / "said.txt")
            _kill_after(child, draw.uniform(0.0, self.peace.seconds))
            end_of_ours(child, home)
        elif fault == "kill -9 in a save":
            run_to_end(words("finetune", 1), home, kill_at("file", draw.randint(files // 4, files), below=home))
        elif fault == "disk full":
            run_to_end(words("finetune", 1), home, fail_from(draw.randint(files // 4, files), FULL, below=home))
        else:
            run_to_end(words("finetune", 1), home, kill_at("step", draw.randint(6, steps), below=home))
            _spoil(fault, draw, home, home / "run" / "checkpoints" / "last")
        ended = go_on("finetune", 1, home)
        if ended.code:
            return "refused" if ended.is_clear else "traceback"
        return "identical" if trace_of(home) == self.peace.trace else "other"


@dataclass
class Peer:
    """A script around Trainer, as its documentation has it."""

    home: Path
    folder: Path

    def __post_init__(self) -> None:
        home = copy_of(self.home, self.folder / "peer-peace")
        began = time.monotonic()
        ended = self._run(home)
        self.seconds = time.monotonic() - began
        assert ended.code == 0, ended.said
        self.weights = load_file(home / "peer" / "final" / "model.safetensors")
        counted = copy_of(self.home, self.folder / "peer-counted")
        counts = counted / "counts.json"

        def note(_place: str, _number: int) -> None:
            counts.write_text(str(counter.counts["file"]))

        counter = Counter(note, below=counted / "peer")
        assert self._run(counted, counter.watch_files).code == 0
        again = load_file(counted / "peer" / "final" / "model.safetensors")
        assert all(torch.equal(again[name], value) for name, value in self.weights.items()), "Trainer does not repeat"
        self.files = int(counts.read_text())

    def harm(self, fault: str, draw: random.Random, number: int) -> str:
        """Do something to a run and resume it."""
        home = copy_of(self.home, self.folder / f"peer-{FAULTS.index(fault)}-{number}")
        try:
            return self._harmed(fault, draw, home)
        finally:
            shutil.rmtree(home, ignore_errors=True)

    def _harmed(self, fault: str, draw: random.Random, home: Path) -> str:
        number, below = draw.randint(1, self.files), home / "peer"
        if fault == "kill -9":
            child = self._start(home, None)
            _kill_after(child, draw.uniform(0.0, self.seconds))
            end_of_ours(child, home)
        elif fault == "kill -9 in a save":
            self._run(home, kill_at("file", number, below=below).watch_files)
        elif fault == "disk full":
            self._run(home, fail_from(number, FULL, below=below).watch_files)
        else:
            self._run(home, partial(_kill_at_step, draw.randint(6, 24)))
            newest = max((home / "peer").glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
            _spoil(fault, draw, home, newest)
        before = any((home / "peer").glob("checkpoint-*"))
        ended = self._run(home)
        if ended.code:
            return "traceback" if "Traceback" in ended.said else "refused"
        weights = load_file(home / "peer" / "final" / "model.safetensors")
        if all(torch.equal(weights[name], value) for name, value in self.weights.items()):
            return "identical" if before or fault.startswith(("kill", "disk")) else "restarted"
        return "other"

    def _start(self, home: Path, setup: Callable[[], None] | None) -> forked.Child:
        return forked.call(partial(_train_peer, home, setup), folder=home, log=home / "said.txt")

    def _run(self, home: Path, setup: Callable[[], None] | None = None) -> Ended:
        return end_of_ours(self._start(home, setup), home, patience=PATIENCE)


def _train_peer(home: Path, setup: Callable[[], None] | None) -> None:
    """Fine-tune with Trainer, from its newest checkpoint if there is one."""
    if setup is not None:
        setup()
    rows = {name: _encoded(home, name) for name in ("train", "dev")}
    transformers.set_seed(42)
    config = transformers.AlbertConfig(
        vocab_size=75, num_labels=2, classifier_dropout_prob=0.1, hidden_dropout_prob=0.1, **ARCHITECTURE
    )
    arguments = transformers.TrainingArguments(
        output_dir=str(home / "peer"), max_steps=24, per_device_train_batch_size=8, learning_rate=2e-3, warmup_steps=4,
        save_strategy="steps", save_steps=4, save_total_limit=2, eval_strategy="steps", eval_steps=4, logging_steps=2,
        load_best_model_at_end=True, use_cpu=True, seed=42, report_to="none", disable_tqdm=True,
        remove_unused_columns=False,
    )  # fmt: skip
    trainer = transformers.Trainer(
        model=transformers.AlbertForSequenceClassification(config),
        args=arguments,
        train_dataset=rows["train"],
        eval_dataset=rows["dev"],
        data_collator=_batch,
    )
    there = transformers.trainer_utils.get_last_checkpoint(str(home / "peer")) if (home / "peer").is_dir() else None
    trainer.train(resume_from_checkpoint=True if there else None)
    trainer.save_model(str(home / "peer" / "final"))


def _encoded(home: Path, name: str) -> list[dict[str, Any]]:
    tokenizer = AlbertTokenizer.from_pretrained(home / "tokenizer")
    rows = [line.split("\t") for line in (home / "SST-2" / f"{name}.tsv").read_text().splitlines()[1:]]
    return [{"ids": tokenizer.encode(text), "label": int(label)} for text, label in rows]


def _batch(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    longest = max(len(row["ids"]) for row in rows)
    ids = torch.tensor([row["ids"] + [0] * (longest - len(row["ids"])) for row in rows])
    return {
        "input_ids": ids,
        "attention_mask": (ids != 0).long(),
        "labels": torch.tensor([row["label"] for row in rows]),
    }


def _kill_at_step(number: int) -> None:
    """Kill this process when Trainer begins a step."""
    real, count = transformers.Trainer.training_step, 0

    def step(*given: Any, **more: Any) -> Any:
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*given, **more)

    transformers.Trainer.training_step = step


def _kill_after(child: forked.Child, seconds: float) -> None:
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)


def _spoil(fault: str, draw: random.Random, home: Path, newest: Path) -> None:
    """Change a byte of the newest checkpoint, or the label of a training row."""
    if fault == CHANGED:
        train = home / "SST-2" / "train.tsv"
        lines = train.read_text().splitlines()
        number = draw.randrange(1, len(lines))
        lines[number] = lines[number][:-1] + ("1" if lines[number].endswith("0") else "0")
        train.write_text("\n".join(lines) + "\n")
        return
    chosen = draw.choice(sorted(path for path in newest.iterdir() if path.is_file() and path.stat().st_size))
    content = bytearray(chosen.read_bytes())
    content[draw.randrange(len(content))] ^= draw.randint(1, 255)
    chosen.write_bytes(content)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
