"""What does one ALBERT look like: sizes, sharing, dropout, labels, and the JSON file that says so?

Fields, defaults and the JSON form are those of ``transformers``, so that either side reads what the other wrote.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from albert_cli.errors import ModelError
from albert_cli.files.atomic import write_file
from albert_cli.files.json_text import parse_json
from albert_cli.models.sizes import SIZES

CONFIG_FILE = "config.json"

# No model comes near; some of what a hostile file asks for would be built before it is compared with the weights.
_MOST_WIDTH = 2**28
_MOST = {"num_hidden_layers": 4096, "num_hidden_groups": 4096, "inner_group_num": 64, "num_labels": 1_000_000}
_HINT = "correct config.json, or `model` in the recipe"

INTEGERS = (
    "vocab_size",
    "embedding_size",
    "hidden_size",
    "num_hidden_layers",
    "num_hidden_groups",
    "num_attention_heads",
    "intermediate_size",
    "inner_group_num",
    "max_position_embeddings",
    "type_vocab_size",
)
_PROBABILITIES = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout_prob")
_ALWAYS_WRITTEN = (
    *INTEGERS,
    *_PROBABILITIES,
    "hidden_act",
    "initializer_range",
    "layer_norm_eps",
    "pad_token_id",
    "bos_token_id",
    "eos_token_id",
    "tie_word_embeddings",
)
_NOT_KEPT = ("transformers_version", "_name_or_path", "torch_dtype", "model_type", "num_labels")


@dataclass
class AlbertConfig:
    """Everything that shapes a model. The defaults are those of xxlarge, as in the original.

    Args:
        vocab_size: V, rows of the word table.
        embedding_size: E, width of the word, position and segment tables (paper 3.1, factorised embedding).
        hidden_size: H, width of the encoder; a multiple of ``num_attention_heads``.
        num_hidden_layers: N, how often a layer is applied.
        num_hidden_groups: G <= N, sets of layer parameters; depth i uses set ``i * G // N`` (paper 3.1, sharing).
        num_attention_heads: A.
        intermediate_size: I, width inside the feed-forward part.
        inner_group_num: K, different layers applied one after another at each depth.
        hidden_act: gelu_new (the tanh form, the original's gelu), gelu (erf), relu, silu, tanh, linear, or a callable.
        hidden_dropout_prob: dropout of embeddings, attention output and feed-forward output.
        attention_probs_dropout_prob: dropout of attention probabilities.
        max_position_embeddings: P, longest sequence in tokens.
        type_vocab_size: rows of the segment table.
        initializer_range: standard deviation of the normal that is cut at two deviations to draw new weights.
        layer_norm_eps: added to the variance.
        classifier_dropout_prob: dropout before a task head; None means ``hidden_dropout_prob``.
        position_embedding_type: "absolute", or "relative_key" or "relative_key_query": distances inside attention.
        pad_token_id: token whose row of the word table gets no gradient; None for none.
        bos_token_id: id of ``[CLS]``.
        eos_token_id: id of ``[SEP]``.
        tie_word_embeddings: whether the masked-language head shares the word table.
        num_labels: C, classes of a task head. Taken from ``id2label`` when only that is given.
        id2label: class name of each class number; None makes LABEL_0, LABEL_1, ...
        label2id: the inverse; made from ``id2label`` when None.
        problem_type: regression, single_label_classification or multi_label_classification; None lets the first
            labels decide.
        dropout_placement: "original" drops the feed-forward output and not before the sentence-order head, as the
            original does; "transformers" the other way round.
        parameter_sharing: "all": the layers of a group share everything; "attention" or "ffn": all layers share that
            block alone; "none": nothing. Anything but "all" makes as many groups as layers (paper table 4).
        chunk_size_feed_forward: tokens that the feed-forward part takes at once; 0 takes all. Same numbers.
        pruned_heads: heads taken out, by shared layer (``group * K + inner``).
        output_attentions: what a forward does when its argument is None.
        output_hidden_states: likewise.
        return_dict: likewise; False gives tuples.
        architectures: class names the weights were saved from.
        dtype: name of the weights' type in the file ("float32", ...).
        extra: keys of a config file that mean nothing here; written back as they came.

    Raises:
        ModelError: sizes that cannot make a model, or a key of another kind of model.
    """

    vocab_size: int = 30000
    embedding_size: int = 128
    hidden_size: int = 4096
    num_hidden_layers: int = 12
    num_hidden_groups: int = 1
    num_attention_heads: int = 64
    intermediate_size: int = 16384
    inner_group_num: int = 1
    hidden_act: str | Callable[[Any], Any] = "gelu_new"
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    classifier_dropout_prob: float | None = 0.1
    position_embedding_type: str = "absolute"
    pad_token_id: int | None = 0
    bos_token_id: int | None = 2
    eos_token_id: int | list[int] | None = 3
    tie_word_embeddings: bool = True
    num_labels: int = 2
    id2label: dict[int, str] | None = None
    label2id: dict[str, int] | None = None
    problem_type: str | None = None
    dropout_placement: str = "original"
    parameter_sharing: str = "all"
    chunk_size_feed_forward: int = 0
    pruned_heads: dict[int, list[int]] = field(default_factory=dict)
    output_attentions: bool = False
    output_hidden_states: bool = False
    return_dict: bool = True
    architectures: list[str] | None = None
    dtype: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            self._clean_numbers()
            self._clean_labels()
            if self.parameter_sharing in ("attention", "ffn", "none"):
                self.num_hidden_groups = self.num_hidden_layers
            self.pruned_heads = {int(layer): sorted(heads) for layer, heads in self.pruned_heads.items() if heads}
            self._check()
        except ModelError as error:
            error.hint = error.hint or _HINT
            raise
        except (TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"labels or pruned heads of another form: {error}", hint=_HINT) from None

    @property
    def classifier_dropout(self) -> float:
        """Dropout before a task head, with the fallback resolved."""
        return self.hidden_dropout_prob if self.classifier_dropout_prob is None else self.classifier_dropout_prob

    @property
    def head_size(self) -> int:
        """D, width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    @property
    def labels(self) -> dict[int, str]:
        """Class name of each class number."""
        return self.id2label or {}

    @classmethod
    def named(cls, size: str, **overrides: Any) -> AlbertConfig:
        """A config by name: tiny, small, base, large, xlarge or xxlarge, with the dropout of the v2 checkpoints.

        Raises:
            ModelError: no such size.
        """
        if size not in SIZES:
            raise ModelError(f"no model size '{size}'", hint=f"one of: {', '.join(SIZES)}")
        return cls.from_dict({**SIZES[size], **overrides}, strict=True)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, strict: bool = False) -> AlbertConfig:
        """Read a config from the content of a JSON file, of any writer and version.

        Args:
            values: keys of the fields above, older names of them, and keys that mean nothing here.
            strict: refuse the last kind instead of keeping it in ``extra``.

        Raises:
            ModelError: the file is of another kind of model, a value makes no sense, or (strict) a key is unknown.
        """
        kind = values.get("model_type", "albert")
        if kind != "albert":
            raise ModelError(f"config of a '{kind}' model, not of an ALBERT", hint="name an ALBERT checkpoint")
        known = {item.name for item in fields(cls)}
        given = {name: value for name, value in values.items() if name in known}
        given.setdefault("dtype", values.get("torch_dtype"))
        if given["dtype"] is not None:
            given["dtype"] = str(given["dtype"]).removeprefix("torch.")
        given["num_labels"] = values.get("num_labels", 2)
        unknown = {name: value for name, value in values.items() if name not in known and name not in _NOT_KEPT}
        if strict:
            _refuse_unknown(unknown, known)
        given["extra"] = {**unknown, **given.get("extra", {})}
        for item in fields(cls):  # a JSON null where a number is needed means the default
            if given.get(item.name, MISSING) is None and item.default is not None and item.name not in _NULLABLE:
                del given[item.name]
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """The content of ``config.json``, in the strict types that ``transformers`` 5 asks for.

        Raises:
            ModelError: the activation is a callable, which no file can hold.
        """
        if not isinstance(self.hidden_act, str):
            raise ModelError(
                "hidden_act is a callable and cannot be written to config.json",
                hint="use one of the named activations to save a model",
            )
        values: dict[str, Any] = dict(self.extra)
        values["model_type"] = "albert"
        for name in _ALWAYS_WRITTEN:
            values[name] = getattr(self, name)
        values["classifier_dropout_prob"] = self.classifier_dropout
        for item in fields(self):
            if item.name not in (*_ALWAYS_WRITTEN, *_WRITTEN_OTHERWISE) and not _is_default(self, item):
                values[item.name] = getattr(self, item.name)
        if self.pruned_heads:
            values["pruned_heads"] = {str(layer): heads for layer, heads in self.pruned_heads.items()}
        if self.labels != _default_labels(2):
            values["id2label"] = {str(number): name for number, name in self.labels.items()}
            values["label2id"] = self.label2id
        return dict(sorted(values.items()))

    @classmethod
    def from_pretrained(cls, name_or_dir: str | Path, *, revision: str | None = None, **overrides: Any) -> AlbertConfig:
        """Read ``config.json`` of a model directory or hub id.

        Args:
            name_or_dir: directory, or id on the hub.
            revision: branch, tag or commit on the hub.
            overrides: fields to set otherwise. ``num_labels`` alone makes new class names.

        Raises:
            ModelError: no such model, a damaged file, or an override that is no field.
        """
        directory = find_model(name_or_dir, revision=revision)
        path = directory / CONFIG_FILE
        try:
            values = parse_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ModelError(f"no {CONFIG_FILE} in {directory}", hint="name the directory of a saved model") from None
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ModelError(f"{path} cannot be read: {error}", hint="fetch or save the model again") from None
        if not isinstance(values, dict):
            raise ModelError(f"{path} does not hold a JSON object", hint="fetch or save the model again")
        try:
            return cls.from_dict(values).changed(**overrides)
        except ModelError as error:
            raise ModelError(f"{path}: {error.message}", hint=error.hint) from None

    def changed(self, **overrides: Any) -> AlbertConfig:
        """A copy with some fields set otherwise; a new ``num_labels`` drops the old class names.

        Raises:
            ModelError: an override that is no field, or a value that makes no sense.
        """
        _refuse_unknown(overrides, {item.name for item in fields(self)})
        if overrides.get("num_labels") is None:
            overrides.pop("num_labels", None)
        names = {"id2label", "label2id"} & overrides.keys()
        if names:
            overrides = {"id2label": None, "label2id": None, "num_labels": 2, **overrides}
        elif overrides.get("num_labels", self.num_labels) != self.num_labels:
            overrides = {**overrides, "id2label": None, "label2id": None}
        return replace(self, **overrides)

    def save_pretrained(self, directory: str | Path) -> None:
        """Write ``config.json`` into a directory, which is made if needed."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"
        Path(directory).mkdir(parents=True, exist_ok=True)
        write_file(Path(directory) / CONFIG_FILE, text)

    def _clean_numbers(self) -> None:
        """Bring numbers into their own type: files of older writers hold 4.0 and "0.1"."""
        for name in (*INTEGERS, "chunk_size_feed_forward", "num_labels"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not _is_whole(value):
                raise ModelError(f"{name} is {value!r}, not a whole number")
            most = _MOST.get(name, _MOST_WIDTH)
            if value > most:
                raise ModelError(f"{name} is {value:,}; at most {most:,} are taken")
            setattr(self, name, int(value))
        for name in (*_PROBABILITIES, "initializer_range", "layer_norm_eps"):
            value = getattr(self, name)
            if value is None and name == "classifier_dropout_prob":
                continue
            try:
                setattr(self, name, float(value))
            except (TypeError, ValueError):
                raise ModelError(f"{name} is {value!r}, not a number") from None

    def _clean_labels(self) -> None:
        if self.id2label is not None:
            self.id2label = {int(number): str(name) for number, name in self.id2label.items()}
            if self.num_labels not in (2, len(self.id2label)):
                raise ModelError(
                    f"num_labels is {self.num_labels}, id2label names {len(self.id2label)} classes",
                    hint="give one of the two",
                )
            self.num_labels = len(self.id2label)
        else:
            self.id2label = _default_labels(self.num_labels)
        if self.label2id is None:
            self.label2id = {name: number for number, name in self.id2label.items()}

    def _check(self) -> None:
        """Refuse what cannot make a model; each message names the fields."""
        for name in INTEGERS:
            if getattr(self, name) < 1:
                raise ModelError(f"{name} is {getattr(self, name)}, it must be 1 or more")
        for name in _PROBABILITIES:
            value = getattr(self, name)
            if value is not None and not 0.0 <= value < 1.0:
                raise ModelError(f"{name} is {value}, it must be at least 0 and below 1")
        if self.hidden_size % self.num_attention_heads:
            raise ModelError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )
        if self.num_hidden_groups > self.num_hidden_layers:
            raise ModelError(
                f"num_hidden_groups {self.num_hidden_groups} is more than num_hidden_layers {self.num_hidden_layers}"
            )
        if self.pad_token_id is not None and not 0 <= self.pad_token_id < self.vocab_size:
            raise ModelError(f"pad_token_id {self.pad_token_id} is outside the vocabulary of {self.vocab_size}")
        if self.num_labels < 1 or self.chunk_size_feed_forward < 0 or self.initializer_range <= 0:
            raise ModelError("num_labels and initializer_range must be positive, chunk_size_feed_forward 0 or more")
        _one_of("position_embedding_type", self.position_embedding_type, POSITION_KINDS)
        _one_of("dropout_placement", self.dropout_placement, ("original", "transformers"))
        _one_of("parameter_sharing", self.parameter_sharing, ("all", "attention", "ffn", "none"))
        if self.parameter_sharing in ("attention", "ffn") and (self.inner_group_num > 1 or self.pruned_heads):
            raise ModelError(
                f"parameter_sharing {self.parameter_sharing} goes with inner_group_num 1 and without pruned heads"
            )
        if self.problem_type is not None:
            _one_of("problem_type", self.problem_type, PROBLEM_TYPES)


POSITION_KINDS = ("absolute", "relative_key", "relative_key_query")
PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")
_WRITTEN_OTHERWISE = ("num_labels", "id2label", "label2id", "pruned_heads", "extra")
_NULLABLE = ("classifier_dropout_prob", "pad_token_id", "bos_token_id", "eos_token_id")


def find_model(name_or_dir: str | Path, *, revision: str | None = None) -> Path:
    """Directory of a model: itself when it holds a ``config.json``, else what the hub room finds for the name.

    Raises:
        ModelError: no such directory, and no such id on the hub.
    """
    if (Path(name_or_dir) / CONFIG_FILE).is_file():
        return Path(name_or_dir)
    from albert_cli.files.hub import resolve_model  # only a name that is no model directory needs it

    return resolve_model(str(name_or_dir), revision=revision)


def _is_whole(value: float) -> bool:
    return math.isfinite(value) and value == int(value)


def _default_labels(count: int) -> dict[int, str]:
    return {number: f"LABEL_{number}" for number in range(count)}


def _is_default(config: AlbertConfig, item: Any) -> bool:
    default = item.default_factory() if item.default is MISSING else item.default
    return bool(getattr(config, item.name) == default)


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ModelError(f"{name} is {value!r}, it can be: {', '.join(allowed)}")


def _refuse_unknown(given: Mapping[str, Any], known: set[str]) -> None:
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            raise ModelError(
                f"'{name}' is no field of the model's config",
                hint=f"did you mean '{close[0]}'?" if close else "see AlbertConfig for the fields",
            )
