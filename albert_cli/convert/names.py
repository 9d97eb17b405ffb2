"""What is each weight called in each format, and is it laid out the other way round?

One reversible table per format. ``{g}`` is the number of a group, ``{n}`` that of a layer inside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_PLACEHOLDER = re.compile(r"\\\{(g|n)\\\}")


@dataclass(frozen=True)
class Rule:
    """One line of a table.

    Attributes:
        theirs: name in the format.
        ours: name in the ``hf`` layout.
        transposed: whether the format has (in, out) where we have (out, in).
    """

    theirs: str
    ours: str
    transposed: bool = False


class NameTable:
    """A table that is read in both directions.

    Args:
        rules: its lines; no two may match the same name.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._ours = [(_pattern(rule.theirs), rule.ours, rule.transposed) for rule in rules]
        self._theirs = [(_pattern(rule.ours), rule.theirs, rule.transposed) for rule in rules]

    def to_ours(self, name: str) -> tuple[str, bool] | None:
        """Our name of one of theirs, and whether it is transposed; None: the table does not know it."""
        return _first(self._ours, name)

    def to_theirs(self, name: str) -> tuple[str, bool] | None:
        """Their name of one of ours, and whether it is transposed; None: the format has no place for it."""
        return _first(self._theirs, name)


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(_PLACEHOLDER.sub(r"(?P<\1>\\d+)", re.escape(template)))


def _first(table: Iterable[tuple[re.Pattern[str], str, bool]], name: str) -> tuple[str, bool] | None:
    for pattern, template, transposed in table:
        if found := pattern.fullmatch(name):
            return template.format(**found.groupdict()), transposed
    return None


def _dense(theirs: str, ours: str) -> list[Rule]:
    return [Rule(f"{theirs}/kernel", f"{ours}.weight", True), Rule(f"{theirs}/bias", f"{ours}.bias")]


def _norm(theirs: str, ours: str, *, gain: str = "gamma", offset: str = "beta") -> list[Rule]:
    return [Rule(f"{theirs}/{gain}", f"{ours}.weight"), Rule(f"{theirs}/{offset}", f"{ours}.bias")]


_OUR_LAYER = "albert.encoder.albert_layer_groups.{g}.albert_layers.{n}"
_TF1_LAYER = "bert/encoder/transformer/group_{g}/inner_group_{n}"

# The second dense layer of the feed-forward block stands inside `intermediate`; attention_1 and ffn_1 are constant.
_TF1_ENCODER = [
    *(
        Rule(f"bert/embeddings/{table}_embeddings", f"albert.embeddings.{table}_embeddings.weight")
        for table in ("word", "position", "token_type")
    ),
    *_norm("bert/embeddings/LayerNorm", "albert.embeddings.LayerNorm"),
    *_dense("bert/encoder/embedding_hidden_mapping_in", "albert.encoder.embedding_hidden_mapping_in"),
    *(
        rule
        for part in ("query", "key", "value")
        for rule in _dense(f"{_TF1_LAYER}/attention_1/self/{part}", f"{_OUR_LAYER}.attention.{part}")
    ),
    *_dense(f"{_TF1_LAYER}/attention_1/output/dense", f"{_OUR_LAYER}.attention.dense"),
    *_norm(f"{_TF1_LAYER}/LayerNorm", f"{_OUR_LAYER}.attention.LayerNorm"),
    *_dense(f"{_TF1_LAYER}/ffn_1/intermediate/dense", f"{_OUR_LAYER}.ffn"),
    *_dense(f"{_TF1_LAYER}/ffn_1/intermediate/output/dense", f"{_OUR_LAYER}.ffn_output"),
    *_norm(f"{_TF1_LAYER}/LayerNorm_1", f"{_OUR_LAYER}.full_layer_layer_norm"),
    *_dense("bert/pooler/dense", "albert.pooler"),
]
_TF1_HEADS = [
    *_dense("cls/predictions/transform/dense", "predictions.dense"),
    *_norm("cls/predictions/transform/LayerNorm", "predictions.LayerNorm"),
    Rule("cls/predictions/output_bias", "predictions.bias"),
    Rule("cls/seq_relationship/output_weights", "sop_classifier.classifier.weight"),
    Rule("cls/seq_relationship/output_bias", "sop_classifier.classifier.bias"),
    Rule("output_weights", "classifier.weight"),
    Rule("output_bias", "classifier.bias"),
    Rule("cls/squad/output_weights", "qa_outputs.weight"),
    Rule("cls/squad/output_bias", "qa_outputs.bias"),
    *_dense("start_logits/dense", "start_logits.dense"),
    *_dense("end_logits/dense_0", "end_logits.dense_0"),
    *_norm("end_logits/LayerNorm", "end_logits.LayerNorm"),
    *_dense("end_logits/dense_1", "end_logits.dense_1"),
    *_dense("answer_class/dense_0", "answer_class.dense_0"),
    Rule("answer_class/dense_1/kernel", "answer_class.dense_1.weight", True),
]
TF1 = NameTable([*_TF1_ENCODER, *_TF1_HEADS])
"""google-research/albert: variables of a TensorFlow 1 checkpoint."""

