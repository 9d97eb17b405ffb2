"""What do layers lose by sharing? Four settings (paper, table 4), three seeds each, at a size for one processor core.

    python docs/experiments/parameter_sharing.py TOKENIZER OUT [key=value ...]

Pretrains 12 small models on the documentation strings of the installed Python and prints, for each setting, the means
over the seeds of the held-out figures with their 95 % t-intervals. Two settings differ only where intervals part.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

SETTINGS = ("all", "attention", "ffn", "none")
SEEDS = (1, 2, 3)
T_95 = 4.303  # Student's t with two degrees of freedom
MEASURES: dict[str, Callable[[dict[str, float]], float]] = {
    "loss on [MASK]": lambda found: found["mlm_loss_masked"],
    "nats below piece frequencies": lambda found: found["mlm_loss_unigram"] - found["mlm_loss_masked"],
    "sentence order": lambda found: found["sop_accuracy"],
}
RECIPE = {
    "model.embedding_size": 64,
    "model.hidden_size": 64,
    "model.num_hidden_layers": 3,
    "model.num_attention_heads": 2,
    "model.intermediate_size": 256,
    "model.max_position_embeddings": 64,
    "model.initializer_range": 0.09,
    "objective.ngram": 1,
    "train.batch_size": 32,
    "train.max_steps": 1500,
    "train.learning_rate": 2e-3,
    "train.eval_every": 1500,
    "train.save_every": 1500,
    "runtime.threads": 1,
}


def held_out(tokenizer: str, out: Path, sharing: str, seed: int, more: list[str]) -> dict[str, float]:
    """Train one model, unless it is there already, and read its last held-out figures."""
    run = out / f"{sharing}-{seed}"
    values = {**RECIPE, "model.parameter_sharing": sharing, "tokenizer": tokenizer, "seed": seed}
    sets = [argument for key, value in values.items() for argument in ("--set", f"{key}={value}")]
    if not (run / "model").is_dir():
        command = [sys.executable, "-m", "albert_cli", "pretrain", "demo/pretrain", "--quiet", "--out", str(run), *sets]
        subprocess.run([*command, *(argument for one in more for argument in ("--set", one))], check=True)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["split"] == "held_out"][-1]


def main() -> None:
    """Run everything and print the table."""
    tokenizer, out, more = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    for sharing in SETTINGS:
        found = [held_out(tokenizer, out, sharing, seed, more) for seed in SEEDS]
        cells = []
        for name, measure in MEASURES.items():
            values = [measure(each) for each in found]
            mean = sum(values) / len(values)
            spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
            half = T_95 * spread / math.sqrt(len(values))
            cells.append(f"{name} {mean:.4f} ({mean - half:.4f} to {mean + half:.4f})")
        sys.stdout.write(f"{sharing:9}  " + "  ".join(cells) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
