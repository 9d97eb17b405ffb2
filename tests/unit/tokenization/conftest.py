"""The small tokenizer that these tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from albert_cli.tokenization.tokenizer import AlbertTokenizer


@pytest.fixture(scope="session")
def own_model() -> Path:
    """A SentencePiece model of 420 pieces, made by tests/goldens/make_tokenizer_goldens.py."""
    return Path(__file__).resolve().parents[2] / "goldens" / "tokenizer" / "spiece.model"


@pytest.fixture(scope="session")
def tokenizer(own_model: Path) -> AlbertTokenizer:
    """The default tokenizer on that model."""
    return AlbertTokenizer(own_model)
