"""Fixtures that several rooms of the tests share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder of real data and reference outputs; tests that need it skip where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("ALBERT_SHARED", default))
    if not (folder / "goldens").is_dir():
        pytest.skip(f"no folder of reference outputs at {folder} (set ALBERT_SHARED)")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Token shards and encoded splits of the tests never meet those of the user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALBERT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(scope="session")
def tiny_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a trained tokenizer of about 100 pieces."""
    import tiny_models

    return tiny_models.make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Path) -> Callable[..., Path]:
    """Directory of a tiny model with random weights: ``tiny_model("AlbertForMaskedLM", **config)``."""
    import tiny_models

    made: dict[str, Path] = {}

    def make(kind: str, **config: object) -> Path:
        key = f"{kind} {sorted(config.items())}"
        if key not in made:
            directory = tmp_path_factory.mktemp("model")
            made[key] = tiny_models.make_model(kind, directory, tokenizer=tiny_tokenizer, **config)
        return made[key]

    return make
