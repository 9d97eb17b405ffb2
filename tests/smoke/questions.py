"""Questions about little texts, in SQuAD's form, that a small model can learn: for the smoke runs of span tasks."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

NAMES = ["Anna", "Boris", "Clara", "David", "Emma", "Felix", "Grete", "Hugo"]
PLACES = ["Paris", "London", "Rome", "Oslo", "Vienna", "Madrid", "Prague", "Lisbon"]
THINGS = ["bread", "tea", "paper", "salt", "coffee", "wool", "glass", "silk"]


def question(draw: random.Random, number: int, *, impossible_share: float) -> dict[str, Any]:
    """A text of three facts, and a question about one of them, or about what the text does not say."""
    name, place, thing = draw.choice(NAMES), draw.choice(PLACES), draw.choice(THINGS)
    facts = {
        "Who is it about?": (f"This is about {name}.", name),
        "Where to?": (f"The train went to {place}.", place),
        "What was bought?": (f"Somebody bought {thing}.", thing),
    }
    asked = draw.choice(list(facts))
    left_out = draw.random() < impossible_share
    lines = [text for key, (text, _) in facts.items() if not (left_out and key == asked)]
    draw.shuffle(lines)
    context, answer = " ".join(lines), facts[asked][1]
    answers = [] if left_out else [{"text": answer, "answer_start": context.index(answer)}]
    entry: dict[str, Any] = {"id": f"q{number}", "question": asked, "answers": answers}
    if impossible_share:
        entry["is_impossible"] = left_out
    return {"context": context, "qas": [entry]}


def write_questions(path: Path, number: int, *, seed: int, impossible_share: float = 0.0) -> Path:
    """Write a file of questions."""
    draw = random.Random(seed)
    paragraphs = [question(draw, each, impossible_share=impossible_share) for each in range(number)]
    data = [{"title": "facts", "paragraphs": paragraphs}]
    path.write_text(json.dumps({"version": "2.0" if impossible_share else "1.1", "data": data}))
    return path


def read_questions(path: Path) -> list[tuple[str, str, str]]:
    """Question, text and answer (empty where the text has none) of each entry of a file."""
    data = json.loads(path.read_text())["data"]
    found = []
    for paragraph in data[0]["paragraphs"]:
        entry = paragraph["qas"][0]
        answers = [answer["text"] for answer in entry["answers"]]
        found.append((entry["question"], paragraph["context"], answers[0] if answers else ""))
    return found
