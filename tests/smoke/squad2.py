"""SQuAD v2.0 from questions to predictions, with the command line alone: ``make smoke-squad2``."""

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
    """Train a tokenizer and a model that may decline, score it and its saved answers, predict, ask."""
    data, text, run = folder / "data", folder / "text.txt", folder / "run"
    data.mkdir()
    train = write_questions(data / "train-v2.0.json", ROWS, seed=1, impossible_share=0.4)
    shutil.copy(train, data / "dev-v2.0.json")  # what is learnt by heart is what is asked
    test = write_questions(folder / "test.json", TEST_ROWS, seed=3, impossible_share=0.4)
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
    albert("finetune", "squad2", *small, "--out", run, "--dry-run")
    albert("finetune", "squad2", *small, "--out", run)
    config = json.loads((run / "model" / "config.json").read_text())
    check("null_score_diff_threshold" in config, "the model does not know when to decline")
    albert("eval", run, "--fail-under", "f1=0.9", "--fail-under", "NoAns_exact=0.9")
    albert("eval", run, "--predictions", run / "predictions" / "dev" / "predictions.json", "--fail-under", "f1=0.9")
    albert("predict", run, test, "--out", folder / "predictions.json")
    predicted, odds = (json.loads((folder / f"{name}.json").read_text()) for name in ("predictions", "null_odds"))
    check(len(predicted) == len(odds) == TEST_ROWS, f"{len(predicted)} predictions, {len(odds)} odds")
    declined = [name for name, text in predicted.items() if not text]
    check(len(declined) > 0, "no question is declined")
    check(min(odds[name] for name in declined) > config["null_score_diff_threshold"], "declined below the threshold")
    asked = [next(one for one in learnt if bool(one[2]) == answered) for answered in (True, False)]
    lines = "".join(f"{question}\t{context}\n" for question, context, _ in asked)
    said = albert("run", "--task", "question-answering", "--model", run, input_text=lines)
    answers = [json.loads(line)["results"][0]["answer"] for line in said.splitlines()]
    check(answers[0].startswith(asked[0][2]), f"the answers are {answers}")
    check(answers[1] == "", f"the answers are {answers}")


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
