"""A few thousand hostile files, the same ones each time; `tests/fuzz/fuzz.py` goes on from here."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from fuzz import check
from target import Target
from targets import make_targets

INPUTS = 100
SLOW = {"h5": 20, "tokenizer_json": 50}
NAMES = [
    "recipe", "csv", "tsv", "tsv_gz", "jsonl", "json", "parquet", "squad", "race", "race_tar", "conll", "corpus_txt",
    "corpus_bare", "corpus_jsonl", "corpus_json", "spm", "spm_rules", "tokenizer_json", "vocab_txt", "tokenizer_config",
    "run_lines", "config", "safetensors", "shard_index", "torch_bin", "h5", "flax", "tf_index", "tf_data",
    "tf_config", "run_status", "run_metrics", "run_result",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files of the targets are."""
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def targets(folder: Path) -> Mapping[str, Target]:
    """All of them."""
    return make_targets(folder)


def test_every_target_is_tried(targets: Mapping[str, Target]) -> None:
    assert list(targets) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_whatever_bytes_come_the_reader_refuses_or_takes_them(
    name: str, targets: Mapping[str, Target], folder: Path
) -> None:
    target, draw = targets[name], random.Random(f"{name} in tests")
    for number in range(SLOW.get(name, INPUTS)):
        assert check(target, folder / name / target.file, target.broken(draw)) is None, f"input {number}"


class Reader:
    """A target of a function."""

    def __init__(self, read: object) -> None:
        self.read = read


def _raise(error: BaseException) -> object:
    raise error


def _wait() -> None:
    while True:
        pass


@pytest.mark.parametrize(
    ("behaviour", "found"),
    [
        (lambda _: _raise(KeyError("x")), "KeyError"),
        (lambda _: _raise(RecursionError()), "RecursionError"),
        (lambda _: bytearray(1 << 30), "MemoryError"),
        (lambda _: _wait(), "Hang"),
    ],
)
def test_what_is_wrong_is_seen(behaviour: object, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself: another exception, memory, and time."""
    monkeypatch.setattr("fuzz.SECONDS", 0.2)
    finding = check(Reader(behaviour), tmp_path / "x", b"x")
    assert finding is not None
    assert finding.startswith(found)
