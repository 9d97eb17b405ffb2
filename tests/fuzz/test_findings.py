"""What fuzzing and wrong inputs found once, each put before its reader again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from albert_cli.data.readers_arrow import read_parquet
from albert_cli.data.readers_json import read_json, read_jsonl
from albert_cli.data.text_files import Reading, read_documents
from albert_cli.errors import AlbertError, DataError, ModelError, RecipeError
from albert_cli.models.config import AlbertConfig
from albert_cli.models.weights import read_weights
from albert_cli.recipe.load import load_recipe
from albert_cli.recipe.shipped import shipped_file
from albert_cli.report.run_dir import RunDir
from albert_cli.report.run_summary import summarise_run

DIGITS = b'{"text": ' + b"9" * 5000 + b"}\n"
DEEP = b"[" * 100_000


def _documents(path: Path) -> None:
    list(read_documents(path, column="text", documents="auto", reading=Reading()))


@pytest.mark.parametrize("content", [DIGITS, DEEP, b'{"a":' * 50_000])
@pytest.mark.parametrize(
    ("read", "name"), [(read_json, "x.json"), (read_jsonl, "x.jsonl"), (_documents, "x.jsonl"), (_documents, "x.json")]
)
def test_json_that_pythons_reader_gives_up_on(
    read: Callable[[Path], object], name: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"[" + content + b"]" if name == "x.json" else content)
    with pytest.raises(DataError, match=r"too many digits|nested too deeply"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (DEEP, "nested too deeply"),
        (b'{"hidden_size": 1' + b"0" * 5000 + b"}", "too many digits"),
        (b'{"hidden_size": 1000000000000}', "at most 268,435,456"),
        (b'{"num_labels": 1000000000}', "at most 1,000,000"),
        (b'{"num_hidden_layers": 1000000000}', "at most 4,096"),
        (b'{"inner_group_num": 1000000}', "at most 64"),
        (b'{"hidden_size": 1e999}', "not a whole number"),
        (b'{"hidden_size": NaN}', "not a whole number"),
        (b'{"id2label": [1, 2]}', "another form"),
        (b'{"id2label": {"x": "y"}}', "another form"),
        (b'{"pruned_heads": {"0": 7}}', "another form"),
    ],
)
def test_a_configuration_that_asks_for_too_much_or_nonsense(config: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(config)
    with pytest.raises(ModelError, match=words) as refused:
        AlbertConfig.from_pretrained(tmp_path)
    assert refused.value.hint


def test_a_parquet_file_whose_texts_are_not_utf8(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    texts = pyarrow.array([b"\x9c\xff"]).view(pyarrow.string())
    parquet.write_table(pyarrow.table({"text": texts}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"cannot be read.*column text"):
        read_parquet(tmp_path / "x.parquet")


@pytest.mark.parametrize("name", ["n" * 5000, "../x.safetensors", "", "a\0b", 7, ["x"]])
def test_an_index_that_names_no_file(name: Any, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(ModelError):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"do_lower_case": "perhaps"},
        {"truncation_side": "rightr"},
        {"albert_cli_algorithm": 3},
        {"model_input_names": ["nothing"]},
        {"model_input_names": 3},
        {"model_max_length": "long"},
    ],
)
def test_settings_of_a_tokenizer_that_it_does_not_take(
    settings: dict[str, Any], tiny_tokenizer: Path, tmp_path: Path
) -> None:
    from albert_cli.tokenization.settings import ALGORITHM_KEY
    from albert_cli.tokenization.tokenizer import AlbertTokenizer

    (tmp_path / "spiece.model").write_bytes((tiny_tokenizer / "spiece.model").read_bytes())
    settings = {name.replace("albert_cli_algorithm", ALGORITHM_KEY): value for name, value in settings.items()}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match=r"tokenizer_config\.json is damaged"):
        AlbertTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "extends: " + "n" * 5000 + "\nstage: finetune\n",
        'extends: "a\\0b"\nstage: finetune\n',
        'stage: finetune\ndata: {path: "a\\0b"}\n',
    ],
)
def test_a_recipe_that_names_what_no_file_is_called(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(RecipeError):
        load_recipe(tmp_path / "r.yaml")


def test_a_key_at_the_top_of_a_recipe_that_belongs_elsewhere(tmp_path: Path) -> None:
    shipped = shipped_file("glue/qqp")
    assert shipped is not None
    text = shipped.read_text().replace("  max_length", "</doc>  max_length").replace("  eval_every", "</doc>  x")
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(AlbertError):
        load_recipe(tmp_path / "r.yaml")


@pytest.mark.parametrize(
    ("name", "content", "refused"),
    [
        ("metrics.jsonl", b"[1]\n", True),
        ("metrics.jsonl", b'{"step": "x", "split": "train"}\n', True),
        ("metrics.jsonl", b'{"step": 1}\n', True),
        ("metrics.jsonl", DEEP + b"\n{}\n", True),
        ("result.json", b'{"chosen_by": {"metric": "loss"}}', False),
        ("result.json", b'{"chosen_by": {"split": "dev", "metric": "loss", "value": []}}', False),
        ("result.json", DEEP, False),
        ("status.json", DEEP, True),
        ("status.json", b"[]", True),
    ],
)
def test_a_run_whose_files_are_of_another_form(name: str, content: bytes, refused: bool, tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text('{"state": "done", "updated": 1.0}')
    (tmp_path / name).write_bytes(content)
    if refused:
        with pytest.raises(AlbertError):
            summarise_run(RunDir.open(tmp_path))
    else:
        assert summarise_run(RunDir.open(tmp_path)).best is None


def test_a_group_that_holds_itself(tmp_path: Path) -> None:
    import h5py

    from albert_cli.convert import keras_h5

    (tmp_path / "config.json").write_text("{}")
    with h5py.File(tmp_path / keras_h5.FILE, "w") as file:
        group = file.create_group("albert")
        group["again"], group["and_again"] = group, group
    with pytest.raises(ModelError, match="groups without end"):
        keras_h5.read(tmp_path)


def _rules(units: list[int], texts: bytes = b"a\0") -> bytes:
    import struct

    return struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + texts


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"piece": ""}, "a piece is empty"),
        ({"piece": "\0x"}, "holds a NUL"),
        ({"charsmap": b"\0"}, "damaged|unpack"),
        ({"charsmap": _rules([0] * 256, b"")}, "damaged"),
        ({"charsmap": _rules([0] * 256, b"a")}, "damaged"),
        ({"charsmap": _rules([1 << 20 | 0x200] + [0] * 255)}, "point out of themselves"),
        ({"charsmap": _rules([1 << 31 | 5] + [0] * 255)}, "point out of their texts"),
        ({"charsmap": _rules([1 << 10 | 0x100] + [0] * 255)}, "end where no text is"),
        ({"charsmap": _rules([1 << 31] + [0] * 255, b"\xfd\0")}, "utf-8"),
        ({"charsmap": _rules([1 << 31 | 1] + [0] * 255, b"\xc3\xa9\0")}, "point into a character"),
        ({"charsmap": b"\xff\xff\xff\xff" + bytes(2000)}, "damaged"),
    ],
)
def test_a_sentencepiece_model_that_its_library_dies_of(
    changes: dict[str, Any], words: str, tiny_tokenizer: Path, tmp_path: Path
) -> None:
    from dataclasses import replace

    from albert_cli.tokenization.spm_file import USER_DEFINED, Piece, build_spm, parse_spm
    from albert_cli.tokenization.tokenizer import AlbertTokenizer

    model = parse_spm((tiny_tokenizer / "spiece.model").read_bytes())
    model = replace(model, charsmap=changes.get("charsmap", model.charsmap))
    if "piece" in changes:
        model = replace(model, pieces=(*model.pieces, Piece(changes["piece"], 0.0, USER_DEFINED)))
    (tmp_path / "x.model").write_bytes(build_spm(model))
    with pytest.raises(ModelError, match=words):
        AlbertTokenizer.from_pretrained(tmp_path / "x.model")


def test_a_wordpiece_table_of_infinite_numbers(tmp_path: Path) -> None:
    from albert_cli.tokenization.tokenizer import AlbertTokenizer

    model = {"type": "WordPiece", "vocab": {"[UNK]": float("inf")}, "continuing_subword_prefix": "##"}
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": model}))
    with pytest.raises(ModelError, match="WordPiece"):
        AlbertTokenizer.from_pretrained(tmp_path)
