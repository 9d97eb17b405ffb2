"""Runs in the environment of transformers 4.57: JSON on stdin, answers of its question-answering pipeline on stdout.

``{"directory": model, "packages": folder with torch, "calls": [{"question": ..., "context": ..., ...}]}``; what a call
holds besides are parameters of the pipeline. ``{"examples": [[id, [answers], prediction, odds]]}`` asks its SQuAD
metrics instead. The environment has no torch of its own.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any


def answers(request: dict[str, Any]) -> list[Any]:
    """What the pipeline answers to each call."""
    sys.path.append(request["packages"])  # after this environment's own packages: those win where both have one
    from transformers import pipeline

    ask = pipeline("question-answering", model=request["directory"], tokenizer=request["directory"], device=-1)
    return [ask(**call) for call in request["calls"]]


def scores(request: dict[str, Any]) -> dict[str, float]:
    """Official scores of v2.0."""
    from transformers.data.metrics.squad_metrics import squad_evaluate

    rows = request["examples"]
    examples = [SimpleNamespace(qas_id=row[0], answers=[{"text": text} for text in row[1]]) for row in rows]
    found = squad_evaluate(examples, {row[0]: row[2] for row in rows}, {row[0]: row[3] for row in rows})
    return dict(found)


def main() -> None:
    """Answer the request on stdin."""
    request = json.load(sys.stdin)
    json.dump(scores(request) if "examples" in request else answers(request), sys.stdout)


if __name__ == "__main__":
    main()
