"""Does each GLUE task learn 64 rows by heart, from random weights, with the command line alone?

``python tests/smoke/memorise_glue.py GLUE_FOLDER TOKENIZER [TASK ...]``. GLUE_FOLDER holds the official folders; the
rows of RTE are made here where the folder lacks them. Training rows and dev rows are the same 64. Each task takes a
minute or two on one core; the score must reach 98 %.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

from steps import BAD, ENDINGS, FOLLOW_UPS, GOOD, SUBJECTS, albert, by_heart, check, settings

ROWS = 64
# Task: its folder, the score that must be reached, and steps.
TASKS = {
    "cola": ("CoLA", "matthews_correlation", 1200),
    "sst2": ("SST-2", "accuracy", 400),
    "mrpc": ("MRPC", "accuracy", 400),
    "stsb": ("STS-B", "pearson", 1200),
    "qqp": ("QQP", "accuracy", 400),
    "mnli": ("MNLI", "accuracy", 400),
    "qnli": ("QNLI", "accuracy", 400),
    "rte": ("RTE", "accuracy", 2000),
    "wnli": ("WNLI", "accuracy", 1200),
}
DEV_SPLITS = {"mnli": "dev_matched"}


def first_rows(source: Path, task: str, target: Path) -> bool:
    """Copy the first rows of a task's training file as training and dev rows; false where the file is not there."""
    folder = next(
        (source / name for name in (TASKS[task][0], f"{TASKS[task][0]}-part") if name_has_train(source / name)), None
    )
    if folder is None:
        return False
    path = next(path for path in (folder / "train.tsv", folder / "train.jsonl") if path.is_file())
    header = 0 if path.suffix == ".jsonl" or task == "cola" else 1
    with path.open("rb") as file:
        rows = [next(file) for _ in range(ROWS + header)]
    for name in ("train", DEV_SPLITS.get(task, "dev")):
        (target / f"{name}{path.suffix}").write_bytes(b"".join(rows))
    return True


def name_has_train(folder: Path) -> bool:
    """Whether a folder holds training rows in a form that is copied line by line."""
    return any((folder / f"train.{ending}").is_file() for ending in ("tsv", "jsonl"))


def made_rows(target: Path) -> None:
    """Write pairs of sentences in the form of RTE: what follows, and what does not."""
    draw = random.Random(7)
    lines = ["index\tsentence1\tsentence2\tlabel"]
    for number in range(ROWS):
        subject, other = draw.sample(SUBJECTS, 2)
        word, another = draw.sample(GOOD + BAD, 2)
        premise = f"{subject} was {word} {draw.choice(ENDINGS)}, but {other} was {another}. {draw.choice(FOLLOW_UPS)}"
        follows = draw.randrange(2)
        hypothesis = f"{subject} was {word if follows else another}"
        lines.append(f"{number}\t{premise}\t{hypothesis}\t{'entailment' if follows else 'not_entailment'}")
    for name in ("train", "dev"):
        (target / f"{name}.tsv").write_text("\n".join([*lines, ""]))


def learn(task: str, source: Path, tokenizer: Path, folder: Path) -> tuple[float, float]:
    """Train on the rows and return score and seconds."""
    rows = folder / task
    rows.mkdir()
    if not first_rows(source, task, rows):
        check(task == "rte", f"no training rows of {task} in {source}")
        made_rows(rows)
    steps = TASKS[task][2]
    small = settings(
        data__path=rows,
        data__max_length=128,
        model="tiny",
        tokenizer=tokenizer,
        train__batch_size=16,
        train__learning_rate=1e-3,
        train__max_steps=steps,
        train__warmup_steps=min(100, steps // 10),
        train__dropout=0.0,
        train__classifier_dropout=0.0,
        train__eval_every=steps // 2,
        train__save_every=steps // 2,
        train__log_every=100,
    )
    start = time.monotonic()
    said = json.loads(
        albert("finetune", f"glue/{task}", *small, "--threads", "1", "--out", folder / f"run-{task}", "--json")
    )
    split = DEV_SPLITS.get(task, "dev")
    return said["scores"][split][TASKS[task][1]], time.monotonic() - start


if __name__ == "__main__":
    sys.exit(by_heart(learn, {task: metric for task, (_, metric, *_) in TASKS.items()}, sys.argv[1:]))
