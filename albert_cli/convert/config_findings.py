"""What is odd in a checkpoint's configuration: values known to be wrong in published files, and what is missing?

One table, `RULES`. Each rule looks at the file as it is and says what it finds: what the file has, what is written in
its place, and why. Most is only said; what is written otherwise never changes what the model computes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from albert_cli.models.config import INTEGERS, AlbertConfig

# Published sizes: hidden_size, num_hidden_layers, intermediate_size.
_RELEASED = {
    (768, 12, 3072): "base",
    (1024, 24, 4096): "large",
    (2048, 24, 8192): "xlarge",
    (4096, 12, 16384): "xxlarge",
}
_DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob")
# Keys of google's files that no code reads, with the values of the released models.
_IDLE = {
    "net_structure_type": 0,
    "gap_size": 0,
    "num_memory_blocks": 0,
    "down_scale_factor": 1,
    "layers_to_keep": [],
}
_PEERS = ("hf", "hf-bin", "tf2", "flax")
_ORIGINAL_EPSILON = 1e-12


@dataclass(frozen=True)
class SpecialIds:
    """What the rules ask of a tokenizer: the ids that a configuration repeats."""

    pad_token_id: int
    cls_token_id: int
    sep_token_id: int


@dataclass(frozen=True)
class Facts:
    """What the rules look at.

    Attributes:
        values: the source's configuration file, as it is.
        config: the configuration as it was read.
        source: format of the source.
        target: format of the target.
        head: name of our model class.
        tokenizer: the tokenizer that travels with the weights, if one does.
    """

    values: Mapping[str, Any]
    config: AlbertConfig
    source: str
    target: str
    head: str
    tokenizer: SpecialIds | None = None

    @property
    def released_size(self) -> str | None:
        """Name of the published size that this is, by its sizes."""
        config = self.config
        return _RELEASED.get((config.hidden_size, config.num_hidden_layers, config.intermediate_size))


@dataclass(frozen=True)
class Finding:
    """Something odd in a configuration.

    Attributes:
        key: of the file.
        found: its value; None: the file does not have it.
        written: what the target has in its place, None for nothing.
        says: what is odd, and what can be done.
    """

    key: str
    found: Any
    written: Any
    says: str


@dataclass(frozen=True)
class Rule:
    """A line of the table.

    Attributes:
        title: what is looked for, for the documentation.
        look: gives what is found.
        changes: whether the target's configuration gets what the findings say, by their keys.
    """

    title: str
    look: Callable[[Facts], Iterator[Finding]]
    changes: bool = False


def look(facts: Facts) -> tuple[list[Finding], AlbertConfig]:
    """Everything that is odd in a configuration, and the configuration to write."""
    found: list[Finding] = []
    config = facts.config
    for rule in RULES:
        findings = list(rule.look(facts))
        found += findings
        if rule.changes and findings:
            config = config.changed(**{one.key: one.written for one in findings})
    return found, config


def file_values(directory: Path, name: str) -> dict[str, Any]:
    """A configuration file as it is; empty where there is none to read."""
    try:
        values = json.loads((directory / name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}  # the reader of the format says so where it matters
    return values if isinstance(values, dict) else {}


def _gelu(facts: Facts) -> Iterator[Finding]:
    if facts.values.get("hidden_act", "gelu" if facts.source == "tf1" else None) != "gelu":
        return
    act = facts.config.hidden_act
    if facts.source == "tf1" and facts.target != "tf1":
        says = "google's gelu is the tanh form, which every other format calls gelu_new"
        yield Finding("hidden_act", facts.values.get("hidden_act"), act, says)
    elif facts.source != "tf1" and facts.released_size and act == "gelu":
        says = (
            "the exact gelu; published v1 files say so although the tanh form was trained: then --hidden-act gelu_new"
        )
        yield Finding("hidden_act", "gelu", act, says)


def _dropout(facts: Facts) -> Iterator[Finding]:
    size = facts.released_size
    for key in _DROPOUTS:
        value = getattr(facts.config, key)
        if size is None or value == 0:
            continue
        says = (
            "v1 was trained with 0.1, v2 with 0; early copies of v2 files say 0.1: then fine-tune with train.dropout=0"
        )
        if size == "xxlarge":
            says = "neither xxlarge was trained with dropout: fine-tune with train.dropout=0"
        elif facts.source != "tf1" and facts.config.hidden_act == "gelu_new":
            says = (
                "a v2 file (gelu_new) of before its correction: v2 was trained with 0, fine-tune with train.dropout=0"
            )
        yield Finding(key, facts.values.get(key), value, says)


def _dropout_place(facts: Facts) -> Iterator[Finding]:
    value = facts.config.hidden_dropout_prob
    if value and facts.target in ("hf", "hf-bin"):
        says = "the PyTorch classes of transformers never drop the feed-forward output; the original, TF and Flax do"
        yield Finding("hidden_dropout_prob", facts.values.get("hidden_dropout_prob"), value, says)


def _classifier_dropout(facts: Facts) -> Iterator[Finding]:
    key = "classifier_dropout_prob"
    if facts.values.get(key) is not None or facts.target == "tf1":
        return
    written = facts.config.classifier_dropout
    if key in facts.values:
        says = "null, which transformers 5 refuses: hidden_dropout_prob stands for it"
    else:
        says = "not in the file: google's code drops 0.1 before a head whatever the file says"
    yield Finding(key, None, written, says)


def _missing(facts: Facts) -> Iterator[Finding]:
    for key in (*INTEGERS, *_DROPOUTS, "hidden_act"):
        if facts.values.get(key) is None:
            value = getattr(facts.config, key)
            yield Finding(key, None, value, "not in the file: the default, which is that of xxlarge")
    if facts.source != "tf1" and "model_type" not in facts.values:
        yield Finding(
            "model_type", None, "albert", "not in the file, and the automatic classes of transformers need it"
        )
    if facts.source != "tf1" and not facts.values.get("architectures"):
        yield Finding("architectures", None, [facts.head], "not in the file: the weights show it")


def _types(facts: Facts) -> Iterator[Finding]:
    for key in (*INTEGERS, *_DROPOUTS, "classifier_dropout_prob", "layer_norm_eps", "initializer_range"):
        value = facts.values.get(key)
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if value is None or is_whole or (isinstance(value, float) and key not in INTEGERS):
            continue
        yield Finding(key, value, getattr(facts.config, key), "a value of another type, which transformers 5 refuses")


def _special_ids(facts: Facts) -> Iterator[Finding]:
    if facts.tokenizer is None:
        return
    ids = {
        "pad_token_id": facts.tokenizer.pad_token_id,
        "bos_token_id": facts.tokenizer.cls_token_id,
        "eos_token_id": facts.tokenizer.sep_token_id,
    }
    for key, right in ids.items():
        value = getattr(facts.config, key)
        if right not in (value if isinstance(value, list) else [value]):
            yield Finding(key, facts.values.get(key), right, "the tokenizer's [PAD], [CLS] and [SEP] have other ids")


def _labels(facts: Facts) -> Iterator[Finding]:
    number = facts.config.num_labels
    if facts.head in ("AlbertForQuestionAnswering", "AlbertForPreTraining") and number != 2:
        says = "class names left over from another head; with them transformers builds this head with as many outputs"
        yield Finding("num_labels", number, 2, says)


def _heads(facts: Facts) -> Iterator[Finding]:
    heads = facts.config.num_attention_heads
    if facts.released_size == "xlarge" and heads != 16:
        yield Finding(
            "num_attention_heads", heads, heads, "the released xlarge has 16 heads of 128, whatever the paper's rule"
        )


def _idle(facts: Facts) -> Iterator[Finding]:
    there = {key: facts.values[key] for key in _IDLE if key in facts.values}
    odd = {key: value for key, value in there.items() if value != _IDLE[key]}
    for key, value in odd.items():
        says = f"kept; the released models have {_IDLE[key]}, and no published code reads it"
        yield Finding(key, value, value, says)
    plain = {key: value for key, value in there.items() if key not in odd}
    if plain:
        yield Finding(
            ", ".join(plain), list(plain.values()), list(plain.values()), "kept; no published code reads them"
        )


def _epsilon(facts: Facts) -> Iterator[Finding]:
    value = facts.config.layer_norm_eps
    if facts.target == "tf1" and value != _ORIGINAL_EPSILON:
        yield Finding(
            "layer_norm_eps", value, value, "google's code adds 1e-12 whatever the file says: its outputs differ"
        )


def _positions(facts: Facts) -> Iterator[Finding]:
    kind = facts.config.position_embedding_type
    if kind != "absolute" and facts.target in ("hf", "hf-bin"):
        says = "transformers 5 passes over it without a word: its outputs differ; 4.57 reads it"
        yield Finding("position_embedding_type", kind, kind, says)


def _groups(facts: Facts) -> Iterator[Finding]:
    depths, groups, inner = (
        getattr(facts.config, key) for key in ("num_hidden_layers", "num_hidden_groups", "inner_group_num")
    )
    exact = [depth * groups // depths for depth in range(depths)]
    if facts.target in _PEERS and exact != [int(depth / (depths / groups)) for depth in range(depths)]:
        says = "transformers rounds depth / (layers / groups) and takes another group at some depth: its outputs differ"
        yield Finding("num_hidden_groups", groups, groups, says)
    if facts.target == "tf1" and exact != [int(depth / depths * groups) for depth in range(depths)]:
        says = "google's code rounds depth / layers * groups and takes another group at some depth: its outputs differ"
        yield Finding("num_hidden_groups", groups, groups, says)
    if facts.target in ("hf", "hf-bin") and inner > depths // groups:
        says = "more layers in a group than depths of it: the PyTorch classes of transformers 4 end with an IndexError"
        yield Finding("inner_group_num", inner, inner, says)


RULES = (
    Rule("`hidden_act: gelu`, which is the tanh form in google's files and in published v1 files", _gelu),
    Rule("dropouts of 0.1 in files of v2 and of xxlarge, which were trained with none", _dropout),
    Rule("dropout behind the feed-forward part, which the PyTorch classes of `transformers` leave out", _dropout_place),
    Rule("`classifier_dropout_prob` that is missing or null", _classifier_dropout),
    Rule("missing sizes, `model_type` or `architectures`", _missing),
    Rule('numbers of the wrong type, such as 12.0 or "0.1"', _types),
    Rule("`pad_token_id`, `bos_token_id`, `eos_token_id` other than the tokenizer's", _special_ids, changes=True),
    Rule("class names of another head on a head of two outputs", _labels, changes=True),
    Rule("an xlarge of 32 heads", _heads),
    Rule("`net_structure_type`, `gap_size`, `num_memory_blocks`, `down_scale_factor`, `layers_to_keep`", _idle),
    Rule("a `layer_norm_eps` that google's code does not read", _epsilon),
    Rule("relative positions, which `transformers` 5 passes over", _positions),
    Rule("numbers of layers and groups that the peers' code rounds to another sharing, or cannot run", _groups),
)


def markdown() -> str:
    """The rules as they stand in the documentation."""
    return "".join(f"- {rule.title}{' (written as it should be)' if rule.changes else ''}\n" for rule in RULES)
