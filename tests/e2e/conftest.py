"""Inputs and finished runs that the end-to-end tests share; made once, also when several workers run the tests."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import done
from small_texts import write_corpus, write_reviews

ARCHITECTURE = {
    "embedding_size": 16,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests are no part of a distributed run, whatever runs them."""
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "ALBERT_MODEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Make a folder with a function, unless another worker has: ``once("name", make)``."""
    common = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        common = common.parent

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, ready = common / f"e2e-{name}", common / f"e2e-{name}.ready"
        with (common / f"e2e-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not ready.exists():
                make(folder)
                ready.touch()
        return folder

    return once


def _make_home(home: Path) -> None:
    home.mkdir()
    text, reviews = write_corpus(home / "text.txt"), write_reviews(home / "SST-2")
    sizes = ("--set", "tokenizer.vocab_size=75")
    done("train-tokenizer", "--input", text, *sizes, "--out", home / "tokenizer", "--threads", "1")
    train = {
        "batch_size": 8,
        "max_steps": 24,
        "learning_rate": 2e-3,
        "warmup_steps": 4,
        "dropout": 0.1,
        "log_every": 2,
        "eval_every": 8,
        "save_every": 8,
    }
    common = {"model": ARCHITECTURE, "tokenizer": str(home / "tokenizer"), "runtime": {"threads": 1, "device": "cpu"}}
    pretrain = {
        "stage": "pretrain",
        **common,
        "data": {"path": str(text), "max_length": 48, "held_out": 0.1, "cache": str(home / "cache")},
        "train": {**train, "optimizer": "lamb"},
    }
    finetune = {
        "stage": "finetune",
        "task": "sst2",
        **common,
        "data": {"path": str(reviews), "max_length": 32},
        "train": train,
    }
    # JSON is YAML.
    (home / "pretrain.yaml").write_text(json.dumps(pretrain, indent=1))
    (home / "finetune.yaml").write_text(json.dumps(finetune, indent=1))


@pytest.fixture(scope="session")
def home(once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """Folder with text.txt, SST-2/, tokenizer/, cache/, pretrain.yaml and finetune.yaml; nobody writes there."""
    return once("home", _make_home)


@pytest.fixture(scope="session")
def pretrained(once: Callable[[str, Callable[[Path], object]], Path], home: Path) -> Path:
    """Run of pretrain.yaml that nobody disturbed; nobody writes there."""
    return once("pretrained", lambda run: done("pretrain", home / "pretrain.yaml", "--out", run))


@pytest.fixture(scope="session")
def finetuned(once: Callable[[str, Callable[[Path], object]], Path], home: Path) -> Path:
    """Run of finetune.yaml that nobody disturbed; nobody writes there."""
    return once("finetuned", lambda run: done("finetune", home / "finetune.yaml", "--out", run))
