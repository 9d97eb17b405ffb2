"""Loading and saving tokenizer directories, ours and others'."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from albert_cli.errors import ModelError
from albert_cli.tokenization.tokenizer import AlbertTokenizer

TEXTS = ["the river (2011), 23, na\u00efve", "A [MASK] \u00bd ``x''", "well-known \u00a35 \u2013 u.s.", "12,345,"]
WRITTEN = ["special_tokens_map.json", "spiece.model", "tokenizer.json", "tokenizer_config.json"]


def ids(tokenizer: AlbertTokenizer) -> list[list[int]]:
    """Ids that tell tokenizers apart."""
    return tokenizer.encode_batch(TEXTS, split_special_tokens=False)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"do_lower_case": False},
        {"keep_accents": True, "remove_space": False},
        {"algorithm": "original"},
        {"add_prefix_space": False, "trim_offsets": False},
        {"model_max_length": 128, "padding_side": "left", "truncation_side": "left"},
        {"split_special_tokens": True, "clean_up_tokenization_spaces": True},
        {"mask_token": "<m>", "additional_special_tokens": ["<extra>"]},
        {"model_input_names": ["input_ids", "attention_mask"], "sp_model_kwargs": {"alpha": 0.1}},
    ],
)
def test_what_is_saved_comes_back(own_model: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    tokenizer = AlbertTokenizer(own_model, **options)
    paths = tokenizer.save_pretrained(tmp_path / "out")
    assert sorted(Path(path).name for path in paths) == WRITTEN == sorted(p.name for p in (tmp_path / "out").iterdir())
    again = AlbertTokenizer.from_pretrained(tmp_path / "out")
    for name, value in options.items():
        assert getattr(again, name) == value
    assert again.fingerprint == tokenizer.fingerprint
    assert ids(again) == ids(tokenizer)
    assert again("a", "b").data == tokenizer("a", "b").data


def test_a_model_file_or_either_name_in_a_directory_will_do(own_model: Path, tmp_path: Path) -> None:
    expected = ids(AlbertTokenizer(own_model))
    assert ids(AlbertTokenizer.from_pretrained(own_model)) == expected
    for name in ("spiece.model", "30k-clean.model", "some.model"):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(own_model, folder / name)
        assert ids(AlbertTokenizer.from_pretrained(folder)) == expected
    assert ids(AlbertTokenizer.from_pretrained(str(tmp_path / "some.model"))) == expected


def test_arguments_win_over_stored_settings(own_model: Path, tmp_path: Path) -> None:
    AlbertTokenizer(own_model).save_pretrained(tmp_path)
    tokenizer = AlbertTokenizer.from_pretrained(tmp_path, do_lower_case=False, model_max_length=7)
    assert (tokenizer.do_lower_case, tokenizer.model_max_length) == (False, 7)


@pytest.mark.parametrize("options", [{}, {"do_lower_case": False, "keep_accents": True}, {"add_prefix_space": False}])
def test_a_lone_tokenizer_json_gives_the_same_ids(own_model: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    tokenizer = AlbertTokenizer(own_model, **options)
    tokenizer.save_pretrained(tmp_path)
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(tmp_path / "tokenizer.json", alone)
    for again in (AlbertTokenizer.from_pretrained(alone), AlbertTokenizer(tokenizer_file=alone / "tokenizer.json")):
        assert again.do_lower_case == tokenizer.do_lower_case
        assert again.keep_accents == tokenizer.keep_accents
        assert ids(again) == ids(tokenizer)
        assert again.fingerprint == tokenizer.fingerprint


def test_forced_symbols_listed_as_special_tokens_are_put_right(own_model: Path, tmp_path: Path) -> None:
    tokenizer = AlbertTokenizer(own_model)
    tokenizer.save_pretrained(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    fields = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    content["added_tokens"] += [{"id": i, "content": c, **fields} for i, c in enumerate('()"-.\u2013\u00a3\u20ac', 5)]
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "tokenizer.json").write_text(json.dumps(content))
    again = AlbertTokenizer.from_pretrained(alone)
    assert again.all_special_tokens == tokenizer.all_special_tokens
    assert ids(again) == ids(tokenizer)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    config["added_tokens_decoder"]["5"] = {"content": "(", **fields}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert ids(AlbertTokenizer.from_pretrained(tmp_path)) == ids(tokenizer)


def test_settings_of_older_writers_are_read(own_model: Path, tmp_path: Path) -> None:
    shutil.copy(own_model, tmp_path / "spiece.model")
    config = {"do_lower_case": False, "model_max_length": 1e30, "tokenizer_class": "AlbertTokenizer", "is_local": True}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<new>": 420, "<newer>": 421}))
    mask = {"content": "[MASK]", "lstrip": True, "normalized": False}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"mask_token": mask, "pad_token": "<pad>"}))
    tokenizer = AlbertTokenizer.from_pretrained(tmp_path)
    assert not tokenizer.do_lower_case
    assert tokenizer.model_max_length == 512, "1e30 stands for not known"
    assert len(tokenizer) == 422
    assert tokenizer("a<newer>").input_ids[-2] == 421


def test_added_tokens_of_a_tokenizer_json_are_read_where_the_config_lists_none(own_model: Path, tmp_path: Path) -> None:
    tokenizer = AlbertTokenizer(own_model)
    tokenizer.add_tokens(["<new>"], special_tokens=True)
    tokenizer.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    del config["added_tokens_decoder"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    again = AlbertTokenizer.from_pretrained(tmp_path)
    assert again.convert_tokens_to_ids("<new>") == 420
    assert again.additional_special_tokens == ["<new>"]


def test_the_vocabulary_alone_is_saved_under_a_prefix(own_model: Path, tmp_path: Path) -> None:
    tokenizer = AlbertTokenizer(own_model)
    (path,) = tokenizer.save_vocabulary(tmp_path, filename_prefix="my")
    assert Path(path) == tmp_path / "my-spiece.model"
    assert Path(path).read_bytes() == own_model.read_bytes()
    with pytest.raises(ModelError, match="is not a directory"):
        tokenizer.save_vocabulary(tmp_path / "absent")


def test_the_written_config_names_all_three_inputs_and_a_length(own_model: Path, tmp_path: Path) -> None:
    AlbertTokenizer(own_model, algorithm="original").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["model_input_names"] == ["input_ids", "token_type_ids", "attention_mask"]
    assert config["model_max_length"] == 512
    assert config["tokenizer_class"] == "AlbertTokenizer"
    assert config["albert_cli_algorithm"] == "original"
    assert sorted(config["added_tokens_decoder"]) == ["0", "1", "2", "3", "4"]
    assert config["added_tokens_decoder"]["4"]["lstrip"] is True
    specials = json.loads((tmp_path / "special_tokens_map.json").read_text())
    assert specials["mask_token"]["lstrip"] is True
    assert specials["pad_token"] == "<pad>"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "not json",
        "[1]",
        "{}",
        '{"model": {"type": "BPE", "vocab": [], "unk_id": 0}}',
        '{"model": {"type": "Unigram", "vocab": [["a", "x"]], "unk_id": 0}}',
        '{"model": {"type": "Unigram", "vocab": [], "unk_id": 0}}',
        '{"model": {"type": "Unigram", "vocab": [["<unk>", 0]], "unk_id": 9}}',
        '{"model": {"type": "Unigram", "vocab": [["<unk>", 0], 3], "unk_id": 0}}',
        '{"model": {"type": "Unigram", "vocab": [["<unk>", 1e999]], "unk_id": 0}, "normalizer": 3}',
        "[" * 100_000,
    ],
)
def test_a_damaged_tokenizer_json_is_one_clear_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ModelError, match=r"tokenizer\.json") as caught:
        AlbertTokenizer.from_pretrained(tmp_path)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", '{"mask_token": 3, "x": "y", "model_max_length": "long"}'])
def test_damaged_settings_are_one_clear_error(own_model: Path, tmp_path: Path, name: str, content: str) -> None:
    shutil.copy(own_model, tmp_path / "spiece.model")
    (tmp_path / name).write_text(content)
    with pytest.raises(ModelError, match=r"\.json") as caught:
        AlbertTokenizer.from_pretrained(tmp_path)
    assert "\n" not in caught.value.message


def test_a_directory_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no tokenizer in"):
        AlbertTokenizer.from_pretrained(tmp_path)
    with pytest.raises(ModelError):
        AlbertTokenizer.from_pretrained(tmp_path / "absent")
