"""A config says what it means, in JSON too, and refuses what cannot be a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st

from albert_cli.errors import ModelError
from albert_cli.models.config import AlbertConfig


def test_defaults_are_those_of_transformers() -> None:
    theirs = transformers.AlbertConfig().to_dict()
    ours = AlbertConfig().to_dict()
    assert {name: theirs[name] for name in ours if name != "classifier_dropout_prob"} == {
        name: value for name, value in ours.items() if name != "classifier_dropout_prob"
    }
    assert ours["classifier_dropout_prob"] == theirs["classifier_dropout_prob"] == 0.1


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ("tiny", (128, 2, 2, 512)),
        ("small", (256, 4, 4, 1024)),
        ("base", (768, 12, 12, 3072)),
        ("large", (1024, 24, 16, 4096)),
        ("xlarge", (2048, 24, 16, 8192)),
        ("xxlarge", (4096, 12, 64, 16384)),
    ],
)
def test_named_sizes(size: str, shape: tuple[int, int, int, int]) -> None:
    config = AlbertConfig.named(size, vocab_size=100)
    found = (config.hidden_size, config.num_hidden_layers, config.num_attention_heads, config.intermediate_size)
    assert found == shape
    assert (config.embedding_size, config.vocab_size, config.max_position_embeddings) == (128, 100, 512)
    assert (config.hidden_dropout_prob, config.attention_probs_dropout_prob, config.classifier_dropout) == (0, 0, 0.1)


def test_unknown_size_and_misspelt_field() -> None:
    with pytest.raises(ModelError, match="no model size 'huge'"):
        AlbertConfig.named("huge")
    with pytest.raises(ModelError, match="'hiden_size' is no field") as caught:
        AlbertConfig.named("tiny", hiden_size=3)
    assert caught.value.hint == "did you mean 'hidden_size'?"


def test_narrow_sizes_start_from_a_wider_spread_and_released_ones_from_the_released() -> None:
    spreads = {size: AlbertConfig.named(size).initializer_range for size in ("tiny", "small", "base", "xxlarge")}
    assert spreads == {"tiny": 0.06, "small": 0.04, "base": 0.02, "xxlarge": 0.02}


@given(
    groups=st.integers(1, 4),
    inner=st.integers(1, 3),
    labels=st.one_of(st.none(), st.lists(st.text(min_size=1), min_size=1, max_size=5, unique=True)),
    dropout=st.sampled_from([0.0, 0.1]),
    placement=st.sampled_from(["original", "transformers"]),
    tied=st.booleans(),
)
def test_json_round_trip(
    groups: int, inner: int, labels: list[str] | None, dropout: float, placement: str, tied: bool
) -> None:
    config = AlbertConfig(
        hidden_size=64,
        num_hidden_groups=groups,
        inner_group_num=inner,
        id2label=None if labels is None else dict(enumerate(labels)),
        hidden_dropout_prob=dropout,
        dropout_placement=placement,
        tie_word_embeddings=tied,
        problem_type="regression",
        pruned_heads={0: [1]},
        extra={"net_structure_type": 0},
    )
    assert AlbertConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_file_of_an_older_writer_is_read() -> None:
    """Numbers as text and as floats, nulls, torch_dtype, keys of the original and of transformers."""
    values = {
        "num_hidden_layers": 4.0,
        "hidden_dropout_prob": "0.1",
        "classifier_dropout_prob": None,
        "initializer_range": None,
        "torch_dtype": "float16",
        "transformers_version": "4.0.0",
        "_name_or_path": "albert-base-v2",
        "net_structure_type": 0,
        "layers_to_keep": [],
    }
    config = AlbertConfig.from_dict(values)
    assert (config.num_hidden_layers, config.hidden_dropout_prob, config.dtype) == (4, 0.1, "float16")
    assert config.initializer_range == 0.02
    assert config.classifier_dropout == 0.1  # falls back to the hidden dropout
    assert config.extra == {"net_structure_type": 0, "layers_to_keep": []}
    written = config.to_dict()
    assert written["num_hidden_layers"] == 4
    assert written["classifier_dropout_prob"] == 0.1  # transformers 5 takes no null here
    assert "transformers_version" not in written


def test_what_is_written_satisfies_the_strict_config_of_transformers(tmp_path: Path) -> None:
    config = AlbertConfig.from_dict({"hidden_size": 64, "num_hidden_layers": 4.0, "classifier_dropout_prob": None})
    config.changed(id2label={0: "no", 1: "yes", 2: "maybe"}).save_pretrained(tmp_path)
    theirs = transformers.AutoConfig.from_pretrained(tmp_path)
    assert (theirs.model_type, theirs.num_labels, theirs.id2label) == ("albert", 3, {0: "no", 1: "yes", 2: "maybe"})
    theirs.save_pretrained(tmp_path / "back")
    assert AlbertConfig.from_pretrained(tmp_path / "back").labels == {0: "no", 1: "yes", 2: "maybe"}


def test_labels() -> None:
    assert AlbertConfig(num_labels=3).labels == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    named = AlbertConfig.from_dict({"id2label": {"0": "a", "1": "b", "2": "c"}})
    assert (named.num_labels, named.label2id) == (3, {"a": 0, "b": 1, "c": 2})
    assert named.changed(num_labels=4).labels[3] == "LABEL_3"
    assert named.changed(num_labels=3).labels == named.labels
    assert named.changed(hidden_dropout_prob=0.5).labels == named.labels
    assert named.changed(id2label={0: "x"}).label2id == {"x": 0}
    assert "id2label" not in AlbertConfig().to_dict()
    with pytest.raises(ModelError, match="num_labels is 4, id2label names 1 classes"):
        AlbertConfig(num_labels=4, id2label={0: "a"})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hidden_size": 10, "num_attention_heads": 3}, "hidden_size 10 is not a multiple of num_attention_heads 3"),
        ({"num_hidden_layers": 2, "num_hidden_groups": 3}, "num_hidden_groups 3 is more than num_hidden_layers 2"),
        ({"vocab_size": 0}, "vocab_size is 0, it must be 1 or more"),
        ({"num_hidden_layers": 2.5}, "num_hidden_layers is 2.5, not a whole number"),
        ({"hidden_dropout_prob": 1.0}, "hidden_dropout_prob is 1.0, it must be at least 0 and below 1"),
        ({"hidden_dropout_prob": "much"}, "hidden_dropout_prob is 'much', not a number"),
        ({"vocab_size": 4, "pad_token_id": 4}, "pad_token_id 4 is outside the vocabulary of 4"),
        ({"position_embedding_type": "relative"}, "position_embedding_type is 'relative'"),
        ({"dropout_placement": "somewhere"}, "dropout_placement is 'somewhere'"),
        ({"problem_type": "ranking"}, "problem_type is 'ranking'"),
        ({"num_labels": 0}, "num_labels and initializer_range must be positive"),
    ],
)
def test_impossible_configs_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        AlbertConfig(**values)


def test_another_kind_of_model_is_refused() -> None:
    with pytest.raises(ModelError, match="config of a 'bert' model"):
        AlbertConfig.from_dict({"model_type": "bert"})


def test_a_callable_activation_cannot_be_written() -> None:
    with pytest.raises(ModelError, match="hidden_act is a callable"):
        AlbertConfig(hidden_act=abs).to_dict()


@pytest.mark.parametrize("content", ["{", "[1]", "\xff"])
def test_a_damaged_file_names_itself(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(ModelError, match=r"config\.json"):
        AlbertConfig.from_pretrained(tmp_path)
