"""What pydantic found in a recipe, in words: which key, what it must be, what stands there, what was meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from albert_cli.recipe.problems import Path, did_you_mean, dotted
from albert_cli.recipe.sections import ModelFields

# Words of other tools for the same thing, too far from ours for a spelling comparison.
OTHER_NAMES = {
    "lr": "train.learning_rate",
    "peak_lr": "train.learning_rate",
    "num_train_epochs": "train.epochs",
    "num_epochs": "train.epochs",
    "steps": "train.max_steps",
    "total_steps": "train.max_steps",
    "num_train_steps": "train.max_steps",
    "max_seq_length": "data.max_length",
    "seq_length": "data.max_length",
    "grad_clip": "train.clip",
    "max_grad_norm": "train.clip",
    "gradient_accumulation_steps": "train.accumulate",
    "num_workers": "runtime.workers",
    "masked_lm_prob": "objective.mask_rate",
    "max_predictions_per_seq": "objective.max_predictions",
    "output_dir": "out",
    "per_device_train_batch_size": "train.batch_size",
}

_MUST_BE = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "dict_type": "a mapping of keys",
}
_EITHER: dict[Path, str] = {
    ("model",): "text or a mapping of keys",
    ("data", "path"): "text or a list of texts",
    ("train", "batch_size"): "a whole number or auto",
}
_LIMITS = {
    "greater_than": ("greater than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def findings(error: ValidationError, schema: type[BaseModel]) -> Iterator[tuple[Path, str]]:
    """Yield (path, text) of every mistake pydantic found.

    Args:
        error: what the validation raised.
        schema: the recipe class, for names of keys that were meant.
    """
    known = dict(all_keys(schema))
    for found in error.errors(include_url=False):
        path: Path = tuple(part for part in found["loc"] if not str(part).startswith("<"))
        yield path, _say(found["type"], found.get("ctx", {}), found["input"], path, known) or found["msg"].lower()


def all_keys(schema: type[BaseModel], path: Path = ()) -> Iterator[tuple[Path, type[BaseModel] | None]]:
    """Yield every key path of a recipe class, with the section class where the key is a section."""
    for name, field in schema.model_fields.items():
        here = (*path, field.alias or name)
        section = section_class(field.annotation)
        yield here, section
        if section is not None:
            yield from all_keys(section, here)


def section_class(annotation: Any) -> type[BaseModel] | None:
    """Return the section that an annotation holds, if any."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := section_class(inner)) is not None), None)


def defaults_of(schema: type[BaseModel]) -> dict[str, Any]:
    """Return the defaults of a recipe class as nested plain values; keys without one are left out."""
    values: dict[str, Any] = {}
    for name, field in schema.model_fields.items():
        key = field.alias or name
        section = section_class(field.annotation)
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        if section is not None and section is not ModelFields and (field.is_required() or default is not None):
            values[key] = defaults_of(section)
        elif not field.is_required():
            values[key] = default
    return values


def _say(kind: str, context: Mapping[str, Any], value: Any, path: Path, known: Mapping[Path, Any]) -> str:
    if kind == "extra_forbidden":
        return _no_such_key(path, known)
    if kind == "missing":
        return "is required"
    if kind == "literal_error":
        return _not_a_choice(str(context["expected"]), value)
    if kind in _MUST_BE:
        return f"must be {_EITHER.get(path, _MUST_BE[kind])}, found {show(value)}"
    if kind in _LIMITS:
        words, name = _LIMITS[kind]
        return f"must be {words} {context[name]:g}, found {show(value)}"
    if kind in ("string_too_short", "too_short"):
        return "must not be empty"
    if kind == "value_error":
        return str(context["error"])
    return ""


def _no_such_key(path: Path, known: Mapping[Path, Any]) -> str:
    word = str(path[-1]) if path else ""
    beside = [str(key[-1]) for key in known if key and key[:-1] == path[:-1]]
    meant = did_you_mean(word, beside)
    if meant:
        return f"no such key{meant}"
    elsewhere = OTHER_NAMES.get(word) or next((dotted(key) for key in known if key and key[-1] == word), None)
    if elsewhere and any(dotted(key) == elsewhere for key in known):
        return f"no such key; did you mean '{elsewhere}'?"
    return f"no such key; keys here: {', '.join(beside)}" if beside else "no such key"


def _not_a_choice(expected: str, value: Any) -> str:
    choices = [choice.strip("'") for choice in expected.replace(" or ", ", ").split(", ")]
    meant = did_you_mean(value, choices) if isinstance(value, str) else ""
    return f"must be one of {', '.join(choices)}, found {show(value)}{meant}"


def show(value: Any) -> str:
    """Show a value in a message: short, printable, and text told apart from numbers."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        short = value if len(value) <= 60 else value[:57] + "..."
        return f"the text {short!r}"
    return str(value)
