"""A GLUE task from rows to predictions, with the command line alone: ``make smoke-glue``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from steps import Failed, albert, check, documents, end, reviews, settings

TEST_ROWS = 20


def write_rows(folder: Path) -> Path:
    """Write SST-2 in its official form."""
    task = folder / "SST-2"
    task.mkdir()
    for name, number, seed in (("train", 400, 1), ("dev", 60, 2)):
        rows = [f"{text}\t{label}" for text, label in reviews(number, seed=seed)]
        (task / f"{name}.tsv").write_text("\n".join(["sentence\tlabel", *rows, ""]))
    rows = [f"{number}\t{text}" for number, (text, _) in enumerate(reviews(TEST_ROWS, seed=3))]
    (task / "test.tsv").write_text("\n".join(["index\tsentence", *rows, ""]))
    return task


def smoke(folder: Path) -> None:
    """Train a tokenizer and a classifier, score it, predict the test rows."""
    task, text, run = write_rows(folder), folder / "text.txt", folder / "run"
    text.write_text("\n\n".join(documents(80, seed=4)))
    albert("train-tokenizer", "--input", text, "--out", folder / "tokenizer", *settings(tokenizer__vocab_size=100))
    small = settings(
        data__path=task,
        data__max_length=32,
        model="tiny",
        tokenizer=folder / "tokenizer",
        train__max_steps=100,
        train__warmup_steps=10,
        train__batch_size=32,
        train__learning_rate=5e-4,
        train__eval_every=50,
        train__save_every=50,
        train__log_every=20,
    )
    albert("finetune", "glue/sst2", *small, "--out", run, "--dry-run")
    albert("finetune", "glue/sst2", *small, "--out", run)
    check((run / "model" / "model.safetensors").is_file(), "no model in the run directory")
    albert("eval", run, "--fail-under", "accuracy=0.9")
    albert("predict", run, task / "test.tsv", "--out", folder / "SST-2.tsv")
    predicted = (folder / "SST-2.tsv").read_text().splitlines()
    check(len(predicted) == TEST_ROWS + 1, f"{len(predicted)} lines of predictions")
    answers = albert("run", "--task", "text-classification", "--model", run, "the film was splendid once more")
    check('"label"' in answers, f"no label in {answers!r}")


def main() -> int:
    """Run in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            smoke(Path(folder))
        except Failed as error:
            return end(error)
    return end(None)


if __name__ == "__main__":
    sys.exit(main())