_KERAS_LAYER = "albert/encoder/albert_layer_groups_._{g}/albert_layers_._{n}"
_KERAS_PARTS = ("attention/query", "attention/key", "attention/value", "attention/dense", "ffn", "ffn_output")
_KERAS_NORMS = ("attention/LayerNorm", "full_layer_layer_norm")


def _dots(path: str) -> str:
    return path.replace("/", ".")


TF2 = NameTable(
    [
        Rule("albert/embeddings/word_embeddings/weight", "albert.embeddings.word_embeddings.weight"),
        *(
            Rule(f"albert/embeddings/{table}_embeddings/embeddings", f"albert.embeddings.{table}_embeddings.weight")
            for table in ("position", "token_type")
        ),
        *_norm("albert/embeddings/LayerNorm", "albert.embeddings.LayerNorm"),
        *_dense("albert/encoder/embedding_hidden_mapping_in", "albert.encoder.embedding_hidden_mapping_in"),
        *(rule for part in _KERAS_PARTS for rule in _dense(f"{_KERAS_LAYER}/{part}", f"{_OUR_LAYER}.{_dots(part)}")),
        *(rule for part in _KERAS_NORMS for rule in _norm(f"{_KERAS_LAYER}/{part}", f"{_OUR_LAYER}.{_dots(part)}")),
        *_dense("albert/pooler", "albert.pooler"),
        *_dense("predictions/dense", "predictions.dense"),
        *_norm("predictions/LayerNorm", "predictions.LayerNorm"),
        # Their forward pass adds the decoder's bias; `predictions/bias` lies beside it unused.
        Rule("predictions/decoder/bias", "predictions.bias"),
        *_dense("sop_classifier/classifier", "sop_classifier.classifier"),
        *_dense("classifier", "classifier"),
        *_dense("qa_outputs", "qa_outputs"),
    ]
)
"""transformers' TensorFlow classes: paths in ``tf_model.h5`` below the model's own scope."""

_FLAX_LAYER = "albert/encoder/albert_layer_groups/{g}/albert_layers/{n}"
FLAX = NameTable(
    [
        *(
            Rule(f"albert/embeddings/{table}_embeddings/embedding", f"albert.embeddings.{table}_embeddings.weight")
            for table in ("word", "position", "token_type")
        ),
        *_norm("albert/embeddings/LayerNorm", "albert.embeddings.LayerNorm", gain="scale", offset="bias"),
        *_dense("albert/encoder/embedding_hidden_mapping_in", "albert.encoder.embedding_hidden_mapping_in"),
        *(rule for part in _KERAS_PARTS for rule in _dense(f"{_FLAX_LAYER}/{part}", f"{_OUR_LAYER}.{_dots(part)}")),
        *(
            rule
            for part in _KERAS_NORMS
            for rule in _norm(f"{_FLAX_LAYER}/{part}", f"{_OUR_LAYER}.{_dots(part)}", gain="scale", offset="bias")
        ),
        *_dense("albert/pooler", "albert.pooler"),
        *_dense("predictions/dense", "predictions.dense"),
        *_norm("predictions/LayerNorm", "predictions.LayerNorm", gain="scale", offset="bias"),
        Rule("predictions/bias", "predictions.bias"),
        *_dense("sop_classifier/classifier", "sop_classifier.classifier"),
        *_dense("classifier", "classifier"),
        *_dense("qa_outputs", "qa_outputs"),
    ]
)
"""transformers' Flax classes: paths in ``flax_model.msgpack``."""
