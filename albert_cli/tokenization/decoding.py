"""How do ids become text again?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

# English spacing repairs that `clean_up_tokenization_spaces` stands for, in this order.
_REPAIRS = (
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
)


def tokens_to_string(tokens: Sequence[str], *, special: Collection[str], join: Callable[[Sequence[str]], str]) -> str:
    """Text of tokens: a special token stands as it is, with a space before the text in front of it.

    Args:
        tokens: pieces and special tokens.
        special: the special tokens.
        join: SentencePiece's way of putting pieces together.
    """
    out = ""
    waiting: list[str] = []
    after_special = False
    for token in tokens:
        if token in special:
            out += ("" if after_special else " ") + join(waiting) + token
            waiting = []
        else:
            waiting.append(token)
        after_special = token in special
    return (out + join(waiting)).strip()


def decode_tokens(
    tokens: Sequence[str],
    *,
    special: Collection[str],
    added: Collection[str],
    join: Callable[[Sequence[str]], str],
    spaces_between: bool,
) -> str:
    """Text of tokens of which some were added to the vocabulary: those part the text.

    Args:
        tokens: pieces, special and added tokens.
        special: special tokens, which stand in the text as they are.
        added: added tokens that are not special.
        join: SentencePiece's way of putting pieces together.
        spaces_between: put a space between the parts.
    """
    parts: list[str] = []
    current: list[str] = []
    for token in [*tokens, None]:
        if token is not None and token not in added:
            current.append(token)
            continue
        text = tokens_to_string(current, special=special, join=join) if current else ""
        parts += [text] if text else []
        parts += [token] if token is not None else []
        current = []
    return (" " if spaces_between else "").join(parts)


def clean_up_spaces(text: str) -> str:
    """Take away the spaces that tokenizers for English leave before punctuation and short forms."""
    for wrong, right in _REPAIRS:
        text = text.replace(wrong, right)
    return text


def is_batch(ids: Any) -> bool:
    """Whether these are several rows of ids."""
    if hasattr(ids, "ndim"):
        return bool(ids.ndim > 1)
    return isinstance(ids, (list, tuple)) and bool(ids) and (isinstance(ids[0], (list, tuple)) or _is_row(ids[0]))


def _is_row(item: Any) -> bool:
    """Whether an array or tensor is a row of ids (and not one id)."""
    return bool(getattr(item, "ndim", 0))


def as_id_list(ids: Any) -> list[int] | int:
    """Plain integers from whatever holds ids: lists, arrays, tensors of torch, TensorFlow or JAX on any device."""
    if hasattr(ids, "detach"):
        ids = ids.detach().cpu()
    if hasattr(ids, "tolist"):
        ids = ids.tolist()
    elif hasattr(ids, "numpy"):
        ids = ids.numpy().tolist()
    if isinstance(ids, (list, tuple)):
        return [int(index) for index in ids]
    return int(ids)
