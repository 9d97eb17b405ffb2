"""google-research checkpoints (``albert_config.json``, ``model.ckpt-best.*``): what is in them, and how is one written?

Names and transpositions are in `names`. Fine-tuned ones do not say what their head is for: ``output_weights`` of one
row is a regression or a choice. What we write says it in ``albert_config.json``, which the original code passes over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from albert_cli.convert.content import (
    IDENTITY_BIAS,
    IDENTITY_WEIGHT,
    Content,
    LeftOut,
    add_identity_mapping,
    arrays_for,
    head_of,
    is_identity_mapping,
    tensor_of,
)
from albert_cli.convert.layouts import refuse_other_layouts
from albert_cli.convert.names import TF1
from albert_cli.convert.tf1_checkpoint import Checkpoint, write_checkpoint
from albert_cli.errors import ModelError
from albert_cli.files.text import safe_line
from albert_cli.models.config import AlbertConfig

CONFIG_FILE = "albert_config.json"
NAME = "model.ckpt-best"
_HUB_PREFIX = "module/"
_SLOTS = ("/adam_m", "/adam_v", "/lamb_m", "/lamb_v")
# Config keys that mean something to the original code.
_ORIGINAL_KEYS = (
    "attention_probs_dropout_prob",
    "embedding_size",
    "hidden_dropout_prob",
    "hidden_size",
    "initializer_range",
    "inner_group_num",
    "intermediate_size",
    "max_position_embeddings",
    "num_attention_heads",
    "num_hidden_groups",
    "num_hidden_layers",
    "type_vocab_size",
    "vocab_size",
)
_OURS = ("architectures", "id2label", "problem_type", "classifier_dropout_prob", "layer_norm_eps")


def read(directory: Path, *, head: str | None = None) -> Content:
    """Read a checkpoint.

    Args:
        directory: holds ``albert_config.json`` and one ``*.index`` with its data files.
        head: name of the model class, where the weights leave it open; None decides from the weights.

    Raises:
        ModelError: files that are missing or damaged, an unknown layout, or parts of the encoder that are not there.
    """
    return read_variables(_prefix(directory), _read_config(directory), head=head)


def read_variables(prefix: Path, values: Mapping[str, Any], *, head: str | None = None) -> Content:
    """Read the variables of a checkpoint.

    Args:
        prefix: path of the checkpoint without ``.index``.
        values: content of ``albert_config.json``.
        head: as for `read`.
    """
    checkpoint = Checkpoint(prefix)
    content = Content("AlbertModel", AlbertConfig.from_dict(_our_config(values)), {})
    for name in sorted(checkpoint.variables):
        plain = name.removeprefix(_HUB_PREFIX)
        reason = _why_left_out(plain)
        if reason is not None:
            content.left_out.append(LeftOut(name, reason))
            continue
        found = TF1.to_ours(plain)
        if found is None:
            refuse_other_layouts(checkpoint.variables, place=checkpoint.prefix)
            raise ModelError(
                f"{safe_line(str(prefix))}: no place for variable {safe_line(name, limit=120)}",
                hint="is it a checkpoint of google-research/albert?",
            )
        ours, transposed = found
        content.state[ours] = tensor_of(checkpoint.read(name), transposed=transposed)
        content.sources[ours] = name
    if IDENTITY_WEIGHT not in content.state and content.config.embedding_size == content.config.hidden_size:
        add_identity_mapping(content)
    _settle_head(content, values, head)
    return content


def write(content: Content, directory: Path) -> list[LeftOut]:
    """Write a checkpoint into an existing, empty directory.

    Returns:
        Weights that the format has no place for and does not need.

    Raises:
        ModelError: the format cannot hold this model.
    """
    left_out = []
    state = dict(content.state)
    if content.config.embedding_size == content.config.hidden_size:
        if not is_identity_mapping(state):
            raise ModelError(
                "tf1 has no projection where embedding_size equals hidden_size, and this model's is no identity",
                hint="choose another format: hf, hf-bin, tf2, flax",
            )
        for name in (IDENTITY_WEIGHT, IDENTITY_BIAS):
            left_out.append(LeftOut(name, "an identity, which the format leaves out"))
            del state[name]
    write_checkpoint(directory / NAME, arrays_for(state, TF1, format_="tf1"))
    (directory / CONFIG_FILE).write_text(json.dumps(_their_config(content), indent=2, sort_keys=True) + "\n")
    return left_out


def _prefix(directory: Path) -> Path:
    found = sorted(directory.glob("*.index"))
    best = [path for path in found if path.name == f"{NAME}.index"]
    if len(found) != 1 and not best:
        shown = ", ".join(path.name for path in found) or "none"
        raise ModelError(
            f"{safe_line(str(directory))} needs one checkpoint index, found: {shown}",
            hint="leave only the checkpoint to convert in the directory",
        )
    return (best or found)[0].with_suffix("")


def _read_config(directory: Path) -> dict[str, Any]:
    path = directory / CONFIG_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"no {CONFIG_FILE} in {directory}", hint="put the checkpoint's own config beside it") from None
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}", hint="fetch the checkpoint again") from None
    if not isinstance(values, dict):
        raise ModelError(f"{path} does not hold a JSON object", hint="fetch the checkpoint again")
    return values


def _our_config(values: Mapping[str, Any]) -> dict[str, Any]:
    """The original's "gelu" is the tanh form, ours is the exact one."""
    act = values.get("hidden_act", "gelu")
    return {**values, "hidden_act": "gelu_new" if act == "gelu" else act}


def _their_config(content: Content) -> dict[str, Any]:
    config = content.config
    if config.hidden_act == "gelu":
        raise ModelError(
            "the tf1 format's gelu is the tanh form, this model's config says the exact one",
            hint="published v1 configs say gelu where gelu_new is meant: --hidden-act gelu_new if so",
        )
    values: dict[str, Any] = {name: getattr(config, name) for name in _ORIGINAL_KEYS}
    values["hidden_act"] = "gelu" if config.hidden_act == "gelu_new" else config.hidden_act
    written = config.to_dict()
    return {
        **config.extra,
        **values,
        **{key: written[key] for key in _OURS if key in written},
        "architectures": [content.head],
    }


def _why_left_out(name: str) -> str | None:
    if name == "global_step":
        return "counts training steps"
    return "state of the optimiser" if name.endswith(_SLOTS) else None


def _settle_head(content: Content, values: Mapping[str, Any], head: str | None) -> None:
    said = values.get("architectures")
    named = said[0] if isinstance(said, list) and said and isinstance(said[0], str) else None
    content.head = head or named or head_of(content.state)
    weight = content.state.get("classifier.weight")
    labels: Tensor | None = weight if content.head != "AlbertForMultipleChoice" else None
    changes: dict[str, Any] = {"architectures": [content.head]}
    if labels is not None and "id2label" not in values:
        changes["num_labels"] = len(labels)
        if len(labels) == 1 and "problem_type" not in values:
            changes["problem_type"] = "regression"
            content.notes.append("one output: read as a regression; a choice (RACE) is --head AlbertForMultipleChoice")
    content.config = content.config.changed(**changes)
