"""The schema agrees with the code that its values reach."""

from __future__ import annotations

import dataclasses

from albert_cli.models.config import AlbertConfig
from albert_cli.recipe.sections import SIZES, ModelFields


def test_architecture_defaults_are_those_of_the_config() -> None:
    config = {
        field.name: getattr(AlbertConfig(), field.name) for field in dataclasses.fields(AlbertConfig) if field.init
    }
    fields = ModelFields().model_dump()
    assert fields.pop("vocab_size") is None  # the tokenizer's
    assert fields == {name: config[name] for name in fields}


def test_every_size_has_a_config() -> None:
    for size in SIZES:
        assert AlbertConfig.named(size).hidden_size > 0
