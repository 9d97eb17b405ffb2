"""How do weights come from a model directory into a model, and back?

Names are those of ``transformers``: what it writes we read, what we write it reads.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save
from torch import Tensor, nn

from albert_cli.errors import ModelError
from albert_cli.files.atomic import write_file
from albert_cli.models.config import AlbertConfig, find_model
from albert_cli.models.init import truncated_normal_
from albert_cli.models.weights import SAFETENSORS, read_weights

PREFIX = "albert."
_BACKBONE = ("embeddings.", "encoder.", "pooler.")
_DECODER_WEIGHT, _DECODER_BIAS, _BIAS = "predictions.decoder.weight", "predictions.decoder.bias", "predictions.bias"
_WORDS = "embeddings.word_embeddings.weight"

Model = TypeVar("Model", bound=nn.Module)


@dataclass
class LoadReport:
    """What a model directory held, compared with what the model needs.

    Attributes:
        missing: weights that the file lacks; they were drawn anew.
        unexpected: tensors that the model has no place for; left out.
        mismatched: weights whose shape in the file differs, with both shapes; drawn anew.
        notes: decisions taken on the way, one sentence each.
    """

    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def new_head(self) -> bool:
        """Whether a task head was drawn anew: its predictions mean nothing before training."""
        lacking = [*self.missing, *(line.split(":")[0] for line in self.mismatched)]
        return any(not name.removeprefix(PREFIX).startswith(_BACKBONE) for name in lacking)


def load_pretrained(
    cls: type[Model],
    path: str | Path,
    *,
    dtype: str | torch.dtype | None = None,
    revision: str | None = None,
    ignore_mismatched_sizes: bool = False,
    new_head: bool = False,
    config: AlbertConfig | None = None,
    adapt: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] | None = None,
    add_pooling_layer: bool | None = None,
    **config_overrides: Any,
) -> tuple[Model, LoadReport]:
    """Load a model and say what was found. Says nothing else and warns of nothing but the type of the weights.

    Args:
        cls: AlbertModel or a head class.
        path: directory in the ``hf`` layout, or hub id.
        dtype: type of the weights; None or "auto" takes the config's, else the file's.
        revision: branch, tag or commit on the hub.
        ignore_mismatched_sizes: draw head weights of another shape anew instead of refusing them.
        new_head: take embeddings, encoder and pooler alone, and draw the head anew even if the file has one.
        config: use this config instead of the file's.
        adapt: makes the file's tensors fit ``config``; see `growth.grow`.
        add_pooling_layer: of AlbertModel alone; None means True.
        config_overrides: fields of the config to set otherwise.

    Returns:
        The model in evaluation mode, on the processor, and the report.

    Raises:
        ModelError: no such model, damaged or foreign weights, shapes that do not fit, an unknown field, or an encoder
            that the file holds only in part.
    """
    directory = find_model(path, revision=revision)
    if config is None:
        config = AlbertConfig.from_pretrained(directory, **config_overrides)
    else:
        config = config.changed(**config_overrides)
    state = read_weights(directory)
    if new_head:
        state = {name: tensor for name, tensor in state.items() if name.removeprefix(PREFIX).startswith(_BACKBONE)}
    if adapt is not None:
        state = adapt(state)
    target = _dtype(dtype, config, state)
    with torch.device("meta"):  # no memory and no drawing for weights that the file holds
        model = cls(config) if add_pooling_layer is None else cls(config, add_pooling_layer)
    report = _fill(model, state, target, place=directory, ignore_mismatched_sizes=ignore_mismatched_sizes)
    return model.eval(), report


def model_from_state(
    cls: type[Model], config: AlbertConfig, state: Mapping[str, Tensor], *, place: Path
) -> tuple[Model, LoadReport]:
    """Make a model of tensors in memory; it shares their memory.

    Args:
        cls: AlbertModel or a head class.
        config: of the model.
        state: tensors under the names of the ``hf`` layout.
        place: where they came from, for messages.

    Returns:
        The float32 model in evaluation mode, and what was missing or left over.

    Raises:
        ModelError: shapes that do not fit, or an encoder that is there only in part.
    """
    without_pooler = cls.__name__ == "AlbertModel" and f"{PREFIX}pooler.weight" not in state
    with torch.device("meta"):
        model = cls(config, False) if without_pooler else cls(config)
    report = _fill(model, dict(state), torch.float32, place=place, ignore_mismatched_sizes=False)
    return model.eval(), report


def warn_of_new_weights(name: str, report: LoadReport) -> None:
    """Emit one warning that names the weights which were drawn anew, if there are any, and one for each note."""
    for note in report.notes:
        warnings.warn(note, stacklevel=3)
    new = [*report.missing, *report.mismatched]
    if new:
        warnings.warn(
            f"{name}: not in the file, begins at random: {', '.join(new)}. Train the model before it predicts.",
            stacklevel=3,
        )


def save_pretrained(model: nn.Module, directory: str | Path) -> None:
    """Write ``config.json`` and ``model.safetensors``; each appears whole or not at all.

    Args:
        model: any of our classes.
        directory: made if needed.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    config: AlbertConfig = model.config  # type: ignore[assignment]
    state = model.state_dict()
    tied = (_DECODER_WEIGHT, _DECODER_BIAS) if config.tie_word_embeddings else ()
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items() if name not in tied}
    if _DECODER_BIAS in tensors:  # an untied head has its bias under two names, and the format refuses shared memory
        tensors[_DECODER_BIAS] = tensors[_DECODER_BIAS].clone()
    if config.parameter_sharing in ("attention", "ffn"):  # each layer's name gets a copy, as other readers expect it
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
    write_file(directory / SAFETENSORS, save(tensors, metadata={"format": "pt"}))
    config.changed(architectures=[type(model).__name__], dtype=dtype).save_pretrained(directory)


