"""Which files make up a tokenizer directory, and what do tokenizer_config.json and special_tokens_map.json say?"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from albert_cli.errors import ModelError
from albert_cli.tokenization.interchange import read_json_object
from albert_cli.tokenization.request import NO_LIMIT, check_side, refuse_but
from albert_cli.tokenization.specials import ROLES, AddedToken

SPM_FILE = "spiece.model"
WORDPIECE_FILE = "vocab.txt"
JSON_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"
SPECIALS_FILE = "special_tokens_map.json"
ALGORITHM_KEY = "albert_cli_algorithm"
MODEL_INPUT_NAMES = ("input_ids", "token_type_ids", "attention_mask")

_SPM_NAMES = (SPM_FILE, "30k-clean.model")
ALGORITHMS = ("transformers", "original")
# The constructor's settings; files store them under the same names, but for the algorithm, which is our own.
DEFAULTS: Mapping[str, Any] = {
    "do_lower_case": True,
    "keep_accents": False,
    "remove_space": True,
    "add_prefix_space": True,
    "trim_offsets": True,
    "sp_model_kwargs": {},
    "algorithm": "transformers",
    "split_special_tokens": False,
    "model_max_length": 512,
    "padding_side": "right",
    "truncation_side": "right",
    "clean_up_tokenization_spaces": False,
    "model_input_names": MODEL_INPUT_NAMES,
}


class TokenizerOptions(TypedDict, total=False):
    """Settings of a tokenizer; None or absent: the default in brackets, or what ``tokenizer_file`` says.

    Args:
        do_lower_case: lower-case text (True).
        keep_accents: keep accents (False).
        remove_space: strip text and make every run of white space one space (True).
        add_prefix_space: put a space before the text (True).
        trim_offsets: leave the space before a word out of its first piece's span (True).
        sp_model_kwargs: ``enable_sampling``, ``nbest_size``, ``alpha``: draw segmentations instead of the best one.
        algorithm: ``"transformers"``, or ``"original"`` for the ids of the original ALBERT code: quotes stay, number
            pieces keep an added U+2581, and no special token is recognised in text (``"transformers"``).
        split_special_tokens: treat ``[MASK]`` and the like as text (False).
        model_max_length: tokens that the model can take; truncation cuts to it unless told otherwise (512).
        padding_side: side that is filled up: ``"right"`` or ``"left"`` (``"right"``).
        truncation_side: side that is cut (``"right"``).
        clean_up_tokenization_spaces: whether ``decode`` takes spaces before punctuation away unless told (False).
        model_input_names: which of ``input_ids``, ``token_type_ids``, ``attention_mask`` a call returns (all).
        tokenize_chinese_chars: every Chinese character is a word (True). For WordPiece alone, which in turn has no
            ``remove_space``, ``add_prefix_space``, ``trim_offsets`` and ``sp_model_kwargs``, and whose accents follow
            the capitals: they are kept where ``do_lower_case`` is False.
    """

    do_lower_case: bool | None
    keep_accents: bool | None
    remove_space: bool | None
    add_prefix_space: bool | None
    trim_offsets: bool | None
    sp_model_kwargs: Mapping[str, Any] | None
    algorithm: str | None
    split_special_tokens: bool | None
    model_max_length: int | None
    padding_side: str | None
    truncation_side: str | None
    clean_up_tokenization_spaces: bool | None
    model_input_names: Sequence[str] | None
    tokenize_chinese_chars: bool | None


_OPTIONS = tuple(TokenizerOptions.__annotations__)


@dataclass(frozen=True)
class TokenizerFiles:
    """Where a tokenizer's files are.

    Args:
        spm: the SentencePiece model, None if there is none.
        json: tokenizer.json, None if there is none.
        folder: directory of the settings files, None for a bare file.
        wordpiece: the vocab.txt of a tokenizer without SentencePiece model, None if there is none.
    """

    spm: Path | None
    json: Path | None
    folder: Path | None
    wordpiece: Path | None = None


@dataclass
class StoredSettings:
    """What the settings files say.

    Args:
        arguments: constructor arguments by name.
        added: tokens by id, from ``added_tokens_decoder`` and ``added_tokens.json``.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    added: dict[int, AddedToken] = field(default_factory=dict)


def check_options(options: Mapping[str, Any], *, known: Collection[str] = DEFAULTS) -> dict[str, Any]:
    """The settings that were given, checked.

    Args:
        options: by name; None stands for one that was not given.
        known: those that a tokenizer of this kind has.

    Raises:
        TypeError: a setting that does not exist, or that tokenizers of this kind do not have.
        ValueError: a value that it does not take.
    """
    refuse_but(TokenizerOptions.__annotations__, options, "AlbertTokenizer")
    given = {name: value for name, value in options.items() if value is not None}
    refuse_but(known, given, "a tokenizer of this kind of vocabulary")
    if given.get("algorithm", ALGORITHMS[0]) not in ALGORITHMS:
        raise ValueError(f"algorithm takes {' or '.join(ALGORITHMS)}, got {given['algorithm']!r}")
    for name in ("padding_side", "truncation_side"):
        check_side(name, given.get(name, "right"))
    if "model_max_length" in given:
        given["model_max_length"] = int(given["model_max_length"])
    unknown = sorted(set(given.get("model_input_names", ())) - set(MODEL_INPUT_NAMES))
    if unknown:
        raise ValueError(f"model_input_names takes {', '.join(MODEL_INPUT_NAMES)}; not {', '.join(unknown)}")
    for name, kind in (("model_input_names", list), ("sp_model_kwargs", dict)):
        if name in known:
            given[name] = kind(given.get(name, DEFAULTS[name]))
    return given


