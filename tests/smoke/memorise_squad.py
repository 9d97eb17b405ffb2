"""Does a small model learn 64 questions about texts by heart, from random weights, with the command line alone?

``python tests/smoke/memorise_squad.py SQUAD_FOLDER TOKENIZER [TASK ...]``. SQUAD_FOLDER holds training files of SQuAD
v1.1 and v2.0. Training rows and dev rows are the same 64, no question twice (v1.1 has one question with several
answers, as several rows), half of those of v2.0 unanswerable. Two minutes each on one core; the score must reach 98 %.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from steps import albert, by_heart, check, settings

ROWS = 64
# Task: version in the names of its files, and the score that must be reached.
TASKS = {"squad": ("v1.1", "f1"), "squad2": ("v2.0", "exact")}


def first_questions(source: Path, target: Path, *, version: str) -> None:
    """Copy the first different questions of a training file as training and dev questions."""
    path = next(iter(sorted(source.rglob(f"train-{version}.json"))), None)
    check(path is not None, f"no train-{version}.json below {source}")
    assert path is not None
    room = {False: ROWS, True: 0} if version == "v1.1" else {False: ROWS // 2, True: ROWS // 2}
    seen: set[str] = set()
    paragraphs: list[dict[str, Any]] = []
    for article in json.loads(path.read_text())["data"]:
        for paragraph in article["paragraphs"]:
            chosen = []
            for entry in paragraph["qas"]:
                kind, words = bool(entry.get("is_impossible")), entry["question"].strip().lower()
                if room[kind] and words not in seen:
                    chosen.append(entry)
                    seen.add(words)
                    room[kind] -= 1
            if chosen:
                paragraphs.append({"context": paragraph["context"], "qas": chosen})
    check(not any(room.values()), f"{path} has too few questions")
    for name in ("train", "dev"):
        content = {"version": version, "data": [{"title": "", "paragraphs": paragraphs}]}
        (target / f"{name}-{version}.json").write_text(json.dumps(content))


def learn(task: str, source: Path, tokenizer: Path, folder: Path) -> tuple[float, float]:
    """Train on the questions and return score and seconds."""
    rows = folder / task
    rows.mkdir()
    first_questions(source, rows, version=TASKS[task][0])
    small = settings(
        data__path=rows,
        data__max_length=320,
        model="tiny",
        tokenizer=tokenizer,
        train__batch_size=16,
        train__learning_rate=1e-3,
        train__max_steps=600,
        train__warmup_steps=30,
        train__dropout=0.0,
        train__classifier_dropout=0.0,
        train__eval_every=300,
        train__save_every=300,
        train__log_every=100,
    )
    start = time.monotonic()
    said = json.loads(albert("finetune", task, *small, "--threads", "1", "--out", folder / f"run-{task}", "--json"))
    return said["scores"]["dev"][TASKS[task][1]], time.monotonic() - start


if __name__ == "__main__":
    sys.exit(by_heart(learn, {task: metric for task, (_, metric, *_) in TASKS.items()}, sys.argv[1:]))
