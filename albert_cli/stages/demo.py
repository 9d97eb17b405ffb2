"""`make demo`: the whole life of a small ALBERT on this machine, from text to a filled mask."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from albert_cli.data.python_docs import labelled_python_docs
from albert_cli.errors import AlbertError
from albert_cli.inference.pipeline import pipeline
from albert_cli.metrics.baselines import bag_of_words_accuracy
from albert_cli.recipe.load import LoadedRecipe, load_recipe
from albert_cli.recipe.requests import RunOptions
from albert_cli.report.console import Talk, result_text
from albert_cli.stages import finetune, pretrain, train_tokenizer

PROMPTS = (
    "Returns a new [MASK] with the given values.",
    "If [MASK] is None, the default is used.",
    "Raises an error if the [MASK] does not exist.",
)

# Settings of the 30-second form, which shows that everything works and not that anything is learnt.
TINY: Mapping[str, Sequence[str]] = {
    "tokenizer": ("data.limit=1500", "tokenizer.vocab_size=600"),
    "pretrain": (
        "data.limit=1500",
        "train.max_steps=40",
        "train.warmup_steps=4",
        "train.log_every=20",
        "train.eval_every=40",
        "train.save_every=40",
    ),
    "topics": ("data.limit=300", "train.epochs=1", "train.warmup_steps=2"),
}


@dataclass(frozen=True)
class Parts:
    """What the three parts of the demo report."""

    tokenizer: Mapping[str, Any]
    pretrain: Mapping[str, Any]
    topics: Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m albert_cli.stages.demo", description=__doc__)
    parser.add_argument("--out", type=Path, help="folder of the three parts (default: runs/demo-<time>)")
    parser.add_argument("--tiny", action="store_true", help="half a minute instead of minutes; learns next to nothing")
    parser.add_argument("--threads", type=int, help="threads of the processor")
    chosen = parser.parse_args(arguments)
    out = chosen.out or Path("runs") / f"demo-{time.strftime('%Y%m%d-%H%M%S')}"
    with Talk() as talk:
        try:
            began = time.monotonic()
            parts = run_parts(out, talk, tiny=chosen.tiny, threads=chosen.threads)
            for line in summary(parts, out, time.monotonic() - began):
                result_text(line)
        except AlbertError as error:
            talk.error(error)
            return error.exit_code
    return 0


def run_parts(out: Path, talk: Talk, *, tiny: bool, threads: int | None) -> Parts:
    """Train the tokenizer, the model and the classifier, each into a folder below ``out``."""
    options = RunOptions()
    settings = TINY if tiny else {}
    talk.say("1 of 3: a tokenizer")
    tokenizer = train_tokenizer.execute(part_recipe("tokenizer", out, settings, threads=threads), options, talk)
    talk.say("2 of 3: pretraining")
    pretrained = pretrain.execute(part_recipe("pretrain", out, settings, threads=threads), options, talk)
    talk.say("3 of 3: a task")
    topics = finetune.execute(part_recipe("topics", out, settings, threads=threads), options, talk)
    return Parts(tokenizer, pretrained, topics)


def part_recipe(
    part: str, out: Path, settings: Mapping[str, Sequence[str]], *, threads: int | None = None
) -> LoadedRecipe:
    """The recipe of one part, which finds what the parts before it left.

    Args:
        part: ``tokenizer``, ``pretrain`` or ``topics``.
        out: folder of all parts.
        settings: further overrides by part.
        threads: of the processor.
    """
    places = {
        "tokenizer": [],
        "pretrain": [f"tokenizer={out / 'tokenizer'}", f"data.cache={out / 'cache'}"],
        "topics": [f"model={out / 'pretrain'}"],
    }
    shortcuts = {"out": str(out / part), "runtime.threads": threads}
    return load_recipe(f"demo/{part}", overrides=[*settings.get(part, ()), *places[part]], shortcuts=shortcuts)


def summary(parts: Parts, out: Path, seconds: float) -> list[str]:
    """What came of it, every number beside the one that needs no learning."""
    held_out, topics = parts.pretrain["held_out"], parts.topics
    data = parts.pretrain["data"]
    lines = [
        "",
        f"text             {data['tokens']:,} tokens in {data['documents']:,} documents; "
        f"{parts.tokenizer['pieces']:,} pieces",
        f"masked words     loss {held_out['mlm_loss_masked']:.3f} on held-out text, where [MASK] is shown; "
        f"word frequencies alone {held_out['mlm_loss_unigram']:.3f}",
        f"                 accuracy {held_out['mlm_accuracy_masked']:.1%}; "
        f"always the most frequent piece {held_out['mlm_accuracy_unigram']:.1%}",
        f"sentence order   accuracy {held_out['sop_accuracy']:.1%} on held-out text; guessing 50 %",
        f"which library    accuracy {topics['scores']['dev']['accuracy']:.1%} on modules not trained on; "
        f"always the largest {topics['baseline']:.1%}; naive Bayes on words {_bag_of_words():.1%}",
    ]
    fill = pipeline("fill-mask", parts.pretrain["model"], device=-1)
    for prompt in PROMPTS:
        candidates = ", ".join(f"{one['token_str']} {one['score']:.1%}" for one in fill(prompt))
        lines.append(f"{prompt}")
        lines.append(f"                 {candidates}")
    return [*lines, f"run folder       {out}  ({seconds / 60:.1f} minutes)"]


def _bag_of_words() -> float:
    train, dev = labelled_python_docs()
    return bag_of_words_accuracy(
        [doc.text for doc in train], [doc.label for doc in train], [doc.text for doc in dev], [doc.label for doc in dev]
    )


if __name__ == "__main__":
    sys.exit(main())
