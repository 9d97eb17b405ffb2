"""A recipe's model and tokenizer: what fits together, where weights come from, what is drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from albert_cli.errors import ModelError
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForPreTraining, AlbertForSequenceClassification
from albert_cli.recipe.load import load_values
from albert_cli.stages.assemble import build_model, check_fit, check_length, dropouts
from albert_cli.stages.tokenizers import is_written_out, load_tokenizer

FIELDS = {
    "embedding_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}


def recipe(tokenizer: Path | None, **values: Any) -> Any:
    said = {
        "stage": "finetune",
        "task": "sst2",
        "model": FIELDS,
        "data": {"path": "rows", "max_length": 32},
        "train": {"max_steps": 2, "learning_rate": 1e-3},
        **({} if tokenizer is None else {"tokenizer": str(tokenizer)}),
    }
    return load_values({**said, **values}, name="test").recipe


def test_a_tokenizer_must_have_as_many_pieces_as_the_word_table(tiny_tokenizer: Path) -> None:
    tokenizer = load_tokenizer(recipe(tiny_tokenizer))
    check_fit(tokenizer, AlbertConfig(vocab_size=len(tokenizer)))
    for size in (len(tokenizer) - 1, len(tokenizer) + 1):
        with pytest.raises(ModelError, match="were not made for each other"):
            check_fit(tokenizer, AlbertConfig(vocab_size=size))


def test_sequences_may_be_as_long_as_the_position_table() -> None:
    check_length(64, AlbertConfig(max_position_embeddings=64))
    with pytest.raises(ModelError, match="positions for 64") as caught:
        check_length(65, AlbertConfig(max_position_embeddings=64))
    assert caught.value.hint == "--set data.max_length=64"


def test_sizes_and_mappings_are_architectures_and_names_are_weights(tiny_tokenizer: Path) -> None:
    assert is_written_out("tiny")
    assert is_written_out(recipe(tiny_tokenizer).model)
    assert not is_written_out("albert-base-v2")


def test_new_weights_follow_the_seed_alone(tiny_tokenizer: Path) -> None:
    tokenizer = load_tokenizer(recipe(tiny_tokenizer))
    first, again, other = (
        build_model(recipe(tiny_tokenizer, seed=seed), AlbertForSequenceClassification, tokenizer=tokenizer)
        for seed in (1, 1, 2)
    )
    assert first.start is None
    assert first.model.config.vocab_size == len(tokenizer)
    tables = [one.model.get_input_embeddings().weight for one in (first, again, other)]
    assert torch.equal(tables[0], tables[1])
    assert not torch.equal(tables[0], tables[2])


def test_dropout_of_the_recipe_goes_over_that_of_the_model(
    tiny_tokenizer: Path, tiny_model: Callable[..., Path]
) -> None:
    folder = tiny_model("AlbertForSequenceClassification", hidden_dropout_prob=0.3)
    said = {"max_steps": 2, "learning_rate": 1e-3}
    assert dropouts(recipe(tiny_tokenizer, train=said).train) == {}
    tokenizer = load_tokenizer(recipe(None, model=str(folder)))
    for dropout, expected in ((None, 0.3), (0.0, 0.0), (0.2, 0.2)):
        mine = recipe(None, model=str(folder), train={**said, "dropout": dropout, "classifier_dropout": 0.4})
        config = build_model(mine, AlbertForSequenceClassification, tokenizer=tokenizer).model.config
        assert config.hidden_dropout_prob == expected
        assert config.classifier_dropout == 0.4


def test_what_is_drawn_anew_is_named(tiny_model: Callable[..., Path]) -> None:
    folder = tiny_model("AlbertForPreTraining")
    mine = recipe(None, model=str(folder))
    tokenizer = load_tokenizer(mine)
    built = build_model(mine, AlbertForSequenceClassification, tokenizer=tokenizer, labels={"num_labels": 3})
    assert set(built.new_weights) == {"classifier.weight", "classifier.bias"}
    assert built.start == str(folder)
    assert built.model.config.num_labels == 3
    whole = build_model(mine, AlbertForPreTraining, tokenizer=tokenizer)
    assert whole.new_weights == ()


def test_a_written_out_model_takes_weights_that_fit(tiny_tokenizer: Path, tiny_model: Callable[..., Path]) -> None:
    folder = tiny_model("AlbertForSequenceClassification")
    fields = {name: getattr(AlbertConfig.from_pretrained(folder), name) for name in (*FIELDS, "num_hidden_groups")}
    mine = recipe(tiny_tokenizer, model=fields, init={"from": str(folder)})
    built = build_model(mine, AlbertForSequenceClassification, tokenizer=load_tokenizer(mine))
    assert built.new_weights == ("classifier.bias", "classifier.weight")
    there = AlbertForSequenceClassification.from_pretrained(folder)
    assert not torch.equal(built.model.classifier.weight, there.classifier.weight)
    assert torch.equal(built.model.get_input_embeddings().weight, there.get_input_embeddings().weight)


def test_a_tokenizer_must_be_named_or_lie_beside_the_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        load_tokenizer(recipe(tmp_path / "none"))
