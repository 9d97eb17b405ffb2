"""Runs in the environment of transformers 4.57: JSON on stdin, its tokenizers' answers on stdout.

``{"model": spm file, "texts": [...]}`` asks the slow tokenizer built from the file, under every cleaning;
``{"directory": dir, "texts": [...], "family": "Albert"}`` asks the slow, fast and automatic classes of a family for
what they load from a directory.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import transformers

CLEANINGS: dict[str, dict[str, bool]] = {
    "uncased": {},
    "cased": {"do_lower_case": False},
    "accents": {"do_lower_case": False, "keep_accents": True},
    "lower_accents": {"keep_accents": True},
}


def from_model(path: str, texts: list[str]) -> dict[str, Any]:
    """Ids under every cleaning, and decoded text."""
    answers: dict[str, Any] = {}
    for name, options in CLEANINGS.items():
        tokenizer = transformers.AlbertTokenizer(vocab_file=path, **options)
        answers[name] = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
        if name == "uncased":
            answers["decoded"] = [tokenizer.decode(tokenizer.encode(text)) for text in texts]
            answers["decoded_plain"] = [
                tokenizer.decode(tokenizer.encode(text), skip_special_tokens=True) for text in texts
            ]
    return answers


def from_directory(path: str, texts: list[str], family: str) -> dict[str, Any]:
    """Ids and settings by class."""
    answers: dict[str, Any] = {}
    named = [getattr(transformers, f"{family}Tokenizer{form}") for form in ("", "Fast")]
    for cls in (*named, transformers.AutoTokenizer):
        tokenizer = cls.from_pretrained(path)
        answers[cls.__name__] = {
            "ids": [tokenizer.encode(text, add_special_tokens=False) for text in texts],
            "pair": dict(tokenizer("a road", "a river")),
            "model_input_names": tokenizer.model_input_names,
            "model_max_length": tokenizer.model_max_length,
            "special": tokenizer.special_tokens_map,
        }
    return answers


def main() -> None:
    """Answer the request on stdin."""
    request = json.load(sys.stdin)
    if "model" in request:
        answers = from_model(request["model"], request["texts"])
    else:
        answers = from_directory(request["directory"], request["texts"], request["family"])
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
