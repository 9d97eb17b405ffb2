"""What did a tokenizer call ask for? Reads and checks the arguments once, before any text is touched."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from albert_cli.tokenization.encoding import check_tensor_type

# Larger than any real position table: files write 1e30 for "no limit".
NO_LIMIT = 1_000_000

PAD_OPTIONS = (
    "padding",
    "max_length",
    "pad_to_multiple_of",
    "padding_side",
    "return_attention_mask",
    "return_tensors",
)

_PADDING = {False: "no", None: "no", "do_not_pad": "no", True: "longest", "longest": "longest", "max_length": "fixed"}
_TRUNCATION = {
    False: "no",
    "do_not_truncate": "no",
    True: "longest_first",
    "longest_first": "longest_first",
    "only_first": "only_first",
    "only_second": "only_second",
}


@dataclass(frozen=True)
class Shape:
    """How long rows may be and how they are filled up.

    Args:
        padding: ``no``, ``longest`` (of the batch) or ``fixed`` (to ``max_length``).
        truncation: ``no``, ``longest_first``, ``only_first`` or ``only_second``.
        max_length: tokens of a row, special ones included; None where nothing needs it.
        stride: tokens that neighbouring windows share.
        overflow: give every window of a long text, not only the first.
        multiple: pad to a multiple of this.
        padding_side: ``right`` or ``left``.
        truncation_side: ``right`` or ``left``: where tokens are taken away.
    """

    padding: str = "no"
    truncation: str = "no"
    max_length: int | None = None
    stride: int = 0
    overflow: bool = False
    multiple: int | None = None
    padding_side: str = "right"
    truncation_side: str = "right"


class CallOptions(TypedDict, total=False):
    """Options of a tokenizer call.

    Args:
        add_special_tokens: make ``[CLS] A [SEP]`` or ``[CLS] A [SEP] B [SEP]`` (default True).
        padding: True or ``"longest"`` (of the batch), ``"max_length"``, or False (default).
        truncation: True or ``"longest_first"``, ``"only_first"``, ``"only_second"``, or False. By default a text is cut
            only where ``max_length`` is given without padding.
        max_length: tokens of a row, special ones included; by default the tokenizer's ``model_max_length``.
        stride: tokens that neighbouring windows of a long text share (default 0).
        is_split_into_words: texts are lists of words; offsets then count inside each word.
        pad_to_multiple_of: pad to a multiple of this.
        padding_side: ``"right"`` or ``"left"``, by default the tokenizer's own.
        truncation_side: likewise: the side that is cut.
        return_tensors: ``"pt"`` or ``"np"``: int64 of shape (B, L); None (default): lists.
        return_token_type_ids: by default as the tokenizer's ``model_input_names`` say.
        return_attention_mask: likewise.
        return_overflowing_tokens: a row per window of a long text, and ``overflow_to_sample_mapping``.
        return_special_tokens_mask: 1 for special tokens and padding.
        return_offsets_mapping: character span of each token, (0, 0) for special tokens and padding.
        return_length: tokens of each row before padding.
        split_special_tokens: treat ``[MASK]`` and the like as text; by default the tokenizer's own setting.
    """

    add_special_tokens: bool
    padding: bool | str | None
    truncation: bool | str | None
    max_length: int | None
    stride: int
    is_split_into_words: bool
    pad_to_multiple_of: int | None
    padding_side: str | None
    truncation_side: str | None
    return_tensors: str | None
    return_token_type_ids: bool | None
    return_attention_mask: bool | None
    return_overflowing_tokens: bool
    return_special_tokens_mask: bool
    return_offsets_mapping: bool
    return_length: bool
    split_special_tokens: bool | None


@dataclass(frozen=True)
class Call:
    """What a call asked for, checked.

    Args:
        shape: how rows are cut and filled up.
        special: add special tokens.
        words: texts are lists of words.
        split: treat special tokens as text; None: the tokenizer's own setting.
        tensors: ``"pt"``, ``"np"`` or None.
        length: also give the length of each row.
        columns: wanted columns; None: the tokenizer's own setting.
    """

    shape: Shape
    special: bool
    words: bool
    split: bool | None
    tensors: str | None
    length: bool
    columns: dict[str, bool | None]


@dataclass(frozen=True)
class Sample:
    """One input: a text, or a text already split into words; perhaps a second one."""

    first: str | Sequence[str]
    second: str | Sequence[str] | None = None


def read_call(options: Mapping[str, Any], *, padding_side: str, truncation_side: str, model_max_length: int) -> Call:
    """Check the options of a call.

    Args:
        options: as given.
        padding_side: the tokenizer's own, where the call says nothing.
        truncation_side: likewise.
        model_max_length: likewise, for ``max_length``.

    Raises:
        TypeError: an option that does not exist.
        ValueError: a value that an option does not take, or options that contradict each other.
    """
    refuse_but(CallOptions.__annotations__, options, "a tokenizer call")
    check_tensor_type(options.get("return_tensors"))
    shape = _read_shape(
        options,
        padding_side=options.get("padding_side") or padding_side,
        truncation_side=options.get("truncation_side") or truncation_side,
        model_max_length=model_max_length,
    )
    return Call(
        shape=shape,
        special=bool(options.get("add_special_tokens", True)),
        words=bool(options.get("is_split_into_words", False)),
        split=options.get("split_special_tokens"),
        tensors=options.get("return_tensors"),
        length=bool(options.get("return_length", False)),
        columns={
            "input_ids": True,
            "token_type_ids": options.get("return_token_type_ids"),
            "attention_mask": options.get("return_attention_mask"),
            "special_tokens_mask": bool(options.get("return_special_tokens_mask", False)),
            "offset_mapping": bool(options.get("return_offsets_mapping", False)),
            "overflow_to_sample_mapping": shape.overflow,
        },
    )


def refuse_but(known: Collection[str], options: Mapping[str, Any], what: str) -> None:
    """Refuse options that do not exist.

    Raises:
        TypeError: naming them.
    """
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise TypeError(f"{what} does not take {', '.join(unknown)}")


def _read_shape(options: Mapping[str, Any], *, padding_side: str, truncation_side: str, model_max_length: int) -> Shape:
    """The options that shape rows."""
    padding, truncation = options.get("padding", False), options.get("truncation")
    max_length, multiple = options.get("max_length"), options.get("pad_to_multiple_of")
    stride, overflow = options.get("stride", 0), bool(options.get("return_overflowing_tokens", False))
    if _unhashable(padding) or padding not in _PADDING:
        raise ValueError(f"padding takes True, False, 'longest', 'max_length' or 'do_not_pad', got {padding!r}")
    if truncation is None:  # a length alone means: cut to it, unless it is there to pad to
        truncation = max_length is not None and _PADDING[padding] == "no"
    if _unhashable(truncation) or truncation not in _TRUNCATION:
        known = "True, False, 'longest_first', 'only_first', 'only_second' or 'do_not_truncate'"
        raise ValueError(f"truncation takes {known}, got {truncation!r}")
    check_side("padding_side", padding_side)
    check_side("truncation_side", truncation_side)
    _check_number("max_length", max_length, least=0)
    _check_number("stride", stride, least=0)
    _check_number("pad_to_multiple_of", multiple, least=1)
    pad, cut = _PADDING[padding], _TRUNCATION[truncation]
    _refuse_idle(pad, cut, max_length, stride, overflow, multiple)
    if max_length is None and model_max_length < NO_LIMIT:
        max_length = model_max_length
    if max_length is None and (pad == "fixed" or cut != "no"):
        raise ValueError("padding and truncation need max_length: this tokenizer has no model_max_length")
    if multiple and pad != "no" and cut != "no" and (max_length or 0) % multiple:
        raise ValueError(
            f"max_length={max_length} is no multiple of pad_to_multiple_of={multiple}: rows would outgrow it"
        )
    return Shape(pad, cut, max_length, stride, overflow, multiple, padding_side, truncation_side)


def check_side(name: str, side: str) -> None:
    """Refuse a side that is neither left nor right."""
    if side not in ("right", "left"):
        raise ValueError(f"{name} takes 'right' or 'left', got {side!r}")


def _check_number(name: str, value: int | None, *, least: int) -> None:
    """Refuse what is no whole number or too small."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
        raise ValueError(f"{name} is a whole number of at least {least}, got {value!r}")


