"""How large can the answer to an input become? A small request must not be able to fill the memory.

Upper estimates, from what is known before the model is asked. A filled mask, for one, comes with the whole text, for
every mask and every candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from albert_cli.inference.loading import Loaded
from albert_cli.inference.queries import Query, Refusal

Measure = Callable[[Query], int | Refusal]
"""Bytes that the answer may have, or why there is none."""

_FIELDS = 200  # bytes of one result without its texts: names, numbers, punctuation
_NUMBER = 56  # bytes of a number of a vector: an object of Python, a place in a list, about twenty digits
_MOST_JOINT_MASKS = 16  # filled one after another: each asks the model again


def measure_for(task: str, loaded: Loaded, parameters: Mapping[str, Any]) -> Measure:
    """Make what estimates the answers of a task.

    Args:
        task: its name.
        loaded: the model.
        parameters: of the task (`inference.tasks.PARAMETERS`).
    """
    top_k = parameters.get("top_k") or 5
    if task == "fill-mask":
        return lambda query: _filled(query, loaded, top_k=top_k, joint=bool(parameters.get("joint")))
    if task == "feature-extraction":
        width = loaded.model.config.hidden_size * _NUMBER
        is_pooled = (parameters.get("pooling") or "none") != "none"
        return lambda query: width * (1 if is_pooled else min(query.num_characters + 3, loaded.max_length))
    if task == "token-classification":
        return lambda query: _FIELDS * (1 + query.num_characters)
    if task == "question-answering":
        return lambda query: top_k * (_FIELDS + query.num_characters)
    if task == "text-classification":
        return lambda query: _FIELDS * min(top_k, loaded.model.config.num_labels)
    return lambda query: _FIELDS * (1 + len(query.choices)) + query.num_characters


def _filled(query: Query, loaded: Loaded, *, top_k: int, joint: bool) -> int | Refusal:
    masks = query.text.count(loaded.tokenizer.mask_token)
    if joint and masks > _MOST_JOINT_MASKS:
        return Refusal(f"{masks:,} masks; at most {_MOST_JOINT_MASKS} are filled together")
    return top_k * max(1, masks) * (_FIELDS + len(query.text))