def find_files(path: Path) -> TokenizerFiles | None:
    """Tokenizer files at a path: a directory, a SentencePiece model, a vocab.txt or a tokenizer.json; None: none."""
    if path.is_file():
        if path.suffix == ".txt":
            return TokenizerFiles(None, None, None, wordpiece=path)
        return TokenizerFiles(None, path, None) if path.suffix == ".json" else TokenizerFiles(path, None, None)
    if not path.is_dir():
        return None
    spm = next((path / name for name in _SPM_NAMES if (path / name).is_file()), None)
    if spm is None:
        models = sorted(path.glob("*.model"))
        spm = models[0] if len(models) == 1 else None
    file = path / JSON_FILE
    found_json = file if file.is_file() else None
    lists = sorted(path.glob("vocab*.txt")) if spm is None else []
    wordpiece = path / WORDPIECE_FILE if path / WORDPIECE_FILE in lists else lists[0] if len(lists) == 1 else None
    return TokenizerFiles(spm, found_json, path, wordpiece) if spm or found_json or wordpiece else None


def read_settings(
    folder: Path, *, known: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
) -> StoredSettings:
    """Settings of a tokenizer directory; none where the files are absent.

    Args:
        folder: the directory.
        known: takes from a configuration what a tokenizer of this kind has; None: those of SentencePiece.

    Raises:
        ModelError: a file is damaged.
    """
    stored = StoredSettings()
    config = read_json_object(folder / CONFIG_FILE) if (folder / CONFIG_FILE).is_file() else {}
    specials = read_json_object(folder / SPECIALS_FILE) if (folder / SPECIALS_FILE).is_file() else {}
    older = read_json_object(folder / "added_tokens.json") if (folder / "added_tokens.json").is_file() else {}
    try:
        stored.arguments = (known or _known_settings)(config)
        if int(config.get("model_max_length") or 0) >= NO_LIMIT:
            del stored.arguments["model_max_length"]  # 1e30 is the writers' word for "not known"
        if ALGORITHM_KEY in config:
            stored.arguments["algorithm"] = config[ALGORITHM_KEY]
        for role in ROLES:
            token = specials.get(role) or config.get(role)
            if token is not None:
                stored.arguments[role] = AddedToken.of(token)
        check_options({name: stored.arguments.get(name) for name in _OPTIONS}, known=_OPTIONS)
        stored.added = {int(index): AddedToken.of(token, special=False) for token, index in older.items()}
        decoder = config.get("added_tokens_decoder") or {}
        stored.added.update({int(index): AddedToken.of(token) for index, token in decoder.items()})
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelError(f"{folder / CONFIG_FILE} is damaged: {error}", hint="restore the file or delete it") from None
    _take_flags_from_decoder(stored)
    return stored


def _known_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    for key, default in DEFAULTS.items():
        if isinstance(default, bool) and not isinstance(config.get(key, default), bool | int | None):
            raise ValueError(f"{key} is {config[key]!r}, not true or false")
    return {key: config[key] for key in DEFAULTS if key != "algorithm" and config.get(key) is not None}


def config_content(
    settings: Mapping[str, Any], tokens: Mapping[str, AddedToken], added: Mapping[int, AddedToken]
) -> dict[str, Any]:
    """Content of tokenizer_config.json."""
    return {
        "added_tokens_decoder": {str(index): token.as_dict() for index, token in sorted(added.items())},
        ALGORITHM_KEY: settings["algorithm"],
        **{role: tokens[role].content for role in ROLES},
        **{name: value for name, value in settings.items() if name != "algorithm"},
        "extra_special_tokens": {},
        "tokenizer_class": "AlbertTokenizer",
    }


def specials_content(tokens: Mapping[str, AddedToken]) -> dict[str, Any]:
    """Content of special_tokens_map.json: a token that eats spaces is an object, the others are strings."""
    content: dict[str, Any] = {}
    for role, token in tokens.items():
        fields = token.as_dict()
        del fields["special"]
        content[role] = fields if token.lstrip or token.rstrip or token.single_word else token.content
    return content


def json_bytes(content: Mapping[str, Any], *, indent: int | None = 2) -> bytes:
    """A JSON file's bytes."""
    return (json.dumps(content, ensure_ascii=False, indent=indent) + "\n").encode("utf-8")


def _take_flags_from_decoder(stored: StoredSettings) -> None:
    """A token given by name alone gets its flags (the mask eats spaces on its left) from the table of added tokens."""
    flags = {token.content: token for token in stored.added.values()}
    for role in ROLES:
        token = stored.arguments.get(role)
        if token is not None and token == AddedToken(token.content) and token.content in flags:
            stored.arguments[role] = flags[token.content]
