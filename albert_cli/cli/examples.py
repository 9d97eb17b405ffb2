"""What does one type? A few lines for the end of every command's help."""

from __future__ import annotations

from collections.abc import Mapping

LINES: Mapping[str, tuple[str, ...]] = {
    "": (
        "albert doctor",
        "albert finetune glue/mrpc",
        'albert run --task fill-mask "The capital of France is [MASK]."',
    ),
    "train-tokenizer": (
        "albert train-tokenizer demo/tokenizer --out runs/tokenizer",
        "albert train-tokenizer --input text/*.txt --set tokenizer.vocab_size=8000 --out runs/tokenizer",
    ),
    "pretrain": (
        "albert pretrain demo/pretrain --set tokenizer=runs/tokenizer --out runs/pretrain",
        "albert pretrain pretrain/small-cpu --set data.path=text/ --set tokenizer=runs/tokenizer --dry-run",
        "albert pretrain runs/pretrain --resume --out runs/pretrain",
    ),
    "finetune": (
        "albert finetune glue/mrpc --out runs/mrpc",
        "albert finetune own/text-classification --set data.path=reviews.csv --set model=runs/pretrain --dry-run",
        "albert finetune glue/rte --seeds 1,2,3 --out runs/rte",
    ),
    "eval": (
        "albert eval runs/mrpc",
        "albert eval squad --model runs/squad --fail-under f1=88",
        "albert eval squad --predictions runs/squad/predictions/dev.json",
    ),
    "predict": (
        "albert predict runs/mrpc test.tsv --out answers.tsv",
        'echo "Good film." | albert predict runs/sst2 -',
    ),
    "run": (
        'albert run --task fill-mask --model albert-base-v2 "Plants create [MASK]."',
        "albert run --task text-classification --model runs/sst2 --input reviews.txt --output labels.jsonl",
        'albert run --task question-answering --model runs/squad --question "Where?" --context "It is in Rome."',
    ),
    "convert": (
        "albert convert albert_base/ albert-base-hf --to hf",
        "albert convert runs/sst2 sst2-onnx --to onnx --int8",
    ),
    "serve": (
        "albert serve --model runs/sst2",
        "albert serve --model albert-base-v2 --task fill-mask --port 0",
        """curl -d '{"text": "Plants create [MASK]."}' http://127.0.0.1:8000/fill-mask""",
    ),
    "recipe": ("albert recipe ls glue", "albert recipe copy squad my-squad.yaml", "albert recipe check my-squad.yaml"),
    "recipe ls": ("albert recipe ls", "albert recipe ls own", "albert recipe ls --json"),
    "recipe show": ("albert recipe show squad", "albert recipe show glue/mrpc --origin"),
    "recipe copy": ("albert recipe copy squad my-squad.yaml",),
    "recipe fill": ("albert recipe fill my-squad.yaml --diff",),
    "recipe check": ("albert recipe check my-squad.yaml glue/mrpc",),
    "recipe diff": ("albert recipe diff squad squad2", "albert recipe diff squad runs/squad"),
    "recipe schema": ("albert recipe schema > recipe.schema.json",),
    "data": ("albert data inspect glue/mrpc", "albert data fetch glue/mrpc --out data/mrpc"),
    "data inspect": (
        "albert data inspect demo/pretrain --set tokenizer=runs/tokenizer -n 5",
        "albert data inspect own/text-classification --set data.path=reviews.csv --json",
    ),
    "data fetch": ("albert data fetch glue/mrpc --out data/mrpc",),
    "data prepare": ("albert data prepare demo/pretrain --set tokenizer=runs/tokenizer --workers 4",),
    "runs": ("albert runs ls", "albert runs show runs/mrpc", "albert runs compare runs/mrpc runs/mrpc-2"),
    "runs ls": ("albert runs ls", "albert runs ls experiments --json"),
    "runs show": ("albert runs show runs/mrpc",),
    "runs compare": ("albert runs compare runs/mrpc runs/mrpc-2",),
    "runs plot": ("albert runs plot runs/mrpc --terminal", "albert runs plot runs/a runs/b --only loss --out pictures"),
    "runs report": ("albert runs report runs/mrpc",),
    "bench": ("albert bench train --size base", "albert bench infer --sides fp32,int8"),
    "bench data": ("albert bench data --tokenizer runs/tokenizer",),
    "bench train": (
        "albert bench train --workload finetune-mnli --threads 1",
        "albert bench train --size large --memory",
    ),
    "bench infer": ("albert bench infer --workload predict-1 --sides fp32,int8",),
    "bench start": ("albert bench start --rounds 5",),
    "env": ("albert env", "albert env --markdown"),
    "doctor": ("albert doctor", "albert doctor --json"),
}
"""Lines by command, without ``albert``; those of the program itself have no name."""


def epilog(command: str, *, before: str = "") -> str | None:
    """The end of a command's help.

    Args:
        command: as in `LINES`.
        before: what comes first.

    Returns:
        None for a command without examples.
    """
    lines = LINES.get(command)
    if lines is None:
        return before or None
    shown = "\n".join(["Examples:", "", "\b", *lines]) + "\n"
    return f"{before}\n\n{shown}" if before else shown