def device_of_map(device_map: str | int | torch.device | Mapping[str, Any] | None) -> torch.device | None:
    """The one device that a ``device_map`` means; None where it says nothing.

    Raises:
        ModelError: a map over several devices; an ALBERT fits on one.
    """
    if device_map is None:
        return None
    if isinstance(device_map, Mapping):
        places = set(device_map.values())
        if len(places) != 1:
            raise ModelError("device_map spreads the model over several devices", hint="an ALBERT fits on one device")
        device_map = places.pop()
    if device_map == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if isinstance(device_map, int):
        return torch.device("cuda", device_map)
    return torch.device(device_map)  # type: ignore[arg-type]


def _fill(
    model: nn.Module, state: dict[str, Tensor], dtype: torch.dtype, *, place: Path, ignore_mismatched_sizes: bool
) -> LoadReport:
    """Put the file's tensors into a model on the meta device, and draw what the file lacks."""
    report = LoadReport()
    wanted = model.state_dict()
    config: AlbertConfig = model.config  # type: ignore[assignment]
    state = _renamed(state, bare=not hasattr(model, "albert"))
    state = _settle_ties(state, config, report, has_decoder=_DECODER_WEIGHT in wanted)
    _settle_copies(model, state, place=place)
    report.unexpected = sorted(name for name in state if name not in wanted)
    for name in [name for name in wanted if name in state and wanted[name].shape != state[name].shape]:
        shapes = f"{name}: file {tuple(state[name].shape)}, model {tuple(wanted[name].shape)}"
        report.mismatched.append(shapes)
        del state[name]
    backbone = [line for line in report.mismatched if line.removeprefix(PREFIX).startswith(_BACKBONE)]
    if backbone or (report.mismatched and not ignore_mismatched_sizes):
        raise ModelError(
            f"{place}: weights of other shapes than the model's\n" + "\n".join(report.mismatched),
            hint="check config.json and num_labels; ignore_mismatched_sizes draws a new head",
        )
    found = {name: tensor.to(dtype) for name, tensor in state.items() if name in wanted}
    gone = {name.split(":")[0] for name in report.mismatched}
    report.missing = sorted(name for name in wanted if name not in found and name not in gone)
    _draw_missing(model, {*report.missing, *gone}, dtype, place=place)
    model.load_state_dict(found, strict=False, assign=True)
    model.tie_weights()  # type: ignore[operator]
    report.missing = [name for name in report.missing if name != _DECODER_BIAS]  # the same parameter as the head's bias
    return report


