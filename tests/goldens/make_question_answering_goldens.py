"""Make tests/goldens/question_answering.json: answers of the question-answering pipeline of transformers 4.57.

Run once, from the repository root, after `make peers`:
``.venv/bin/python tests/goldens/make_question_answering_goldens.py``. Model and texts are made here: weights of
numpy's ``RandomState``, whose numbers never change, and the tokenizer of tests/goldens/tokenizer.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForQuestionAnswering
from albert_cli.tokenization.tokenizer import AlbertTokenizer

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent
FILE = FOLDER / "question_answering.json"
PEER = ROOT / ".venv-peer457" / "bin" / "python"

SHORT = "The captain of the ship, a Café owner (from the Island), was my brother. He read 230 letters by the river."
LONG = " ".join(
    f"On day {day} the {one} in the {two} was well known; mother's {one} {day * 37} stood by the {three}."
    for day, one, two, three in zip(
        range(40),
        ["lantern", "paper", "bridge", "tower", "market"] * 8,
        ["garden", "valley", "station", "harbour"] * 10,
        ["river", "window", "forest", "house", "island", "mountain", "bread", "stone"] * 5,
        strict=True,
    )
)
WHO = "Who was the captain of the ship?"

CALLS: list[dict[str, Any]] = [
    {"question": WHO, "context": SHORT},
    {"question": WHO, "context": SHORT, "top_k": 4},
    {"question": WHO, "context": SHORT, "align_to_words": False, "top_k": 3},
    {"question": WHO, "context": SHORT, "handle_impossible_answer": True, "top_k": 3},
    {"question": WHO, "context": SHORT, "max_answer_len": 2, "top_k": 2},
    {"question": "What stood by the stone?", "context": LONG},
    {"question": "What stood by the stone?", "context": LONG, "top_k": 5, "max_answer_len": 4},
    {"question": "Where?", "context": LONG, "max_seq_len": 64, "doc_stride": 16, "top_k": 3},
    {"question": "Where?", "context": LONG, "max_seq_len": 64, "handle_impossible_answer": True},
    {"question": ["Who?", "Where was it?"], "context": [SHORT, LONG[:300]]},
    {"question": ["Who?", "Where was it?"], "context": SHORT},
    {"question": WHO, "context": LONG, "max_seq_len": 100, "doc_stride": 50, "top_k": 7, "align_to_words": False},
    {
        "question": WHO,
        "context": LONG,
        "max_seq_len": 64,
        "doc_stride": 16,
        "handle_impossible_answer": True,
        "top_k": 5,
        "align_to_words": False,
    },
    {"question": WHO, "context": SHORT, "max_answer_len": 1, "top_k": 3},
    {"question": WHO, "context": LONG, "max_answer_len": 40, "doc_stride": 0},
    # Theirs never cuts a question, whatever max_question_len says; ours does.
    {"question": " ".join([WHO] * 5), "context": LONG, "max_question_len": 500, "top_k": 2},
    {"question": [WHO, "Where?", "When?"], "context": [SHORT, LONG, "Café"], "top_k": 2},
    {"question": WHO, "context": LONG, "max_seq_len": 128, "padding": "max_length", "top_k": 2},
    {"question": "?", "context": " one\ttwo  three\n", "top_k": 30},
]


def make_model(directory: Path) -> Path:
    """Save the model and its tokenizer."""
    tokenizer = AlbertTokenizer(FOLDER / "tokenizer" / "spiece.model")
    config = AlbertConfig(
        vocab_size=len(tokenizer),
        embedding_size=16,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=512,
    )
    model = AlbertForQuestionAnswering(config)
    draw = np.random.RandomState(11)
    with torch.no_grad():
        for name, part in sorted(model.named_parameters()):
            values = draw.normal(scale=0.5, size=part.shape) + float(name.endswith(("Norm.weight", "norm.weight")))
            part.copy_(torch.from_numpy(values))
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def ask_peer(directory: Path) -> list[Any]:
    """What transformers 4.57 answers."""
    request = {"directory": str(directory), "packages": str(Path(torch.__file__).parents[1]), "calls": CALLS}
    done = subprocess.run(
        [PEER, FOLDER / "peer_question_answering.py"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: list[Any] = json.loads(done.stdout)
    return found


def main() -> int:
    """Write the file."""
    with tempfile.TemporaryDirectory() as folder:
        found = ask_peer(make_model(Path(folder)))
    FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
