"""SQuAD v1.1 from questions to predictions, with the command line alone: ``make smoke-squad``."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from questions import read_questions, write_questions
from steps import Failed, albert, check, documents, end, settings

ROWS, TEST_ROWS = 96, 20


def smoke(folder: Path) -> None:
    """Train a tokenizer and a model, score it and its saved answers, predict, and ask one question."""
    data, text, run = folder / "data", folder / "text.txt", folder / "run"
    data.mkdir()
    train = write_questions(data / "train-v1.1.json", ROWS, seed=1)
    shutil.copy(train, data / "dev-v1.1.json")  # what is learnt by heart is what is asked
    test = write_questions(folder / "test.json", TEST_ROWS, seed=3)
    learnt = read_questions(train)
    text.write_text("\n\n".join([*(context for _, context, _ in learnt), *documents(40, seed=4)]))
    albert("train-tokenizer", "--input", text, "--out", folder / "tokenizer", *settings(tokenizer__vocab_size=120))
    small = settings(
        data__path=data,
        data__max_length=64,
        question_answering__stride=16,
        model="tiny",
        tokenizer=folder / "tokenizer",
        train__max_steps=140,
        train__warmup_steps=20,
        train__batch_size=24,
        train__learning_rate=1e-3,
        train__classifier_dropout=0.0,
        train__eval_every=70,
        train__save_every=70,
        train__log_every=40,
    )
    albert("finetune", "squad", *small, "--out", run, "--dry-run")
    albert("finetune", "squad", *small, "--out", run)
    check((run / "predictions" / "dev" / "nbest_predictions.json").is_file(), "no n-best file of the dev split")
    albert("eval", run, "--fail-under", "f1=0.9", "--fail-under", "exact_match=0.85")
    albert("eval", run, "--predictions", run / "predictions" / "dev" / "predictions.json", "--fail-under", "f1=0.9")
    albert("predict", run, test, "--out", folder / "predictions.json")
    predicted = json.loads((folder / "predictions.json").read_text())
    check(len(predicted) == TEST_ROWS, f"{len(predicted)} predictions")
    question, context, right = learnt[0]
    said = albert("run", "--task", "question-answering", "--model", run, "--question", question, "--context", context)
    answer = json.loads(said)["results"][0]
    check(answer["answer"].startswith(right), f"{answer!r}, and right is {right}")


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
