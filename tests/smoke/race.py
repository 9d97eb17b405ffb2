"""RACE from passages to predictions, with the command line alone: ``make smoke-race``."""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path

from steps import BAD, ENDINGS, FOLLOW_UPS, GOOD, SUBJECTS, Failed, albert, check, documents, end, settings

TEST_PASSAGES = 6


def passage(name: str, draw: random.Random) -> dict[str, object]:
    """A passage about something that was liked, and questions with one kind answer of four."""
    subject = draw.choice(SUBJECTS)
    article = f"{draw.choice(FOLLOW_UPS)} We liked {subject} {draw.choice(ENDINGS)}."
    options, answers = [], []
    for _ in range(2):
        offered, place = draw.sample(BAD, 3), draw.randrange(4)
        options.append([*offered[:place], draw.choice(GOOD), *offered[place:]])
        answers.append("ABCD"[place])
    questions = [f"{subject} was _ .", "How was it?"]
    return {"id": name, "article": article, "questions": questions, "options": options, "answers": answers}


def write_passages(folder: Path) -> Path:
    """Write RACE in its official layout."""
    draw = random.Random(5)
    for split, number in (("train", 150), ("dev", 20), ("test", TEST_PASSAGES)):
        for level in ("middle", "high"):
            target = folder / "RACE" / split / level
            target.mkdir(parents=True)
            for count in range(number // 2):
                name = f"{count}.txt"
                (target / name).write_text(json.dumps(passage(f"{level}{name}", draw)))
    return folder / "RACE"


def smoke(folder: Path) -> None:
    """Train a tokenizer and a model that chooses, score it, predict the test passages, ask it a question."""
    task, text, run = write_passages(folder), folder / "text.txt", folder / "run"
    text.write_text("\n\n".join(documents(80, seed=4)))
    albert("train-tokenizer", "--input", text, "--out", folder / "tokenizer", *settings(tokenizer__vocab_size=100))
    sizes = "{hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 128"
    small = settings(
        data__path=task,
        data__max_length=64,
        model=sizes + ", initializer_range: 0.06}",
        tokenizer=folder / "tokenizer",
        train__max_steps=100,
        train__warmup_steps=10,
        train__batch_size=16,
        train__learning_rate=1e-3,
        train__classifier_dropout=0.0,
        train__eval_every=50,
        train__save_every=50,
        train__log_every=20,
    )
    albert("finetune", "race", *small, "--out", run, "--dry-run")
    albert("finetune", "race", *small, "--out", run)
    check((run / "model" / "model.safetensors").is_file(), "no model in the run directory")
    albert("eval", run, "--fail-under", "accuracy=0.9")
    albert("predict", run, task / "test", "--out", folder / "test.jsonl")
    rows = [json.loads(line) for line in (folder / "test.jsonl").read_text().splitlines()]
    check(len(rows) == 2 * TEST_PASSAGES, f"{len(rows)} predictions")
    check(all(row["prediction"] in "ABCD" for row in rows), f"no letter in {rows[0]}")
    answers = albert("run", "--task", "multiple-choice", "--model", run, "the film was\tsplendid\tdull\twarm")
    check([*json.loads(answers)["results"][0]] == ["choice", "label", "score"], f"no choice in {answers!r}")


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
