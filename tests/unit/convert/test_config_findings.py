"""Values that published configurations are known to have wrong: noticed, said, and where it is safe written right."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers

from albert_cli.convert.config_findings import RULES, Facts, Finding, SpecialIds, look, markdown
from albert_cli.models.config import AlbertConfig
from albert_cli.recipe.requests import ConvertRequest
from albert_cli.stages.convert import convert, report_lines

PAGE = Path(__file__).resolve().parents[3] / "docs" / "howto" / "convert.md"
BASE = AlbertConfig.named("base").to_dict() | {"architectures": ["AlbertForMaskedLM"]}
XLARGE = AlbertConfig.named("xlarge").to_dict() | {"architectures": ["AlbertForMaskedLM"]}
XXLARGE = AlbertConfig.named("xxlarge").to_dict() | {"architectures": ["AlbertForMaskedLM"]}
# The keys of google's published files, with the dropouts of v1.
GOOGLE = {key: BASE[key] for key in ("vocab_size", "embedding_size", "hidden_size", "num_hidden_layers")} | {
    "num_hidden_groups": 1,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "inner_group_num": 1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "net_structure_type": 0,
    "gap_size": 0,
    "num_memory_blocks": 0,
    "down_scale_factor": 1,
}


CHINESE = SpecialIds(pad_token_id=0, cls_token_id=101, sep_token_id=102)


def found(values: dict[str, Any], **facts: Any) -> list[Finding]:
    config = AlbertConfig.from_dict({**values, "hidden_act": facts.pop("act", values.get("hidden_act", "gelu_new"))})
    named = {"source": "hf", "target": "hf", "head": "AlbertForMaskedLM", **facts}
    return look(Facts(values, config, **named))[0]


def said(values: dict[str, Any], key: str, **facts: Any) -> str:
    return "; ".join(one.says for one in found(values, **facts) if key in one.key.split(", "))


def test_a_good_file_has_nothing_odd() -> None:
    for target in ("hf", "hf-bin", "tf1", "tf2", "flax", "onnx"):
        assert found(BASE, target=target) == []


@pytest.mark.parametrize(
    ("values", "facts", "key", "words"),
    [
        (GOOGLE, {"source": "tf1", "act": "gelu_new"}, "hidden_act", "the tanh form"),
        (BASE | {"hidden_act": "gelu"}, {}, "hidden_act", "--hidden-act gelu_new"),
        (GOOGLE, {"source": "tf1"}, "hidden_dropout_prob", "v2 with 0"),
        (BASE | {"hidden_dropout_prob": 0.1}, {}, "hidden_dropout_prob", "before its correction"),
        (XXLARGE | {"attention_probs_dropout_prob": 0.1}, {}, "attention_probs_dropout_prob", "neither xxlarge"),
        (BASE | {"hidden_dropout_prob": 0.1}, {}, "hidden_dropout_prob", "never drop the feed-forward output"),
        (GOOGLE, {"source": "tf1"}, "classifier_dropout_prob", "before a head"),
        (BASE | {"classifier_dropout_prob": None}, {}, "classifier_dropout_prob", "transformers 5 refuses"),
        ({"hidden_size": 768, "num_attention_heads": 12}, {}, "intermediate_size", "that of xxlarge"),
        ({key: BASE[key] for key in BASE if key != "model_type"}, {}, "model_type", "automatic classes"),
        ({key: BASE[key] for key in BASE if key != "architectures"}, {}, "architectures", "the weights show it"),
        (BASE | {"num_hidden_layers": 12.0}, {}, "num_hidden_layers", "another type"),
        (BASE | {"hidden_dropout_prob": "0"}, {}, "hidden_dropout_prob", "another type"),
        (BASE, {"tokenizer": CHINESE}, "bos_token_id", "have other ids"),
        (BASE, {"tokenizer": CHINESE}, "eos_token_id", "have other ids"),
        (BASE | {"pad_token_id": 7}, {"tokenizer": CHINESE}, "pad_token_id", "have other ids"),
        (
            BASE | {"id2label": {"0": "a", "1": "b", "2": "c"}},
            {"head": "AlbertForQuestionAnswering"},
            "num_labels",
            "another head",
        ),
        (XLARGE | {"num_attention_heads": 32}, {}, "num_attention_heads", "16 heads of 128"),
        (GOOGLE, {"source": "tf1"}, "down_scale_factor", "kept; no published code"),
        (GOOGLE | {"net_structure_type": 2}, {"source": "tf1"}, "net_structure_type", "the released models have 0"),
        (BASE | {"layer_norm_eps": 1e-5}, {"target": "tf1"}, "layer_norm_eps", "1e-12 whatever the file says"),
        (BASE | {"position_embedding_type": "relative_key"}, {}, "position_embedding_type", "transformers 5 passes"),
        # The first pairs of layers and groups that each side's floating point rounds otherwise.
        (BASE | {"num_hidden_layers": 18, "num_hidden_groups": 14}, {}, "num_hidden_groups", "transformers rounds"),
        (
            BASE | {"num_hidden_layers": 22, "num_hidden_groups": 22},
            {"target": "tf1"},
            "num_hidden_groups",
            "google's code rounds",
        ),
        (BASE | {"num_hidden_groups": 12, "inner_group_num": 2}, {}, "inner_group_num", "IndexError"),
    ],
)
def test_what_is_odd_is_said(values: dict[str, Any], facts: dict[str, Any], key: str, words: str) -> None:
    assert words in said(values, key, **facts)


def test_every_rule_finds_something_somewhere() -> None:
    """The cases above leave no line of the table out."""
    cases = test_what_is_odd_is_said.pytestmark[0].args[1]
    hit = set()
    for values, facts, _, _ in cases:
        given = dict(facts)
        config = AlbertConfig.from_dict(
            {**values, "hidden_act": given.pop("act", values.get("hidden_act", "gelu_new"))}
        )
        known = Facts(values, config, **{"source": "hf", "target": "hf", "head": "AlbertForMaskedLM", **given})
        hit |= {number for number, rule in enumerate(RULES) if list(rule.look(known))}
    assert hit == set(range(len(RULES)))


def test_the_page_has_the_rules() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.split("<!-- rules -->\n")[1].split("<!-- /rules -->")[0] == markdown()


def test_the_report_says_it_and_the_target_has_what_is_right(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    source = shutil.copytree(tiny_model("AlbertForQuestionAnswering", embedding_size=64), tmp_path / "source")
    path = source / "config.json"
    values = json.loads(path.read_text())
    values |= {"bos_token_id": 101, "classifier_dropout_prob": None, "num_hidden_layers": 2.0}
    values |= {"id2label": {"0": "no", "1": "maybe", "2": "yes"}, "label2id": {"no": 0, "maybe": 1, "yes": 2}}
    path.write_text(json.dumps(values))
    report = convert(ConvertRequest(source=str(source), target=str(tmp_path / "out"), to="hf", quiet=True))
    as_data = {one["key"]: (one["found"], one["written"]) for one in report.to_dict()["config"]}
    assert as_data == {
        "bos_token_id": (101, 2),
        "classifier_dropout_prob": (None, 0.0),
        "num_hidden_layers": (2.0, 2),
        "num_labels": (3, 2),
    }
    assert "config: bos_token_id is 101, written as 2: the tokenizer's" in "\n".join(report_lines(report))
    model, info = transformers.AlbertForQuestionAnswering.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not info["mismatched_keys"]
    assert (model.config.bos_token_id, model.config.num_labels) == (2, 2)
