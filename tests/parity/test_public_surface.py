"""Is everything there that the public ALBERT documentation names: classes, arguments, defaults, fields, methods?

The tables below are the documentation's (pages of 4.34, 4.57 and 5.x together). What the installed transformers still
has is asked of it as well, so that a new argument there does not go unseen.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from test_documentation_examples import ARRAY_CALLS

import albert_cli

INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids", "head_mask", "inputs_embeds")
WANTED = ("output_attentions", "output_hidden_states", "return_dict")
STATES = ("hidden_states", "attentions")
# class: what follows the inputs, class of the output, its own fields in order
MODELS: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    "AlbertModel": ((), "BaseModelOutputWithPooling", ("last_hidden_state", "pooler_output")),
    "AlbertForPreTraining": (
        ("labels", "sentence_order_label"),
        "AlbertForPreTrainingOutput",
        ("loss", "prediction_logits", "sop_logits"),
    ),
    "AlbertForMaskedLM": (("labels",), "MaskedLMOutput", ("loss", "logits")),
    "AlbertForSequenceClassification": (("labels",), "SequenceClassifierOutput", ("loss", "logits")),
    "AlbertForMultipleChoice": (("labels",), "MultipleChoiceModelOutput", ("loss", "logits")),
    "AlbertForTokenClassification": (("labels",), "TokenClassifierOutput", ("loss", "logits")),
    "AlbertForQuestionAnswering": (
        ("start_positions", "end_positions"),
        "QuestionAnsweringModelOutput",
        ("loss", "start_logits", "end_logits"),
    ),
}
CONFIG: dict[str, Any] = {
    "vocab_size": 30000,
    "embedding_size": 128,
    "hidden_size": 4096,
    "num_hidden_layers": 12,
    "num_hidden_groups": 1,
    "num_attention_heads": 64,
    "intermediate_size": 16384,
    "inner_group_num": 1,
    "hidden_act": "gelu_new",
    "hidden_dropout_prob": 0,
    "attention_probs_dropout_prob": 0,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "classifier_dropout_prob": 0.1,
    "position_embedding_type": "absolute",
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "tie_word_embeddings": True,
    # inherited, used by ALBERT
    "num_labels": 2,
    "id2label": {0: "LABEL_0", 1: "LABEL_1"},
    "label2id": {"LABEL_0": 0, "LABEL_1": 1},
    "problem_type": None,
    "output_attentions": False,
    "output_hidden_states": False,
    "return_dict": True,
    "chunk_size_feed_forward": 0,
    "pruned_heads": {},
}
TOKENIZER: dict[str, Any] = {
    "do_lower_case": True,
    "remove_space": True,
    "keep_accents": False,
    "bos_token": "[CLS]",
    "eos_token": "[SEP]",
    "unk_token": "<unk>",
    "sep_token": "[SEP]",
    "pad_token": "<pad>",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
    "sp_model_kwargs": {},
    "add_prefix_space": True,
    "trim_offsets": True,
    "padding_side": "right",
    "truncation_side": "right",
    "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
}
TOKENIZER_METHODS: dict[str, tuple[str, ...]] = {
    "build_inputs_with_special_tokens": ("token_ids_0", "token_ids_1"),
    "get_special_tokens_mask": ("token_ids_0", "token_ids_1", "already_has_special_tokens"),
    "create_token_type_ids_from_sequences": ("token_ids_0", "token_ids_1"),
    "save_vocabulary": ("save_directory", "filename_prefix"),
    "save_pretrained": ("save_directory",),
    "from_pretrained": (),
    "tokenize": ("text", "pair", "add_special_tokens"),
    "encode": ("text", "text_pair"),
    "decode": ("token_ids", "skip_special_tokens", "clean_up_tokenization_spaces"),
    "batch_decode": ("sequences",),
    "convert_tokens_to_ids": ("tokens",),
    "convert_ids_to_tokens": ("ids", "skip_special_tokens"),
    "convert_tokens_to_string": ("tokens",),
    "get_vocab": (),
    "add_tokens": ("new_tokens", "special_tokens"),
    "add_special_tokens": ("special_tokens_dict",),
    "num_special_tokens_to_add": ("pair",),
    "pad": ("encoded_inputs",),
}
CALL = (
    "add_special_tokens",
    "padding",
    "truncation",
    "max_length",
    "stride",
    "is_split_into_words",
    "pad_to_multiple_of",
    "padding_side",
    "return_tensors",
    "return_token_type_ids",
    "return_attention_mask",
    "return_overflowing_tokens",
    "return_special_tokens_mask",
    "return_offsets_mapping",
    "return_length",
)
MODEL_METHODS: dict[str, tuple[str, ...]] = {
    "from_pretrained": (
        "dtype",
        "torch_dtype",
        "attn_implementation",
        "device_map",
        "num_labels",
        "revision",
        "ignore_mismatched_sizes",
        "config",
    ),
    "save_pretrained": (),
    "resize_token_embeddings": ("new_num_tokens", "pad_to_multiple_of", "mean_resizing"),
    "get_input_embeddings": (),
    "set_input_embeddings": (),
    "get_output_embeddings": (),
    "set_output_embeddings": (),
    "tie_weights": (),
    "num_parameters": ("only_trainable",),
    "prune_heads": ("heads_to_prune",),
    "gradient_checkpointing_enable": ("gradient_checkpointing_kwargs",),
    "gradient_checkpointing_disable": (),
}
OTHER_NAMES = ("AlbertConfig", "AlbertTokenizer", "AlbertTokenizerFast", "AlbertForQuestionAnsweringBeam", "pipeline")
MODEL_FILE = Path(__file__).resolve().parents[1] / "goldens" / "tokenizer" / "spiece.model"


def arguments(function: Any) -> list[str]:
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    found = inspect.signature(function).parameters.values()
    return [one.name for one in found if one.name != "self" and one.kind not in kinds]


def positional(function: Any) -> list[str]:
    found = inspect.signature(function).parameters.values()
    return [one.name for one in found if one.name != "self" and one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]


def in_order(names: tuple[str, ...] | list[str], among: list[str]) -> bool:
    return [name for name in among if name in names] == list(names)


@pytest.mark.parametrize("name", MODELS)
def test_classes_arguments_and_outputs(name: str) -> None:
    labels, output, fields = MODELS[name]
    ours = getattr(albert_cli, name)
    assert positional(ours.forward) == [*INPUTS, *labels, *WANTED]
    assert all(one.default is None for one in inspect.signature(ours.forward).parameters.values() if one.name != "self")
    record = getattr(albert_cli, output)
    assert [field.name for field in dataclasses.fields(record)] == [*fields, *STATES]
    config = albert_cli.AlbertConfig.named("tiny", vocab_size=20, num_hidden_layers=1)
    ids = torch.tensor([[2, 7, 3]])
    given = ours(config)(ids[None] if "Choice" in name else ids)
    assert type(given) is record
    assert given.keys() == [field for field in fields if field != "loss"]


@pytest.mark.parametrize("name", MODELS)
def test_nothing_that_transformers_takes_is_unknown(name: str) -> None:
    theirs = getattr(transformers, name)
    ours = getattr(albert_cli, name)
    assert in_order(arguments(theirs.forward), arguments(ours.forward))
    assert in_order(arguments(theirs.__init__), arguments(ours.__init__))
    for method in ("get_input_embeddings", "resize_token_embeddings", "num_parameters", "tie_weights"):
        known = set(arguments(getattr(ours, method)))
        left_out = set(arguments(getattr(theirs, method))) - known
        assert left_out <= {"exclude_embeddings", "missing_keys", "recompute_mapping"}, (method, left_out)


def test_the_bare_model_may_go_without_its_pooler() -> None:
    config = albert_cli.AlbertConfig.named("tiny", vocab_size=20, num_hidden_layers=1)
    assert albert_cli.AlbertModel(config, add_pooling_layer=False)(torch.tensor([[2, 3]])).pooler_output is None
    assert positional(albert_cli.AlbertModel.__init__) == ["config", "add_pooling_layer"]


def test_config_fields_and_defaults() -> None:
    config = albert_cli.AlbertConfig()
    assert {name: getattr(config, name) for name in CONFIG} == CONFIG
    named = list(CONFIG)[: list(CONFIG).index("tie_word_embeddings")]
    assert positional(albert_cli.AlbertConfig.__init__)[: len(named)] == named  # may be given by place, too
    other = {name: f"{value}" if name == "hidden_act" else value for name, value in CONFIG.items()}
    assert dataclasses.asdict(albert_cli.AlbertConfig(**other)) == dataclasses.asdict(config)
    theirs = {field.name for field in dataclasses.fields(transformers.AlbertConfig)}
    # Names, versions and file places of transformers itself; return_dict is known here.
    assert theirs - set(arguments(albert_cli.AlbertConfig.__init__)) <= {"transformers_version", "is_encoder_decoder"}


def test_tokenizer_settings_and_defaults() -> None:
    tokenizer = albert_cli.AlbertTokenizer(MODEL_FILE)
    assert {name: getattr(tokenizer, name) for name in TOKENIZER} == TOKENIZER
    assert albert_cli.AlbertTokenizer(vocab_file=MODEL_FILE, **TOKENIZER).encode("a road") == tokenizer.encode("a road")
    assert albert_cli.AlbertTokenizer(vocab=str(MODEL_FILE)).encode("a road") == tokenizer.encode("a road")
    assert tokenizer.sp_model_kwargs == {}
    for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"):
        assert getattr(tokenizer, f"{name}_token_id") == tokenizer.convert_tokens_to_ids(
            getattr(tokenizer, f"{name}_token")
        )
    for name in ("vocab_size", "all_special_tokens", "all_special_ids", "special_tokens_map", "is_fast"):
        assert getattr(tokenizer, name)


@pytest.mark.parametrize("name", TOKENIZER_METHODS)
def test_tokenizer_methods(name: str) -> None:
    for kind in (albert_cli.AlbertTokenizer, albert_cli.AlbertTokenizerFast):
        assert in_order(TOKENIZER_METHODS[name], arguments(getattr(kind, name)))


def test_options_of_a_tokenizer_call() -> None:
    tokenizer = albert_cli.AlbertTokenizer(MODEL_FILE)
    usual: dict[str, Any] = {
        "add_special_tokens": True,
        "padding": "max_length",
        "truncation": True,
        "max_length": 16,
        "stride": 0,
        "is_split_into_words": False,
        "pad_to_multiple_of": 8,
        "padding_side": "right",
        "return_tensors": "pt",
        **{name: True for name in CALL if name.startswith("return_") and name != "return_tensors"},
    }
    assert set(usual) == set(CALL)
    encoded = tokenizer("the river", "the road", **{**usual, "truncation": "only_second"})
    assert {"input_ids", "token_type_ids", "attention_mask", "special_tokens_mask", "offset_mapping", "length"} <= set(
        encoded
    )
    assert encoded["input_ids"].shape == encoded.input_ids.shape == (1, 16)


@pytest.mark.parametrize("name", MODEL_METHODS)
def test_model_methods(name: str) -> None:
    for kind in MODELS:
        assert in_order(MODEL_METHODS[name], arguments(getattr(getattr(albert_cli, kind), name)))


def test_public_names() -> None:
    for name in OTHER_NAMES:
        assert getattr(albert_cli, name).__name__
    for name, ours in {
        "AutoConfig": "AlbertConfig",
        "AutoTokenizer": "AlbertTokenizer",
        "AutoModel": "AlbertModel",
        **{f"AutoModelFor{name.removeprefix('AlbertFor')}": name for name in MODELS if name != "AlbertModel"},
    }.items():
        assert getattr(albert_cli, name) is getattr(albert_cli, ours)
    documented = {*MODELS, *OTHER_NAMES, *(output for _, output, _ in MODELS.values())}
    assert documented <= set(albert_cli.__all__)


ROOT = Path(__file__).resolve().parents[2]


def test_the_list_of_behaviours_names_tests_that_exist() -> None:
    page = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    files = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    tests = re.findall(r"^def (test_\w+)", "\n".join(files.values()), re.M)
    named = re.findall(r"`(?:tests/[\w/]+/)?(test_\w+(?:\.py|…)?)`", page)
    assert len(named) > 60
    for name in named:
        if name.endswith(".py"):
            assert name in files
        elif name.endswith("…"):
            assert any(test.startswith(name[:-1]) for test in tests), name
        else:
            assert name in tests


def test_the_page_for_tensorflow_and_flax_names_every_call_of_the_examples() -> None:
    page = (ROOT / "docs" / "howto" / "from_tf_and_flax.md").read_text(encoding="utf-8")
    for theirs, _ in ARRAY_CALLS:
        call = theirs.partition("(")[0].partition("=")[0] if theirs.startswith("tf.") else theirs
        assert call.removeprefix("return_tensors=") in page or theirs.endswith("[0][1]"), theirs
    for name in MODELS:
        assert name.removeprefix("Albert") in page