def _refuse_idle(
    padding: str, truncation: str, max_length: int | None, stride: int, overflow: bool, multiple: int | None
) -> None:
    """Refuse arguments that would do nothing: whoever wrote them expects something else."""
    if max_length is not None and truncation == "no" and padding != "fixed":
        raise ValueError("max_length does nothing here: add truncation=True, or padding='max_length'")
    if stride and (truncation == "no" or not overflow):
        raise ValueError("stride does nothing without truncation and return_overflowing_tokens=True")
    if multiple is not None and padding == "no":
        raise ValueError("pad_to_multiple_of does nothing without padding")


def read_samples(text: Any, text_pair: Any, *, split_into_words: bool) -> tuple[list[Sample], bool]:
    """Turn the text arguments into samples.

    Args:
        text: one text, or a list of texts or of (text, pair); with ``split_into_words`` a list of words, or a list of
            lists of words.
        text_pair: None, or as ``text``.
        split_into_words: texts are lists of words.

    Returns:
        The samples, and whether a batch (and not one text) was given.

    Raises:
        TypeError: something that is no text.
        ValueError: lists of different lengths.
    """
    if not _is_batch(text, split_into_words):
        if text_pair is not None and _is_batch(text_pair, split_into_words):
            raise ValueError("text is one text but text_pair is a batch; give both as lists of equal length")
        first = _check(text, split_into_words, "text")
        second = None if text_pair is None else _check(text_pair, split_into_words, "text_pair")
        return [Sample(first, second)], False
    if text_pair is None:
        return [_read_item(item, split_into_words, i) for i, item in enumerate(text)], True
    if not _is_batch(text_pair, split_into_words) or len(text) != len(text_pair):
        raise ValueError("text and text_pair must be lists of the same length")
    pairs = zip(text, text_pair, strict=True)
    return [
        Sample(_check(a, split_into_words, f"text[{i}]"), _check(b, split_into_words, f"text_pair[{i}]"))
        for i, (a, b) in enumerate(pairs)
    ], True