def _renamed(state: dict[str, Tensor], *, bare: bool) -> dict[str, Tensor]:
    """Turn the names of older writers and of the other class (bare model, head) into this class's."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.endswith(("position_ids", "embeddings.token_type_ids")):
            continue  # counted anew at each forward
        stem, _, last = name.rpartition(".")
        name = f"{stem}.{ {'gamma': 'weight', 'beta': 'bias'}.get(last, last) }" if stem else name
        if bare:
            name = name.removeprefix(PREFIX)
        elif name.startswith(_BACKBONE):
            name = PREFIX + name
        renamed[name] = tensor
    return renamed


def _settle_ties(
    state: dict[str, Tensor], config: AlbertConfig, report: LoadReport, *, has_decoder: bool
) -> dict[str, Tensor]:
    """Decide between tensors that should be one: the decoder's bias wins, the word table wins."""
    if _DECODER_BIAS in state:
        if _BIAS in state and not torch.equal(state[_BIAS], state[_DECODER_BIAS]):
            report.notes.append(f"{_BIAS} and {_DECODER_BIAS} differ in the file; the second is used")
        state[_BIAS] = state[_DECODER_BIAS]
    elif _BIAS in state:
        state[_DECODER_BIAS] = state[_BIAS]
    words = state.get(PREFIX + _WORDS)
    if has_decoder and config.tie_word_embeddings and words is not None:
        decoder = state.get(_DECODER_WEIGHT, words)
        if decoder.shape != words.shape or not torch.equal(decoder, words):
            report.notes.append(f"{_DECODER_WEIGHT} differs from the word table in the file; the word table is used")
        state[_DECODER_WEIGHT] = words
    return state


def _settle_copies(model: nn.Module, state: dict[str, Tensor], *, place: Path) -> None:
    """Give each layer's name of a block that all layers share its tensor; a training checkpoint names it once.

    Raises:
        ModelError: they differ; another program has trained each copy on its own.
    """
    first: dict[int, str] = {}
    for name, parameter in model.state_dict(keep_vars=True).items():
        original = first.setdefault(id(parameter), name)
        if original == name or ".albert_layer_groups." not in name or original not in state:
            continue
        if not torch.equal(state.setdefault(name, state[original]), state[original]):
            raise ModelError(
                f"{place}: {name} and {original} should be one weight (parameter_sharing) and differ",
                hint='set "parameter_sharing": "none" in config.json to use every layer as it is',
            )


def _draw_missing(model: nn.Module, missing: set[str], dtype: torch.dtype, *, place: Path) -> None:
    """Give memory and first values to the weights that the file lacks.

    Raises:
        ModelError: a part of the encoder is missing; a model with random layers inside would be worthless.
    """
    lost = sorted(name for name in missing if name.removeprefix(PREFIX).startswith(("embeddings.", "encoder.")))
    if lost:
        shown = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
        raise ModelError(
            f"{place}: the weights lack parts of the encoder: {shown}",
            hint="check that config.json belongs to these weights (num_hidden_groups, inner_group_num)",
        )
    config: AlbertConfig = model.config  # type: ignore[assignment]
    for path, owner in model.named_modules():
        for name, parameter in list(owner.named_parameters(recurse=False)):
            if (f"{path}.{name}" if path else name) in missing:
                first = torch.zeros(parameter.shape, dtype=dtype, device="cpu")
                if name == "weight" and isinstance(owner, nn.LayerNorm):
                    first.fill_(1)
                elif name == "weight":
                    truncated_normal_(first, std=config.initializer_range)
                setattr(owner, name, nn.Parameter(first))


def _dtype(asked: str | torch.dtype | None, config: AlbertConfig, state: Mapping[str, Tensor]) -> torch.dtype:
    """The type to compute in: what was asked for, else the config's, else the file's."""
    wanted: str | torch.dtype | None = None if asked == "auto" else asked
    if wanted is None:
        wanted = config.dtype
    if wanted is None:
        wanted = next((tensor.dtype for tensor in state.values() if tensor.is_floating_point()), torch.float32)
    if isinstance(wanted, str):
        found = getattr(torch, wanted.removeprefix("torch."), None)
        if not isinstance(found, torch.dtype) or not found.is_floating_point:
            raise ModelError(f"no such type of weights: {wanted}", hint="float32, bfloat16 or float16")
        wanted = found
    if wanted == torch.float16 and not torch.cuda.is_available():
        warnings.warn("float16 needs a GPU; computing in float32", stacklevel=4)
        return torch.float32
    return wanted
