"""Text to model, with the command line alone: ``make smoke-pretrain``."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from steps import Failed, albert, check, documents, end, settings


def smoke(folder: Path) -> None:
    """Train a tokenizer, look at the data, pretrain, fill a mask with the result."""
    text, tokenizer, run = folder / "text.txt", folder / "tokenizer", folder / "run"
    text.write_text("\n\n".join(documents(160, seed=1)))
    albert(
        "train-tokenizer",
        "tokenizer/english",
        *settings(data__path=text, tokenizer__vocab_size=100),
        "--out",
        tokenizer,
    )
    small = settings(
        data__path=text,
        data__max_length=64,
        data__held_out=0.05,
        data__cache=folder / "cache",
        model="tiny",
        tokenizer=tokenizer,
        runtime__nproc=1,
        runtime__precision="fp32",
    )
    training = settings(
        train__batch_size=16,
        train__accumulate=1,
        train__max_steps=250,
        train__warmup_steps=16,
        train__learning_rate=5e-3,
        train__learning_rate_for_batch="null",
        train__log_every=20,
        train__eval_every=125,
        train__save_every=125,
    )
    seen = json.loads(albert("data", "inspect", "pretrain/base", *small, *training, "--json"))
    check(0.1 < seen["mask_rate"] < 0.2, f"mask rate {seen['mask_rate']}")
    check(0.3 < seen["swapped_fraction"] < 0.7, f"{seen['swapped_fraction']} of the pairs are swapped")
    albert("pretrain", "pretrain/base", *small, *training, "--out", run)
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    measured = [event for event in events if event["split"] == "held_out"][-1]
    masked, unigram = measured["mlm_loss_masked"], measured["mlm_loss_unigram"]
    check(masked < unigram - 0.05, f"held-out loss {masked} where [MASK] is shown, {unigram} by word frequencies alone")
    check(json.loads((run / "status.json").read_text())["state"] == "done", "the run does not say that it is done")
    answer = json.loads(albert("run", "--task", "fill-mask", "--model", run, "The film was [MASK] from start to end."))
    check(len(answer["results"]) == 5, f"{len(answer['results'])} answers")


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