def _read_item(item: Any, split_into_words: bool, index: int) -> Sample:
    """One entry of a batch: a text, or a pair of texts."""
    depth = 2 if split_into_words else 1
    inner = item
    for _ in range(depth):
        if not isinstance(inner, (list, tuple)) or not inner:
            return Sample(_check(item, split_into_words, f"text[{index}]"))
        inner = inner[0]
    if len(item) != 2:
        raise TypeError(f"text[{index}] is a list of {len(item)}: give a text or a pair, or is_split_into_words=True")
    first, second = item
    return Sample(
        _check(first, split_into_words, f"text[{index}][0]"), _check(second, split_into_words, f"text[{index}][1]")
    )


def _is_batch(text: Any, split_into_words: bool) -> bool:
    """Whether the argument is a list of texts."""
    if not isinstance(text, (list, tuple)):
        return False
    return not split_into_words or (bool(text) and isinstance(text[0], (list, tuple)))


def _check(text: Any, split_into_words: bool, name: str) -> Any:
    """The text itself, if it is one."""
    if split_into_words:
        if isinstance(text, (list, tuple)) and all(isinstance(word, str) for word in text):
            return text
        raise TypeError(f"{name} must be a list of words (strings) with is_split_into_words=True")
    if isinstance(text, str):
        return text
    hint = "; decode the bytes first" if isinstance(text, (bytes, bytearray)) else ""
    raise TypeError(f"{name} must be a string, got {type(text).__name__}{hint}")


def _unhashable(value: object) -> bool:
    """Whether a value cannot be looked up in a table (a list, an array)."""
    return not isinstance(value, (bool, str, type(None)))
